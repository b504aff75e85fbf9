"""The losses and metrics of `compile`, matched with the outputs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax import losses, metrics
from estimax.core import HostValue, current_frame, row_count, row_mask


def flat_outputs(tree: Any, path: tuple = ()) -> list[tuple[tuple, Any]]:
    """The leaves of nested outputs with their paths, dicts in the order of their sorted keys."""
    if isinstance(tree, Mapping):
        return [leaf for k in sorted(tree) for leaf in flat_outputs(tree[k], (*path, k))]
    if isinstance(tree, (list, tuple)):
        return [leaf for i, v in enumerate(tree) for leaf in flat_outputs(v, (*path, i))]
    return [(path, tree)]


def _is_many(tree: Any) -> bool:
    return isinstance(tree, (Mapping, list, tuple))


class CompiledLosses:
    """One loss for each output that has one.

    Args:
        loss: a loss for all outputs, or a list or dict of them.
        loss_weights: factors of the losses, in the same structure.
        y_true, y_pred: labels and outputs, or their shapes.
        output_names: of the model's outputs, in order, if it has any.

    Attributes:
        trackers: by log name, the mean of each loss, if there are several.

    Raises:
        ValueError: if losses, weights or labels do not fit the outputs.
    """

    def __init__(self, loss: Any, loss_weights: Any, y_true: Any, y_pred: Any, output_names: Sequence[str] | None):
        self.names = output_names_of(y_pred, output_names)
        shapes = [x.shape for _, x in flat_outputs(y_pred)]
        count = len(shapes)
        wanted = [loss] * count if not _is_many(loss) else match(loss, y_pred, output_names, "loss")
        self._has = [w is not None for w in wanted]
        if not any(self._has):
            raise ValueError("compile: no output has a loss. Give compile(loss=...) one for at least one output.")
        labels = self._labels(y_true, y_pred, output_names)
        self.losses: list[Any] = []
        for i, w in enumerate(wanted):
            shape = getattr(labels[i], "shape", shapes[i]) if labels[i] is not None else shapes[i]
            if w is not None and labels[i] is None:
                raise ValueError(f"loss: output {self.names[i]!r} has a loss but no labels. Give y for it, or loss None.")
            self.losses.append(None if w is None else losses.resolve(w, shape, shapes[i]))
        if loss_weights is None:
            self.weights: list[float | None] = [None] * count
        else:
            self.weights = match(loss_weights, y_pred, output_names, "loss_weights", partial=True)
        for i, w in enumerate(self.weights):
            if w is not None and not isinstance(w, (int, float)):
                raise ValueError(f"loss_weights: given {w!r} for output {self.names[i]!r}, expected a number.")
        self._output_names = output_names
        several = sum(self._has) > 1
        self.trackers: dict[str, Any] = {}
        for name, has in zip(self.names, self._has):
            if several and has:
                self.trackers[f"{name}_loss"] = metrics.Mean(name=f"{name}_loss")

    def _labels(self, y_true: Any, y_pred: Any, output_names: Sequence[str] | None) -> list[Any]:
        """The labels of each output, None where there are none."""
        count = len(self._has)
        if y_true is None:
            return [None] * count
        if isinstance(y_true, (list, tuple)) and len(y_true) == sum(self._has) != count:
            given = iter(y_true)
            return [next(given) if has else None for has in self._has]
        if not _is_many(y_true) and sum(self._has) == 1:
            return [y_true if has else None for has in self._has]
        return match(y_true, y_pred, output_names, "y", partial=True)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighted sum of the losses, a scalar; each one is added to its tracker."""
        frame = current_frame()
        flat = [x for _, x in flat_outputs(y_pred)]
        labels = self._labels(y_true, y_pred, self._output_names)
        weights = weights_of(sample_weight, y_pred, self._output_names)
        total = jnp.zeros((), jnp.float32)
        for i, loss in enumerate(self.losses):
            if loss is None:
                continue
            if isinstance(labels[i], HostValue):
                raise ValueError(
                    f"y: the labels of output {self.names[i]!r} are strings, expected numbers. Encode them with StringLookup."
                )
            mask = None if frame is None else frame.mask_of(flat[i])
            value = loss(labels[i], flat[i], sample_weight=weights[i], mask=mask)
            if jnp.ndim(value) != 0:
                raise ValueError(
                    f"loss: {type(loss).__name__} of output {self.names[i]!r} gave shape {jnp.shape(value)}, expected a scalar. Use "
                    'reduction="sum_over_batch_size".'
                )
            value = value.astype(jnp.float32)
            tracker = self.trackers.get(f"{self.names[i]}_loss")
            if tracker is not None:
                tracker.update_state(value, sample_weight=row_count(flat[i]))
            total = total + (value if self.weights[i] is None else value * self.weights[i])
        return total


class CompiledMetrics:
    """The metrics of each output.

    Args:
        plain, weighted: the arguments `metrics` and `weighted_metrics` of `compile`.
        y_true, y_pred: labels and outputs, or their shapes.
        output_names: of the model's outputs, in order, if it has any.

    Attributes:
        by_name: metric objects by the name in logs, in order.

    Raises:
        ValueError: if metrics do not fit the outputs.
    """

    def __init__(self, plain: Any, weighted: Any, y_true: Any, y_pred: Any, output_names: Sequence[str] | None):
        self._output_names = output_names
        self.by_name: dict[str, Any] = {}
        self._entries: list[tuple[Any, int, bool]] = []
        self._of_whole_batch: set[int] = set()  # ids of metrics that are functions of a batch, not of its rows
        names = output_names_of(y_pred, output_names)
        flat = [x for _, x in flat_outputs(y_pred)]
        labels = _labels_for_metrics(y_true, y_pred, output_names)
        for argument, given in (("metrics", plain), ("weighted_metrics", weighted)):
            for i, wanted in enumerate(_per_output(given, y_pred, output_names, argument)):
                for m in wanted:
                    if labels[i] is None:
                        raise ValueError(f"{argument}: output {names[i]!r} has metrics but no labels. Give y for it.")
                    metric: Any = metrics.resolve(m, labels[i].shape, flat[i].shape)
                    if isinstance(m, str):
                        metric.name = m
                    elif not isinstance(m, (metrics.Metric, Mapping)):
                        metric.name = getattr(m, "__name__", metric.name)
                    metric.build(*_zeros(labels[i], flat[i]))
                    if _gives_scalar(metric, *_zeros(labels[i], flat[i])):
                        self._of_whole_batch.add(id(metric))
                    self._entries.append((metric, i, argument == "weighted_metrics"))
                    prefix = f"{names[i]}_" if len(flat) > 1 else ""
                    self.by_name[self._free_name(prefix, metric.name, argument == "weighted_metrics")] = metric

    def _free_name(self, prefix: str, name: str, is_weighted: bool) -> str:
        full = prefix + name
        if full in self.by_name and is_weighted:
            full = f"{prefix}weighted_{name}"
        base, n = full, 0
        while full in self.by_name:
            n += 1
            full = f"{base}_{n}"
        return full

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch to all metrics; rows that only pad it, and masked positions, count for nothing."""
        if not self._entries:
            return
        frame = current_frame()
        flat = [x for _, x in flat_outputs(y_pred)]
        labels = _labels_for_metrics(y_true, y_pred, self._output_names)
        weights = weights_of(sample_weight, y_pred, self._output_names)
        rows = row_mask()
        for metric, i, is_weighted in self._entries:
            is_of_batch = id(metric) in self._of_whole_batch
            if not metric.takes_weights or is_of_batch:
                if frame is not None:
                    frame.weighted = False  # nothing can tell it which rows are padding, so there must be none
                given = {"sample_weight": weights[i]} if is_of_batch and is_weighted else {}
                metric.update_state(labels[i], flat[i], **given)
                continue
            mask = None if frame is None else frame.mask_of(flat[i])
            metric.update_state(labels[i], flat[i], sample_weight=_joined(weights[i] if is_weighted else None, mask, rows))


def _gives_scalar(metric: Any, y_true: Any, y_pred: Any) -> bool:
    """Whether a metric is the mean of a function that gives one number for a batch, as `lambda y_true, y_pred: mean(...)` does."""
    if type(metric) is not metrics.MeanMetricWrapper or hasattr(metric.fn, "reduction"):
        return False
    return jax.tree.leaves(jax.eval_shape(lambda a, b: metric.fn(a, b, **metric.kwargs), y_true, y_pred))[0].shape == ()


def _joined(weight: Any, mask: Any, rows: Any) -> Any:
    """Row weights, mask and padding as one weight; None if there is none of them."""
    result = None
    for part in (weight, mask, rows):
        if part is None:
            continue
        part = jnp.asarray(part, jnp.float32)
        if result is None:
            result = part
            continue
        ndim = max(result.ndim, part.ndim)
        result, part = (x.reshape(x.shape + (1,) * (ndim - x.ndim)) for x in (result, part))
        result = result * part
    return result


def _zeros(*trees: Any) -> tuple:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), trees)


def output_names_of(y_pred: Any, output_names: Sequence[str] | None) -> list[str]:
    """A name for each output: its key in a dict, else the name of the layer that gives it, else a number."""
    flat = flat_outputs(y_pred)
    named = output_names if output_names is not None and len(output_names) == len(flat) else None
    names = []
    for i, (path, _) in enumerate(flat):
        if path and isinstance(path[-1], str):
            names.append("/".join(map(str, path)))
        else:
            names.append(named[i] if named is not None else f"output_{i}")
    return names


def match(given: Any, y_pred: Any, output_names: Sequence[str] | None, argument: str, *, partial: bool = False) -> list[Any]:
    """The part of an argument for each output; None where it has none.

    Args:
        given: one value, or a list, dict or nesting of them.
        y_pred: the outputs.
        output_names: layers that give them.
        argument: for messages.
        partial: whether a dict may lack outputs without being wrong.

    Raises:
        ValueError: if the structure does not fit.
    """
    flat = flat_outputs(y_pred)
    count = len(flat)
    names = output_names_of(y_pred, output_names)
    layer_names = list(output_names) if output_names is not None and len(output_names) == count else names
    if isinstance(given, Mapping):
        found = []
        used: set[str] = set()
        for (path, _), name, layer_name in zip(flat, names, layer_names):
            value = None
            for key in (name, layer_name):
                if key in given:
                    value = given[key]
                    used.add(key)
                    break
            else:
                if len(path) > 1 and path[0] in given:
                    value = given[path[0]]
                    for part in path[1:]:
                        value = value[part]
                    used.add(path[0])
            found.append(value)
        unknown = sorted(map(str, set(given) - used))
        if count == 1 and len(given) == 1 and not used:
            return list(given.values())
        if unknown and not (argument == "y" and used):
            raise ValueError(f"{argument}: given keys {unknown}, expected those of the model's outputs {names}.")
        return found
    if isinstance(given, (list, tuple)):
        if len(given) == count:
            return list(given)
        nested = [v for _, v in flat_outputs(given)]
        if len(nested) == count:
            return nested
        raise ValueError(
            f"{argument}: given {len(given)} parts, expected {count}, one for each output {names}. A dict by output name works too."
        )
    if count == 1:
        return [given]
    raise ValueError(
        f"{argument}: given one {type(given).__name__} for {count} outputs {names}. Give a list or dict with one for each."
    )


def weights_of(sample_weight: Any, y_pred: Any, output_names: Sequence[str] | None) -> list[Any]:
    """The sample weights of each output: one array serves all."""
    count = len(flat_outputs(y_pred))
    if sample_weight is None:
        return [None] * count
    if not _is_many(sample_weight):
        return [sample_weight] * count
    return match(sample_weight, y_pred, output_names, "sample_weight", partial=True)


def _labels_for_metrics(y_true: Any, y_pred: Any, output_names: Sequence[str] | None) -> list[Any]:
    count = len(flat_outputs(y_pred))
    if y_true is None:
        return [None] * count
    if not _is_many(y_true):
        return [y_true] * count
    if isinstance(y_true, (list, tuple)) and len(y_true) != count:
        return [*y_true, *[None] * (count - len(y_true))][:count]
    return match(y_true, y_pred, output_names, "y", partial=True)


def _per_output(given: Any, y_pred: Any, output_names: Sequence[str] | None, argument: str) -> list[list[Any]]:
    """The metrics of each output, as lists."""
    count = len(flat_outputs(y_pred))
    if not given:
        return [[]] * count
    if not _is_many(given):
        raise ValueError(f"{argument}: given {given!r}, expected a list: {argument}=[{given!r}].")
    if count == 1:
        parts = [list(_flat(given))]
    elif isinstance(given, (list, tuple)) and len(given) != count:
        raise ValueError(
            f"{argument}: given a list of {len(given)} for {count} outputs, expected a list with one entry for each output, or a dict by "
            f"output name: {output_names_of(y_pred, output_names)}."
        )
    else:
        parts = match(given, y_pred, output_names, argument, partial=True)
    return [[] if p is None else list(p) if isinstance(p, (list, tuple)) else [p] for p in parts]


def _flat(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        for v in tree.values():
            yield from _flat(v)
    elif isinstance(tree, (list, tuple)):
        for v in tree:
            yield from _flat(v)
    elif tree is not None:
        yield tree


__all__ = ["CompiledLosses", "CompiledMetrics", "flat_outputs", "match", "output_names_of", "weights_of"]
