"""Tables that start from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from estimax.core.errors import CheckpointError


def from_checkpoint(path: str, tensor_name: str) -> Callable[[tuple[int, ...], Any], Any]:
    """An initializer that gives an array of a checkpoint.

    Args:
        path: of a model_dir (its newest checkpoint) or of one checkpoint folder, as `model_dir/checkpoints/100`.
        tensor_name: the path of a variable, as `dnn/input_from_feature_columns/input_layer/tags_embedding/embedding_weights`.

    Returns:
        `(shape, dtype) -> array`; it reads the checkpoint when it is called.

    Raises:
        CheckpointError: by that function, if the checkpoint or the variable is missing, or has another shape.
    """

    def initializer(shape: tuple[int, ...], dtype: Any = "float32") -> Any:
        arrays = _arrays(_newest(Path(path)))
        found = next(
            (arrays[f"{kind}|{tensor_name}"] for kind in ("params", "model_state") if f"{kind}|{tensor_name}" in arrays), None
        )
        if found is None:
            names = sorted(k.partition("|")[2] for k in arrays if k.startswith(("params|", "model_state|")))
            raise CheckpointError(f"Checkpoint {path!r} has no variable {tensor_name!r}. It has: {', '.join(names)}.")
        if np.shape(found) != tuple(shape):
            raise CheckpointError(
                f"Checkpoint {path!r}: variable {tensor_name!r} has shape {np.shape(found)}, expected {tuple(shape)} for the column. Make the "
                "column's buckets and dimension those of the checkpoint."
            )
        return jnp.asarray(found, dtype)

    return initializer


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
