"""What a served model takes: receivers, and functions that build the usual two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimax.core import HostOp, HostValue, register

FEATURE = "feature"


def _specs(what: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        values = {FEATURE: values}
    for name, value in values.items():
        if not isinstance(name, str):
            raise ValueError(f"{what}: given the key {name!r}, expected names.")
        if isinstance(value, (str, bytes)) or not (
            hasattr(value, "shape") or hasattr(value, "dtype") or isinstance(value, (list, HostValue))
        ):
            raise ValueError(
                f"{what}[{name!r}]: given {type(value).__name__}, expected a TensorSpec or a sample array [batch, ...]."
            )
    if not values:
        raise ValueError(f"{what}: given nothing, expected at least one feature.")
    return dict(values)


def _sources(features: Mapping[str, Any], receiver_tensors: Mapping[str, Any]) -> dict[str, str]:
    """By feature, the input that it is: the same object, or else that of the same name."""
    if len(features) == len(receiver_tensors) == 1:
        return dict(zip(features, receiver_tensors))
    found = {}
    for name, value in features.items():
        same = [k for k, v in receiver_tensors.items() if v is value]
        if isinstance(value, _Parsed):
            continue
        if not same and name not in receiver_tensors:
            raise ValueError(
                f"ServingInputReceiver: feature {name!r} is none of the receiver_tensors {sorted(receiver_tensors)}. What is computed from "
                "them is written as a function: ServingInputReceiver(lambda inputs: {...}, receiver_tensors)."
            )
        found[name] = name if name in same or not same else same[0]
    return found


class ServingInputReceiver:
    """The features of the model, and the inputs of a request that they are made of.

    Args:
        features: what the model_fn gets: by name, a `TensorSpec` or sample array for each; or a function that makes the features from a
            dict of arrays with the names of `receiver_tensors`. It is compiled into the export; strings can only be passed on.
        receiver_tensors: inputs of requests by name, in the same form; the features themselves if they are equal.
        receiver_tensors_alternatives: further sets of inputs, `{name: {input: spec}}`, each a part of the features.

    Raises:
        ValueError: for empty or nameless features, or a feature that is neither one of the receiver tensors nor has the name of one.

    Example:
        >>> from estimax.data import TensorSpec
        >>> inputs = {"x": TensorSpec((None,), "float32")}
        >>> ServingInputReceiver(lambda inputs: {"double": 2 * inputs["x"]}, inputs).receiver_tensors["x"].shape
        (None,)

    Reference: tf.estimator.export.ServingInputReceiver.
    """

    def __init__(self, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Mapping[str, Any] | None = None):
        self.compute: Callable | None = features if callable(features) else None
        given = None if callable(features) else _specs("features", features)
        self.receiver_tensors = _specs("receiver_tensors", receiver_tensors)
        self.features = self.receiver_tensors if given is None else given
        self.sources = {} if given is None else _sources(given, self.receiver_tensors)
        self.receiver_tensors_alternatives = {
            k: _specs(f"receiver_tensors_alternatives[{k!r}]", v) for k, v in (receiver_tensors_alternatives or {}).items()
        }
        self.parser: Any = None
        self.single = False


class TensorServingInputReceiver(ServingInputReceiver):
    """As `ServingInputReceiver`, for a model whose features are one array rather than a dict.

    Args:
        features: a `TensorSpec` or sample array, or a function that makes the array from a dict of those of `receiver_tensors`.
        receiver_tensors: the input of requests.
        receiver_tensors_alternatives: further sets of inputs.

    Reference: tf.estimator.export.TensorServingInputReceiver.
    """

    def __init__(self, features: Any, receiver_tensors: Any, receiver_tensors_alternatives: Mapping[str, Any] | None = None):
        if isinstance(features, Mapping):
            raise ValueError("TensorServingInputReceiver: features: given a dict, expected one array. Use ServingInputReceiver.")
        super().__init__(features, receiver_tensors, receiver_tensors_alternatives)
        self.single = True


def build_raw_serving_input_receiver_fn(features: Mapping[str, Any], default_batch_size: int | None = None) -> Callable:
    """A receiver function for requests of raw features.

    Args:
        features: a `TensorSpec` or sample array `[batch, ...]` by name.
        default_batch_size: must be None: exported models take any number of rows.

    Returns:
        A function for `export_saved_model`.

    Raises:
        ValueError: for a batch size.

    Example:
        >>> import numpy as np
        >>> build_raw_serving_input_receiver_fn({"age": np.zeros((1, 1), np.float32)})().features["age"].shape
        (1, 1)

    Reference: tf.estimator.export.build_raw_serving_input_receiver_fn.
    """
    _check_batch_size(default_batch_size)
    return lambda: ServingInputReceiver(dict(features), dict(features))


def build_parsing_serving_input_receiver_fn(feature_spec: Mapping[str, Any], default_batch_size: int | None = None) -> Callable:
    """A receiver function for requests of serialized `tf.train.Example`s.

    Args:
        feature_spec: `FixedLenFeature`, `VarLenFeature`, ... by name, as `make_parse_example_spec` gives.
        default_batch_size: must be None: exported models take any number of rows.

    Returns:
        A function for `export_saved_model`.

    Raises:
        ValueError: for a batch size.

    Reference: tf.estimator.export.build_parsing_serving_input_receiver_fn.
    """
    _check_batch_size(default_batch_size)

    def serving_input_receiver_fn() -> ServingInputReceiver:
        receiver = ServingInputReceiver({k: _Parsed(v) for k, v in feature_spec.items()}, {"examples": _Parsed(None)})
        receiver.parser = dict(feature_spec)
        return receiver

    return serving_input_receiver_fn


def _check_batch_size(size: int | None) -> None:
    if size is not None:
        raise ValueError(
            f"default_batch_size: given {size!r}, expected None: exported models take any number of rows. Leave it out."
        )


class _Parsed:
    """Stands for a feature that is parsed from serialized examples."""

    dtype = "string"
    shape = (None,)

    def __init__(self, spec: Any):
        self.spec = spec


@register("estimax.estimator")
class ParseFeature(HostOp):
    """One feature of a batch of serialized `tf.train.Example`s.

    Args:
        name: of the feature.
        spec: the feature's kind as JSON: `{"kind", "args"}`.
    """

    def __init__(self, name: str, spec: Mapping[str, Any]):
        self.name, self.spec = name, dict(spec)
        self._feature: Any = None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "spec": self.spec}

    def __call__(self, serialized: Any) -> Any:
        from estimax import data

        if self._feature is None:
            self._feature = getattr(data, self.spec["kind"])(**self.spec["args"])
        return data.parse_example(serialized, {self.name: self._feature})[self.name]


def parsing_op(name: str, feature: Any) -> ParseFeature:
    """The operation that parses a feature of an Example."""
    import dataclasses

    args = {}
    for field in dataclasses.fields(feature):
        value = getattr(feature, field.name)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        args[field.name] = _jsonable(value)
    return ParseFeature(name, {"kind": type(feature).__name__, "args": args})


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def sample_of(spec: Any, rows: int = 2) -> Any:
    """A sample column of a spec: zeros or empty strings.

    >>> from estimax.data import TensorSpec
    >>> sample_of(TensorSpec((None, 3), "float32")).shape
    (2, 3)
    """
    if isinstance(spec, (np.ndarray, list)) or (hasattr(spec, "__array__") and not hasattr(spec, "ragged_rank")):
        return spec
    shape = tuple(spec.shape or ())
    dtype = getattr(spec.dtype, "name", spec.dtype)
    kind = type(spec).__name__
    if kind in ("SparseTensorSpec", "RaggedTensorSpec"):
        return [["" if dtype == "string" else 0]] * rows
    sizes = [rows, *(1 if d is None else int(d) for d in shape[1:])]
    if str(dtype) in ("string", "object", "str", "bytes"):
        return np.full(sizes, "", object)
    return np.zeros(sizes, np.dtype(str(dtype)))
