"""Loading an exported model: a predictor for raw features that needs no code of the model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from estimax.core import HostTransform
from estimax.core.errors import ExportError, InputDataError
from estimax.export.save import FORMAT, MANIFEST, WEIGHTS
from estimax.export.signature import SUPERVISED, finisher
from estimax.training.batches import flatten, pad_rows, row_count
from estimax.training.feeder import check_range


class _Callable:
    """One loaded signature."""

    def __init__(self, folder: Path, description: Mapping[str, Any]):
        from jax import export

        import estimax.data  # noqa: F401 - parsers of serialized examples
        import estimax.feature_columns  # noqa: F401 - registers the host operations that configs name

        self.description = description
        config = _relocated(description["transform"], folder)
        self.transform = HostTransform.from_config(config)
        # The keys under which the arrays were traced are kept: paths of assets differ after a move.
        self.keys = {v.key: k for v, k in zip(self.transform.values, description["arrays"])}
        self.finish = finisher(description)
        try:
            binary = (folder / description["file"]).read_bytes()
            if hashlib.sha256(binary).hexdigest() != description["sha256"]:
                raise ValueError("its checksum differs")
            self.exported = export.deserialize(bytearray(binary))
        except Exception as e:  # noqa: BLE001 - flatbuffers raises many kinds for a broken file
            raise ExportError(
                f"Exported model {str(folder)!r}: {description['file']} is broken ({e}). Export the model again."
            ) from e
        self.call = jax.jit(self.exported.call)


class Predictor:
    """An exported model, ready to predict from raw features.

    Attributes:
        signatures: `{name: {"inputs", "outputs", "method"}}`.
        metadata: what the exporter kept.
        default: the signature that a call uses.

    Example (see `examples/quickstart.py` for a whole one)::

        predictor = estimax.export.load("exports/1700000000")
        predictor({"age": [39.0], "city": ["Oslo"]})["probabilities"]
    """

    def __init__(self, path: str | os.PathLike):
        self._folder = Path(path).absolute()
        manifest = self._read_manifest()
        self.metadata: dict[str, Any] = manifest["metadata"]
        self.default: str = manifest["default"]
        self._descriptions = manifest["signatures"]
        self.signatures = {n: {k: d[k] for k in ("inputs", "outputs", "method")} for n, d in self._descriptions.items()}
        self.variables = self._read_weights(manifest["weights"])
        self._device_values: dict[str, Any] | None = None
        self._loaded: dict[str, _Callable] = {}

    def _read_manifest(self) -> dict[str, Any]:
        file = self._folder / MANIFEST
        if not file.is_file():
            raise ExportError(
                f"{str(self._folder)!r} is no exported model: {MANIFEST} is missing. Give the timestamped folder that an export made."
            )
        try:
            manifest = json.loads(file.read_text())
            known = manifest["format"]
        except (ValueError, KeyError, TypeError) as e:
            raise ExportError(f"Exported model {str(self._folder)!r}: {MANIFEST} is broken ({e}). Export the model again.") from e
        if known != FORMAT:
            raise ExportError(
                f"Exported model {str(self._folder)!r} has format {known}, this estimax reads {FORMAT}. Load it with estimax {manifest.get('estimax')}."
            )
        return manifest

    def _read_weights(self, described: Mapping[str, Any]) -> dict[str, np.ndarray]:
        try:
            with open(self._folder / WEIGHTS, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {}
                for i, (name, d) in enumerate(described.items()):
                    array = file[f"w{i}"]
                    if d["dtype"] == "bfloat16":
                        array = array.view(jax.numpy.bfloat16)
                    if list(array.shape) != d["shape"] or str(array.dtype) != d["dtype"]:
                        raise ValueError(f"{name}: {array.shape} {array.dtype}, expected {d['shape']} {d['dtype']}")
                    arrays[name] = array
                return arrays
        except Exception as e:  # noqa: BLE001 - zip and npy raise many kinds for a broken file
            raise ExportError(f"Exported model {str(self._folder)!r}: {WEIGHTS} is broken ({e}). Export the model again.") from e

    def _signature(self, name: str | None) -> _Callable:
        name = name or self.default
        if name not in self._descriptions:
            raise ExportError(
                f"Exported model {str(self._folder)!r} has no signature {name!r}; it has {sorted(self._descriptions)}."
            )
        if name not in self._loaded:
            self._loaded[name] = _Callable(self._folder, self._descriptions[name])
        return self._loaded[name]

    def __call__(self, features: Any, signature: str | None = None) -> dict[str, np.ndarray]:
        """Predictions for raw features.

        Args:
            features: dict of columns (arrays, lists, Arrow or pandas columns), a table, a list of dicts (one a row), or a single
                array if the model was trained on one.
            signature: which one; the default by default.

        Returns:
            Arrays `[rows, ...]` by output name.

        Raises:
            InputDataError: if a feature is missing or has the wrong type.
        """
        loaded = self._signature(signature)
        raw, _ = flatten(_columns(features))
        if len(raw) == 1 and "features" in raw and list(loaded.description["inputs"]) not in ([], ["features"]):
            (only,) = loaded.description["inputs"] if len(loaded.description["inputs"]) == 1 else ("features",)
            raw = {f"features/{only}": raw["features"]}
        encoded = check_range(loaded.transform(raw))
        rows = row_count(encoded)
        # Sizes are rounded up to powers of two, so that requests of many sizes compile few programs; losses take just the given rows.
        is_supervised = loaded.description["method"] in SUPERVISED
        size = rows if is_supervised else 1 << max(rows - 1, 0).bit_length()
        padded = pad_rows(encoded, size, loaded.transform.pad_values())
        arrays = {loaded.keys.get(k, k): v for k, v in padded.items()}
        if self._device_values is None:
            self._device_values = jax.device_put(self.variables)
        dtypes = {k: v for k, v in arrays.items() if k in loaded.description["arrays"]}
        out = jax.device_get(loaded.call(self._device_values, _as_traced(dtypes, loaded)))
        return {k: v[:rows] if np.ndim(v) else v for k, v in loaded.finish(out).items()}

    predict = __call__

    def __repr__(self) -> str:
        lines = [f"Predictor({str(self._folder)!r})"]
        for name, d in self.signatures.items():
            lines.append(f"  {name} ({d['method']}): {', '.join(d['inputs'])} -> {', '.join(d['outputs'])}")
        return "\n".join(lines)


def _as_traced(arrays: Mapping[str, Any], loaded: _Callable) -> dict[str, Any]:
    """The arrays in the dtypes of the traced function."""
    leaves, tree = jax.tree.flatten(dict(arrays))
    avals = loaded.exported.in_avals[-len(leaves) :] if leaves else []
    return jax.tree.unflatten(tree, [np.asarray(x, a.dtype) for x, a in zip(leaves, avals)])


def _columns(features: Any) -> Any:
    if (
        isinstance(features, Sequence)
        and not isinstance(features, (str, bytes))
        and features
        and all(isinstance(r, Mapping) for r in features)
    ):
        names = list(features[0])
        for i, row in enumerate(features):
            if set(row) != set(names):
                raise InputDataError(
                    f"Row {i} has features {sorted(row)}, row 0 has {sorted(names)}. Give every row the same features."
                )
        return {n: [row[n] for row in features] for n in names}
    return features


def _relocated(config: Any, folder: Path) -> Any:
    """Asset paths of a config made absolute; none leads out of the folder."""
    if isinstance(config, dict):
        return {k: _relocated(v, folder) for k, v in config.items()}
    if isinstance(config, list):
        return [_relocated(v, folder) for v in config]
    if isinstance(config, str) and config.startswith("assets/"):
        path = (folder / config).resolve()
        if path.is_relative_to((folder / "assets").resolve()):
            if not path.is_file():
                raise ExportError(f"Exported model {str(folder)!r}: {config} is missing. Export the model again.")
            return str(path)
    return config


def load(path: str | os.PathLike) -> Predictor:
    """Loads an exported model; needs neither `model_fn` nor the columns it was made with.

    Args:
        path: the folder that an export made (with `estimax_model.json` in it).

    Raises:
        ExportError: if it is missing, broken or of another format.
    """
    return Predictor(path)
