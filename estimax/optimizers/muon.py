"""Muon."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.adam import bias_corrected_rate
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import OptionsButDecay


@register("keras.optimizers")
class Muon(Optimizer):
    """Orthogonalised momentum for matrices, AdamW for all else.

    Arrays of rank 2 take the Muon step, unless `"embedding"` is in their path or `exclude_layers` names them; the output
    layer should be excluded.

    Args:
        learning_rate: a number or a schedule.
        adam_beta_1: as for Adam.
        adam_beta_2: as for Adam.
        epsilon: as for Adam.
        weight_decay: of the matrices, times the learning rate.
        exclude_layers: regular expressions of paths that take AdamW's step.
        exclude_embeddings: whether paths with `"embedding"` in them do.
        muon_a: coefficient of the Newton-Schulz polynomial.
        muon_b: its second coefficient.
        muon_c: its third coefficient.
        adam_lr_ratio: learning rate of AdamW over that of Muon.
        momentum: share of the last momentum that is kept.
        ns_steps: number of Newton-Schulz iterations.
        nesterov: whether the gradient is applied on top of the new momentum.
        rms_rate: the orthogonalised matrix is multiplied by `rms_rate * sqrt(max(rows, columns))`; None for no factor.
        adam_weight_decay: weight decay of the variables that take AdamW's step.
        **options: see `Optimizer`.

    Example:
        >>> slots = Muon().init({"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)})["slots"]
        >>> sorted(slots["kernel"]), sorted(slots["bias"])
        (['momentum'], ['momentum', 'velocity'])

    Reference: keras.optimizers.Muon; Jordan et al., "Muon", 2024; Liu et al., "Muon is scalable", 2025.
    """

    config_names = (
        "adam_beta_1",
        "adam_beta_2",
        "epsilon",
        "exclude_layers",
        "exclude_embeddings",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "rms_rate",
        "adam_weight_decay",
    )
    slot_order = (("momentum", "velocity"),)
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        adam_weight_decay: float | None = 0.004,
        **options: Unpack[OptionsButDecay],
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.exclude_layers, self.exclude_embeddings = list(exclude_layers or ()), exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio, self.momentum, self.ns_steps, self.nesterov = adam_lr_ratio, momentum, ns_steps, nesterov
        self.rms_rate, self.adam_weight_decay = rms_rate, adam_weight_decay

    def is_matrix(self, path: str, rank: int) -> bool:
        """Whether a variable takes the Muon step."""
        if rank != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return False
        return not any(re.search(pattern, path) for pattern in self.exclude_layers)

    def slots(self, path: str, param: jax.Array) -> Slots:
        names = ("momentum",) if self.is_matrix(path, param.ndim) else ("momentum", "velocity")
        return {name: jnp.zeros_like(param) for name in names}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        adam_rate = learning_rate * self.adam_lr_ratio
        return {
            "learning_rate": learning_rate,
            "alpha": bias_corrected_rate(adam_rate, iteration, self.adam_beta_1, self.adam_beta_2),
        }

    def path_rule(self, path: str, rank: int) -> Callable[..., tuple[jax.Array, Slots]]:
        return self.matrix_rule if self.is_matrix(path, rank) else self.rule

    def path_weight_decay(self, path: str, rank: int) -> float | None:
        return self.weight_decay if self.is_matrix(path, rank) else self.adam_weight_decay

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.adam_beta_1)
        v = slots["velocity"] + (jnp.square(grad) - slots["velocity"]) * (1 - self.adam_beta_2)
        return param - m * hyper["alpha"] / (jnp.sqrt(v) + self.epsilon), {"momentum": m, "velocity": v}

    def matrix_rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        """The Muon step of a matrix."""
        m = grad + self.momentum * slots["momentum"]
        direction = self.orthogonalised(grad + self.momentum * m if self.nesterov else m)
        rows, columns = param.shape[0], param.shape[1]
        size = 1.0 if self.rms_rate is None else self.rms_rate * max(rows, columns) ** 0.5
        return param - hyper["learning_rate"] * direction * size, {"momentum": m}

    def orthogonalised(self, matrix: jax.Array) -> jax.Array:
        """About `U V^T` of the singular value decomposition `U S V^T`, by Newton-Schulz iterations. Shape `[..., m, n]`."""
        tall = matrix.shape[-2] > matrix.shape[-1]
        x = jnp.swapaxes(matrix, -1, -2) if tall else matrix
        x = x / (jnp.sqrt(jnp.sum(jnp.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ jnp.swapaxes(x, -1, -2)
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return jnp.swapaxes(x, -1, -2) if tall else x
