"""Tables that start from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from estimax.core.errors import CheckpointError
from estimax.data import tf_checkpoints


def from_checkpoint(path: str, tensor_name: str) -> Callable[[tuple[int, ...], Any], Any]:
    """An initializer that gives an array of a checkpoint.

    Args:
        path: of a model_dir (its newest checkpoint), of one checkpoint folder, as `model_dir/checkpoints/100`, or of a TensorFlow
            checkpoint, as `model.ckpt-100`, or a SavedModel.
        tensor_name: the path of a variable, as `dnn/input_from_feature_columns/input_layer/tags_embedding/embedding_weights`.

    Returns:
        `(shape, dtype) -> array`; it reads the checkpoint when it is called.

    Raises:
        CheckpointError: by that function, if the checkpoint or the variable is missing, or has another shape.
    """

    def initializer(shape: tuple[int, ...], dtype: Any = "float32") -> Any:
        arrays = _variables(path)
        if tensor_name not in arrays:
            raise CheckpointError(
                f"Checkpoint {path!r} has no variable {tensor_name!r}. It has: {', '.join(sorted(arrays))}. Set tensor_name_in_ckpt."
            )
        found = arrays[tensor_name]
        if np.shape(found) != tuple(shape):
            raise CheckpointError(
                f"Checkpoint {path!r}: variable {tensor_name!r} has shape {np.shape(found)}, expected {tuple(shape)} for the column. Make "
                "the column's buckets and dimension those of the checkpoint."
            )
        return jnp.asarray(found, dtype)

    return initializer


def _variables(path: str) -> dict[str, Any]:
    """Arrays by the paths of variables."""
    latest = tf_checkpoints.latest(path) if Path(path).is_dir() else None
    for prefix in (path, latest):
        if prefix is not None and tf_checkpoints.exists(prefix):
            return tf_checkpoints.read(prefix)
    return {k.partition("|")[2]: v for k, v in _arrays(_newest(Path(path))).items() if k.startswith(("params|", "model_state|"))}


def _newest(path: Path) -> Path:
    folder = path / "checkpoints"
    steps = sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []
    return folder / str(steps[-1]) if steps else path


def _arrays(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(
            f"Checkpoint {str(folder)!r}: there is no such folder. Give a model_dir or model_dir/checkpoints/<step>."
        )
    import orbax.checkpoint as ocp

    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler(state=ocp.StandardCheckpointHandler())) as reader:
            return dict(reader.restore(folder.absolute(), args=ocp.args.Composite(state=ocp.args.StandardRestore())).state)
    except Exception as e:  # noqa: BLE001 - orbax and tensorstore raise many kinds for a broken file
        raise CheckpointError(f"Checkpoint {str(folder)!r} cannot be read: {e}.") from e
