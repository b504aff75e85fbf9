"""Weight files in HDF5, as Keras 3 writes them; read with distrust."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimax.core import Variable
from estimax.core.errors import CheckpointError
from estimax.models.saving.groups import low_rank_parts, weight_groups


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise ImportError("Weight files in HDF5 need h5py. Install it: pip install h5py") from None
    return h5py


def write_h5(model: Any, path: str) -> None:
    """Writes a model's weights, and the state of its optimizer if there is one, to a new file.

    A table with a low-rank adaptation is written with its correction, as Keras does; its parts go into a group that Keras does not read.
    """
    with _h5py().File(path, "w") as f:
        for group, layer, variables in weight_groups(model):
            store = f.require_group(f"{group}/vars" if group else "vars")
            store.attrs["name"] = layer.name
            for key, array in _own_arrays(layer, variables).items():
                _write(store, key, array)
            if parts := low_rank_parts(layer):
                store = f.require_group(_low_rank_group(group))
                for key in ("frozen", "a", "b"):
                    _write(store, key, getattr(parts, key).numpy())
        optimizer: Any = getattr(model, "optimizer", None)
        if getattr(optimizer, "state", None) is not None:
            store = f.require_group("optimizer/vars")
            store.attrs["name"] = optimizer.name
            for i, v in enumerate(optimizer.variables):
                _write(store, str(i), v.numpy())


def _own_arrays(layer: Any, variables: list[Variable]) -> dict[str, np.ndarray]:
    """What a layer keeps in its group: its variables by number, unless it says otherwise."""
    if hasattr(layer, "save_own_variables"):
        arrays: dict[str, Any] = {}
        layer.save_own_variables(arrays)
        return {k: np.asarray(v) for k, v in arrays.items()}
    parts = low_rank_parts(layer)

    def value(v: Variable) -> np.ndarray:
        if parts is None or v is not parts.frozen:
            return v.numpy()
        return (v.numpy() + parts.scale * (parts.a.numpy() @ parts.b.numpy())).astype(v.dtype)

    return {str(i): value(v) for i, v in enumerate(variables)}


def _low_rank_group(group: str) -> str:
    return f"{group}/low_rank" if group else "low_rank"


def _write(store: Any, name: str, array: np.ndarray) -> None:
    dataset = store.create_dataset(name, data=array)
    if array.dtype.name == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"  # HDF5 knows only that these are two bytes


@contextlib.contextmanager
def _opened(source: Any, name: str) -> Iterator[Any]:
    try:
        f = _h5py().File(source, "r")
    except (OSError, ValueError) as e:
        raise CheckpointError(f"{name}: no readable HDF5 file ({e}). Is it complete, and a file of weights?") from None
    try:
        yield f
    except (OSError, RuntimeError, KeyError) as e:
        raise CheckpointError(f"{name}: the file is damaged: {e}. Save the weights again, or take another copy.") from e
    finally:
        f.close()


def read_h5(model: Any, source: Any, name: str, *, skip_mismatch: bool = False) -> None:
    """Sets a model's weights from a file; all or, if something does not fit, nothing.

    Args:
        model: built.
        source: path or open file.
        name: of the file, for messages.
        skip_mismatch: whether layers that do not fit are left as they are, with a warning.

    Raises:
        CheckpointError: if the file is damaged, or weights are missing, too many or of another shape.
    """
    assigned: list[tuple[Variable, np.ndarray]] = []
    own: list[tuple[Any, dict[str, np.ndarray]]] = []
    faults: list[str] = []
    with _opened(source, name) as f:
        for group, layer, variables in weight_groups(model):
            path = f"{group}/vars" if group else "vars"
            store = _group(f, path, name)
            stored = [] if store is None else sorted(store, key=lambda k: (len(k), k))
            if hasattr(layer, "load_own_variables"):
                own.append((layer, {k: _array(_limited(_dataset(store, k, name), name), name) for k in stored}))
                continue
            if len(stored) != len(variables):
                faults.append(
                    f"{type(layer).__name__} {layer.name!r}: the file has {len(stored)} weights, expected {len(variables)}"
                )
                continue
            pairs = [(v, _dataset(store, k, name)) for v, k in zip(variables, stored)]
            wrong = [(v, d) for v, d in pairs if tuple(d.shape) != v.shape]
            if wrong:
                v, d = wrong[0]
                faults.append(
                    f"{type(layer).__name__} {layer.name!r}: {v.name!r} has shape {tuple(d.shape)} in the file, expected {v.shape}"
                )
                continue
            assigned += [(v, _array(d, name)) for v, d in pairs]
            if parts := low_rank_parts(layer):
                assigned += _low_rank_arrays(_group(f, _low_rank_group(group), name), parts, name)
    if faults:
        text = f"{name}: {len(faults)} layers do not fit. {'; '.join(faults[:5])}. Is it a file of another model?"
        if not skip_mismatch:
            raise CheckpointError(text)
        warnings.warn(text + " They are left as they are.", UserWarning, stacklevel=4)
    for v, array in assigned:
        v.assign(array)
    for layer, arrays in own:
        layer.load_own_variables(arrays)


def _low_rank_arrays(store: Any, parts: Any, name: str) -> list[tuple[Variable, np.ndarray]]:
    """The parts of a low-rank adaptation as they were; a correction of zero where the file, Keras's, has it in the table."""
    pairs = (
        []
        if store is None
        else [(getattr(parts, key), _dataset(store, key, name)) for key in ("frozen", "a", "b") if key in store]
    )
    if len(pairs) == 3 and all(tuple(d.shape) == v.shape for v, d in pairs):
        return [(v, _array(d, name)) for v, d in pairs]
    return [(parts.b, np.zeros(parts.b.shape, parts.b.dtype))]


def read_optimizer(model: Any, source: Any, name: str) -> None:
    """Sets the state of a model's optimizer, if the file has one; with a warning, nothing is done if it does not fit."""
    optimizer = model.optimizer
    with _opened(source, name) as f:
        store = _group(f, "optimizer/vars", name)
        if optimizer is None or store is None or not len(store):
            return
        model.build_optimizer()
        variables = optimizer.variables
        pairs = [(v, _dataset(store, str(i), name)) for i, v in enumerate(variables) if str(i) in store]
        if len(pairs) != len(store) or len(pairs) != len(variables) or any(tuple(d.shape) != tuple(v.shape) for v, d in pairs):
            warnings.warn(
                f"{name}: the saved state of the optimizer does not fit {optimizer.name!r}; it starts anew.",
                UserWarning,
                stacklevel=4,
            )
            return
        arrays = [(v, _array(d, name)) for v, d in pairs]
    for v, array in arrays:
        v.assign(array)


def _group(f: Any, path: str, name: str) -> Any:
    """A group reached by hard links only; None if it is not there."""
    h5py = _h5py()
    node = f
    for part in path.split("/"):
        link = node.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(
                f"{name}: {path!r} is a link to another place, which is not followed. A file of weights has none."
            )
        node = node[part]
        if not isinstance(node, h5py.Group):
            raise CheckpointError(f"{name}: {path!r} is not a group.")
    return node


def _dataset(store: Any, key: str, name: str) -> Any:
    h5py = _h5py()
    if not isinstance(store.get(key, getlink=True), h5py.HardLink) or not isinstance(store[key], h5py.Dataset):
        raise CheckpointError(f"{name}: {store.name}/{key} is not an array of this file.")
    dataset = store[key]
    if dataset.is_virtual or dataset.external:
        raise CheckpointError(f"{name}: {store.name}/{key} takes its values from another file, which is not read.")
    return dataset


def _limited(dataset: Any, name: str) -> Any:
    """A dataset whose shape nothing foretells; refused if it would expand far beyond what the file holds."""
    if dataset.nbytes > 2**20 and dataset.nbytes > 100 * max(dataset.id.get_storage_size(), 1):
        raise CheckpointError(f"{name}: {dataset.name} would expand to {dataset.nbytes} bytes. It is not read.")
    return dataset


def _array(dataset: Any, name: str) -> np.ndarray:
    """The values; only called once the shape is known to be the expected one."""
    array = np.asarray(dataset)
    if dataset.attrs.get("dtype") == "bfloat16":
        import ml_dtypes

        return array.view(ml_dtypes.bfloat16)
    if array.dtype.kind not in "biuf":
        raise CheckpointError(f"{name}: {dataset.name} holds {array.dtype}, expected numbers.")
    return array
