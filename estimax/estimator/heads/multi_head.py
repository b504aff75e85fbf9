"""Several heads on one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import current_frame
from estimax.core.errors import ShapeError
from estimax.estimator.export.outputs import ExportOutput, PredictOutput
from estimax.estimator.heads.base import Head, sum_of
from estimax.estimator.heads.metric_set import metric_key
from estimax.estimator.spec import DEFAULT_SIGNATURE
from estimax.metrics import Mean


class MultiHead(Head):
    """Several tasks: the loss is the weighted sum of the heads' losses.

    Labels are a dict by head name; logits too, or one array whose last axis is split in the order of the heads. Predictions have the keys
    `(head name, prediction)`.

    Args:
        heads: heads with names.
        head_weights: factor of each head's loss; 1 by default.

    Raises:
        ValueError: if there are no heads, names are missing or repeated, or the number of weights differs.

    Example:
        >>> from estimax.estimator.heads import BinaryClassHead, RegressionHead
        >>> head = MultiHead([BinaryClassHead(name="click"), RegressionHead(name="price")])
        >>> head.name, head.logits_dimension
        ('click_price', 2)

    Reference: tf.estimator.MultiHead.
    """

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float] | None = None):
        heads = tuple(heads or ())
        if not heads:
            raise ValueError("MultiHead: heads: given none, expected at least one head.")
        if head_weights is not None and len(head_weights) != len(heads):
            raise ValueError(f"MultiHead: head_weights: given {len(head_weights)}, expected {len(heads)}, one for each head.")
        names = [h.name for h in heads]
        if not all(names):
            raise ValueError(
                f"MultiHead: heads: given heads with the names {names}, expected a name for each: BinaryClassHead(name='click')."
            )
        if len(set(names)) < len(names):
            raise ValueError(f"MultiHead: heads: given heads with the names {names}, expected different names.")
        if len({h.loss_reduction for h in heads}) > 1:
            raise ValueError(
                f"MultiHead: heads: given the reductions {[h.loss_reduction for h in heads]}, expected the same for all heads."
            )
        self._heads: dict[str, Head] = dict(zip(names, heads))  # type: ignore[arg-type]
        self._weights = tuple(head_weights) if head_weights else (1.0,) * len(heads)

    @property
    def name(self) -> str:
        return "_".join(self._heads)

    @property
    def logits_dimension(self) -> int:
        return sum(h.logits_dimension for h in self._heads.values())

    @property
    def loss_reduction(self) -> str:
        return next(iter(self._heads.values())).loss_reduction

    @property
    def training_scope(self) -> str:
        # Each head opens the scope "training" once before this one does, so TensorFlow counts it up.
        return f"training_{len(self._heads)}"

    def _split(self, logits: Any) -> dict[str, Any]:
        if isinstance(logits, Mapping):
            return self._by_name("logits", logits)
        logits = jnp.asarray(logits)
        if logits.ndim < 2 or logits.shape[-1] != self.logits_dimension:
            raise ShapeError(
                f"MultiHead: logits: given shape {tuple(logits.shape)}, expected [batch, ..., {self.logits_dimension}]."
            )
        found, start = {}, 0
        for name, head in self._heads.items():
            found[name] = logits[..., start : start + head.logits_dimension]
            start += head.logits_dimension
        return found

    def _by_name(self, what: str, values: Any) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise ValueError(
                f"MultiHead: {what}: given {type(values).__name__}, expected a dict by head name {list(self._heads)}."
            )
        if lacking := [n for n in self._heads if n not in values]:
            raise ValueError(
                f"MultiHead: {what}: given entries {sorted(values)}, expected one for each head; {lacking} are missing."
            )
        return {n: values[n] for n in self._heads}

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> jax.Array:
        """The weighted sum of the heads' losses, and regularization once."""
        logits, labels = self._split(logits), self._by_name("labels", labels)
        losses = [h.loss(labels[n], logits[n], features=features, mode=mode) for n, h in self._heads.items()]
        total = sum((x * w for x, w in zip(losses, self._weights)), jnp.zeros((), jnp.float32))
        return total + sum_of(regularization_losses)

    def predictions(self, logits: Any, keys: Sequence[Any] | None = None) -> dict[Any, Any]:
        """Predictions by `(head name, prediction)`.

        Args:
            logits: a dict by head name, or one array.
            keys: tuples wanted; all by default.
        """
        logits = self._split(logits)
        found = {(n, k): v for n, h in self._heads.items() for k, v in h.predictions(logits[n]).items()}
        if keys is None:
            return found
        if unknown := [k for k in keys if k not in found]:
            raise ValueError(f"MultiHead: keys: given {unknown}, expected some of {sorted(found)}.")
        return {k: found[k] for k in keys}

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metrics by name: those of the heads, and the loss of each."""
        found: dict[str, Any] = {}
        if regularization_losses:
            found[metric_key("regularization_loss", self.name)] = Mean(name="regularization_loss")
        for name, head in self._heads.items():
            found[metric_key("loss", name)] = Mean(name="loss")
            found |= head.metrics()
        return found

    def update_metrics(
        self,
        eval_metrics: Mapping[str, Any],
        features: Mapping[str, Any] | None,
        logits: Any,
        labels: Any,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        """Adds a batch to metrics; see `Head.update_metrics`.

        Outside of an Estimator the metrics of the single heads are those of this batch alone, as in TensorFlow 2.15; losses are means.
        """
        logits, labels = self._split(logits), self._by_name("labels", labels)
        found = dict(eval_metrics)
        if current_frame() is None:
            found |= {key: metric for head in self._heads.values() for key, metric in head.metrics().items()}
        if regularization_losses:
            found[metric_key("regularization_loss", self.name)].update_state(sum_of(regularization_losses))
        for name, head in self._heads.items():
            found[metric_key("loss", name)].update_state(head.loss(labels[name], logits[name], features=features, mode=mode))
            found = head.update_metrics(found, features, logits[name], labels[name], mode=mode)
        return found

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        found: dict[str, ExportOutput] = {}
        for name, head in self._heads.items():
            mine = {k: v for (n, k), v in predictions.items() if n == name}
            for signature, output in head.export_outputs(mine).items():
                if signature == DEFAULT_SIGNATURE:
                    found.setdefault(DEFAULT_SIGNATURE, output)
                    found[name] = output
                else:
                    found[f"{name}/{signature}"] = output
        return found | {"predict": PredictOutput(predictions)}
