"""The interface of the optimizers of tf.keras.optimizers.legacy."""

from __future__ import annotations

from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core.serialization import serialize
from estimax.optimizers.optimizer import Hyper, Optimizer, State
from estimax.optimizers.options import Rows
from estimax.optimizers.schedules import LearningRateSchedule


class LegacyOptions(TypedDict, total=False):
    """The keyword arguments that every legacy optimizer takes; see `LegacyOptimizer`."""

    decay: float
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    rows: Rows | None
    lr: float | None


class LegacyOptimizer(Optimizer):
    """Interface of the optimizers that tf.estimator uses, with TensorFlow 2.15's numbers for dense and row gradients.

    Hyper-parameters are rounded to float32 before anything is worked out from them, as TensorFlow kept them in float32
    variables: with beta_2 = 0.999 that alone changes `1 - beta_2` by 5e-5 of itself. Norms for clipping are taken over the
    rows of a `RowGradient` as they are given, before repeated ids are added up.

    Args:
        learning_rate: a number or a schedule.
        decay: the rate is divided by `1 + decay * iterations`; at least 0.
        clipnorm: largest norm of each gradient.
        clipvalue: largest absolute value of each element.
        global_clipnorm: largest norm of all gradients together.
        name: name in TensorFlow's variables, `training/<name>/...`.
        rows: what happens to rows without gradient, see `Optimizer`; by default what TensorFlow does.
        lr: old name of `learning_rate`.

    Raises:
        ValueError: if `decay` is negative.
        TypeError: for an unknown argument.

    Reference: tf.keras.optimizers.legacy.Optimizer.
    """

    clips_before_sum = True
    unknown_argument = TypeError
    # Hyper-parameters that TensorFlow keeps in float32 variables.
    hyper_names: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: Any,
        *,
        name: str,
        decay: float = 0.0,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        rows: Rows | None = None,
        lr: float | None = None,
        **unknown: Any,
    ):
        super().__init__(
            learning_rate if lr is None else lr,
            name=name,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            rows=rows,
            **unknown,
        )
        if decay < 0:
            raise ValueError(f"{type(self).__name__}: decay: given {decay!r}, expected a number of at least 0.")
        self.decay_rate = decay

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        if self.decay_rate:
            learning_rate = learning_rate / (1 + jnp.asarray(self.decay_rate, dtype) * iteration.astype(dtype))
        named = {k: jnp.asarray(np.float32(getattr(self, k)), dtype) for k in self.hyper_names}
        return {"learning_rate": learning_rate} | named

    def hyper_values(self, state: State) -> dict[str, jax.Array]:
        """Hyper-parameters by the names that TensorFlow's checkpoints give them, `training/<name>/beta_1`.

        Args:
            state: the optimizer's state.

        Returns:
            Scalars by name; without the learning rate if it is a schedule.
        """
        values = {k: jnp.float32(getattr(self, k)) for k in self.hyper_names} | {"decay": jnp.float32(self.decay_rate)}
        return values | ({"learning_rate": state["learning_rate"]} if "learning_rate" in state else {})

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        config: dict[str, Any] = {"name": self.name}
        config |= {k: v for k in ("clipnorm", "clipvalue", "global_clipnorm") if (v := getattr(self, k)) is not None}
        config["learning_rate"] = serialize(rate) if isinstance(rate, LearningRateSchedule) else self.learning_rate
        config["decay"] = self.decay_rate
        for key in self.config_names:
            config[key] = float(np.float32(getattr(self, key))) if key in self.hyper_names else getattr(self, key)
        return config | ({} if self.rows is None else {"rows": self.rows})
