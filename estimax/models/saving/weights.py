"""Weights alone: `.weights.h5`, `.safetensors`, and those inside a `.keras` archive."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from estimax.core.errors import CheckpointError
from estimax.models.saving.h5 import read_h5, read_optimizer, write_h5
from estimax.models.saving.replace import replaced


def save_weights(model: Any, filepath: Any, *, overwrite: bool = True) -> None:
    """Writes the weights of a model; see `Model.save_weights`."""
    path = os.fspath(filepath)
    model._check_built("save_weights")
    if path.endswith(".weights.h5"):
        with replaced(path, overwrite=overwrite) as name:
            write_h5(model, name)
    elif path.endswith(".safetensors"):
        save_file = _safetensors().save_file
        paths = model.bindings
        with replaced(path, overwrite=overwrite) as name:
            save_file(
                {paths[id(v)]: np.ascontiguousarray(v.numpy()) for v in model.weights}, name, metadata={"format": "estimax"}
            )
    else:
        raise ValueError(f"save_weights: given {path!r}, expected a name that ends in .weights.h5 or .safetensors.")


def load_weights(model: Any, filepath: Any, *, skip_mismatch: bool = False) -> None:
    """Sets the weights of a model from a file; see `Model.load_weights`."""
    path = os.fspath(filepath)
    model._check_built("load_weights")
    if not os.path.isfile(path):
        raise CheckpointError(f"load_weights: there is no file {path!r}.")
    if path.endswith(".keras"):
        from estimax.models.saving.archive import Archive

        with Archive(path) as archive, archive.weights() as f:
            read_h5(model, f, path, skip_mismatch=skip_mismatch)
    elif path.endswith(".weights.h5"):
        read_h5(model, path, path, skip_mismatch=skip_mismatch)
        if model.optimizer is not None:
            read_optimizer(model, path, path)
    elif path.endswith(".safetensors"):
        _load_safetensors(model, path, skip_mismatch)
    else:
        raise ValueError(f"load_weights: given {path!r}, expected a name that ends in .weights.h5, .safetensors or .keras.")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError("Files of the form .safetensors need a package. Install it: pip install safetensors") from None
    return safetensors.numpy


def _load_safetensors(model: Any, path: str, skip_mismatch: bool) -> None:
    _safetensors()
    import safetensors

    paths = model.bindings
    wanted = {paths[id(v)]: v for v in model.weights}
    try:
        with safetensors.safe_open(path, framework="np") as f:
            names = set(f.keys())
            shapes = {n: tuple(f.get_slice(n).get_shape()) for n in names & set(wanted)}
            faults = [f"{n!r} is missing" for n in wanted if n not in names]
            faults += [f"{n!r} has shape {s}, expected {wanted[n].shape}" for n, s in shapes.items() if s != wanted[n].shape]
            if not skip_mismatch:
                faults += [f"{n!r} is not in the model" for n in sorted(names - set(wanted))]
            if faults and not skip_mismatch:
                raise CheckpointError(f"{path}: the weights do not fit: {'; '.join(faults[:5])}. Is it a file of another model?")
            arrays = {n: f.get_tensor(n) for n, s in shapes.items() if s == wanted[n].shape}
    except safetensors.SafetensorError as e:
        raise CheckpointError(f"{path}: no readable safetensors file: {e}") from None
    if faults:
        warnings.warn(f"{path}: {'; '.join(faults[:5])}. These are left as they are.", UserWarning, stacklevel=4)
    for n, array in arrays.items():
        wanted[n].assign(array)
