"""Writing an exported model: a folder that is complete or absent."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from estimax._version import __version__
from estimax.core import HostTransform, HostValue
from estimax.core.errors import ExportError
from estimax.export.signature import PLATFORMS, Signature, trace

FORMAT = 1
MANIFEST = "estimax_model.json"
WEIGHTS = "weights.npz"


def save(
    directory: str | os.PathLike,
    signatures: Mapping[str, Signature],
    values: Mapping[str, Any],
    *,
    default: str = "serving_default",
    assets_extra: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """Writes an exported model.

    The folder holds a manifest, one file of StableHLO a signature, the weights, and the assets of host operations (vocabularies). It is
    written under a temporary name and renamed when everything is on disk.

    Args:
        directory: the folder to make; it must not exist.
        signatures: by name.
        values: weights by path.
        default: the signature of `predictor(features)`.
        assets_extra: further files, `{name below assets.extra: source path}`.
        metadata: JSON values kept in the manifest.

    Returns:
        The folder's path.

    Raises:
        ExportError: if the folder exists, cannot be written, or the model cannot be traced.
    """
    target = Path(directory).absolute()
    if target.exists():
        raise ExportError(f"Export folder {str(target)!r} exists already. Choose another one; an export never replaces another.")
    if not signatures:
        raise ExportError("There is no signature to export. Give export_outputs in EstimatorSpec, or predictions.")
    for name, source in (assets_extra or {}).items():
        if not os.path.exists(source):
            raise ExportError(f"assets_extra[{name!r}]: there is no file {source!r}.")
    values = {k: np.asarray(v) for k, v in values.items()}
    traced = {name: trace(s, values) for name, s in signatures.items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.tmp-", dir=target.parent))
    except OSError as e:
        raise ExportError(f"Export folder {str(target)!r} cannot be made: {e}. Choose a folder that you may write to.") from e
    try:
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "estimax": __version__,
            "platforms": list(PLATFORMS),
            "created": int(time.time()),
            "default": default if default in signatures else next(iter(signatures)),
            "metadata": dict(metadata or {}),
            "weights": {k: {"shape": list(v.shape), "dtype": str(v.dtype)} for k, v in values.items()},
            "signatures": {},
        }
        for i, (name, signature) in enumerate(signatures.items()):
            binary, description = traced[name]
            file = f"signature_{i}.stablehlo"
            (temporary / file).write_bytes(binary)
            manifest["signatures"][name] = {
                "file": file,
                "sha256": hashlib.sha256(binary).hexdigest(),
                "method": signature.method,
                "inputs": dict(signature.inputs),
                "transform": with_assets(signature.transform, temporary / "assets").get_config(),
                "pad_values": signature.transform.pad_values(),
                "arrays": {k: jax.tree.map(lambda x: list(np.shape(x)), v) for k, v in signature.arrays.items()},
                **description,
            }
        arrays: dict[str, Any] = {f"w{i}": _storable(v) for i, v in enumerate(values.values())}
        np.savez(temporary / WEIGHTS, **arrays)
        for name, source in (assets_extra or {}).items():
            extra = (temporary / "assets.extra" / name).resolve()
            if not extra.is_relative_to((temporary / "assets.extra").resolve()):
                raise ExportError(f"assets_extra: name {name!r} leads out of the export folder. Use a plain relative name.")
            extra.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, extra)
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
        _sync(temporary)
        os.chmod(temporary, 0o755)
        os.rename(temporary, target)
        _sync_folder(target.parent)
    except OSError as e:
        shutil.rmtree(temporary, ignore_errors=True)
        raise ExportError(
            f"Export folder {str(target)!r} could not be written: {e}. Nothing is left of it; earlier exports are whole."
        ) from e
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return str(target)


def timestamped(base: str | os.PathLike) -> str:
    """A folder below `base` named by the current second, as TensorFlow names exports; the next one if there is one of that second or later.

    So names grow even where exports follow each other faster than seconds and old ones are removed.
    """
    try:
        taken = [int(name) for name in os.listdir(base) if name.isdigit()]
    except OSError:
        taken = []
    return os.path.join(base, str(max([int(time.time()), *(t + 1 for t in taken)])))


def _storable(array: np.ndarray) -> np.ndarray:
    """npz knows no bfloat16: such arrays are stored as their bits."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def with_assets(transform: HostTransform, folder: Path) -> HostTransform:
    """The transform with its files copied into a folder and named relative to it."""
    copied: dict[str, str] = {}

    def walk(value: HostValue) -> HostValue:
        if value.op is None:
            return value
        op, inputs = value.op, [walk(i) for i in value.inputs]
        if op.assets:
            config = dict(op.get_config())
            for name in op.assets:
                source = config.get(name)
                if not source:
                    continue
                if source not in copied:
                    folder.mkdir(parents=True, exist_ok=True)
                    copied[source] = f"{len(copied)}_{os.path.basename(source)}"
                    shutil.copyfile(source, folder / copied[source])
                config[name] = f"assets/{copied[source]}"
            op = _Relocated(op, config)
        return HostValue(op=op, inputs=inputs)

    return HostTransform([walk(v) for v in transform.values])


class _Relocated:
    """Stands for an operation whose files were copied: serializes as the operation, with the new paths."""

    def __new__(cls, op: Any, config: dict[str, Any]) -> Any:
        twin = object.__new__(type(op))
        twin.__dict__.update(op.__dict__)
        twin.__dict__["_key"] = op.key
        twin.__dict__["get_config"] = lambda: config
        return twin


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as f:
                os.fsync(f.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
