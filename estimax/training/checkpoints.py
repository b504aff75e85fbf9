"""Checkpoints: the whole training state on disk, atomic and asynchronous, written by orbax."""

from __future__ import annotations

import atexit
import datetime
import os
import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState
from estimax.core.errors import CheckpointError

FOLDER = "checkpoints"


def to_flat(state: TrainState) -> dict[str, Any]:
    """The state as one flat dict of arrays: `step`, `key`, `params|<path>`, `model_state|<path>`, `opt_state|...`.

    >>> import jax
    >>> state = TrainState(jnp.int32(3), {"dense/kernel": jnp.ones(2)}, {}, {"0": {"iteration": jnp.int32(3)}}, jax.random.key(0))
    >>> sorted(to_flat(state))
    ['key', 'opt_state|0|iteration', 'params|dense/kernel', 'step']
    """
    flat: dict[str, Any] = {"step": state.step, "key": jax.random.key_data(state.key)}
    flat |= {f"params|{p}": v for p, v in state.params.items()}
    flat |= {f"model_state|{p}": v for p, v in state.model_state.items()}
    leaves, _ = jax.tree_util.tree_flatten_with_path(state.opt_state)
    flat |= {"opt_state|" + "|".join(_part(k) for k in path): v for path, v in leaves}
    return flat


def _part(key: Any) -> str:
    for name in ("key", "name", "idx"):
        if hasattr(key, name):
            return str(getattr(key, name))
    return str(key)


def from_flat(flat: dict[str, Any], template: TrainState, source: str) -> TrainState:
    """The state of a flat dict, shaped as `template`.

    Raises:
        CheckpointError: if an array is missing or has another shape: the checkpoint is of another model.
    """
    wanted = to_flat(template)
    problems = [f"{k.partition('|')[2] or k}: missing" for k in wanted if k not in flat]
    problems += [
        f"{k.partition('|')[2] or k}: shape {np.shape(flat[k])}, expected {np.shape(v)}"
        for k, v in wanted.items()
        if k in flat and np.shape(flat[k]) != np.shape(v)
    ]
    extra = [k.partition("|")[2] for k in flat if k not in wanted and k.startswith("params|")]
    problems += [f"{p}: not in this model" for p in extra]
    if problems:
        raise CheckpointError(
            f"Checkpoint {source} does not fit this model: {'; '.join(problems[:8])}{' ...' if len(problems) > 8 else ''}. Is model_dir "
            "that of another model? Use an empty model_dir, or warm_start_from to take over only what fits."
        )
    opt_leaves, opt_tree = jax.tree_util.tree_flatten_with_path(template.opt_state)
    names = ["opt_state|" + "|".join(_part(k) for k in path) for path, _ in opt_leaves]

    def array(name: str) -> jax.Array:
        return jnp.array(flat[name], wanted[name].dtype)

    return TrainState(
        step=array("step"),
        params={p: array(f"params|{p}") for p in template.params},
        model_state={p: array(f"model_state|{p}") for p in template.model_state},
        opt_state=jax.tree_util.tree_unflatten(opt_tree, [array(n) for n in names]),
        key=jax.random.wrap_key_data(jnp.array(flat["key"], jnp.uint32)),
    )


class Checkpointer:
    """Saves and restores training states in `directory/checkpoints/<step>`.

    A checkpoint appears under its number only when it is whole; older ones go only after that. Saving copies the arrays and returns
    while a thread writes them.

    Args:
        directory: the model_dir.
        keep: how many of the newest to keep; None or 0 for all.
        asynchronous: whether to write in a thread.
        keep_every_hours: a checkpoint this often is kept for ever; None for none.

    Raises:
        CheckpointError: when the directory cannot be made or written, at the first save.

    Example:
        >>> import tempfile
        >>> state = TrainState(jnp.int32(3), {"w": jnp.ones(2)}, {}, {}, jax.random.key(0))
        >>> checkpoints = Checkpointer(tempfile.mkdtemp())
        >>> checkpoints.save(state, {"epoch": 1})
        >>> restored, extra = checkpoints.restore(state)
        >>> int(restored.step), restored.params["w"].tolist(), extra["epoch"]
        (3, [1.0, 1.0], 1)
        >>> checkpoints.close()
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        keep: int | None = 5,
        asynchronous: bool = True,
        keep_every_hours: float | None = None,
    ):
        self.directory = Path(directory).absolute()
        self.keep, self.asynchronous, self.keep_every_hours = keep or None, asynchronous, keep_every_hours
        self._manager: Any = None

    @property
    def folder(self) -> Path:
        """Where the checkpoints are."""
        return self.directory / FOLDER

    def _open(self) -> Any:
        if self._manager is None:
            import orbax.checkpoint as ocp

            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                # A process that was killed while it wrote leaves only a folder under a temporary name.
                for left in self.folder.glob("*.orbax-checkpoint-tmp*"):
                    shutil.rmtree(left, ignore_errors=True)
            except OSError as e:
                raise CheckpointError(
                    f"model_dir {str(self.directory)!r}: cannot be written ({e}). Choose a folder that you may write to."
                ) from e
            often = None if self.keep_every_hours is None else datetime.timedelta(hours=self.keep_every_hours)
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self.keep, keep_time_interval=often, enable_async_checkpointing=self.asynchronous
            )
            self._manager = ocp.CheckpointManager(self.folder, options=options)
            _wait_at_exit(self)
        return self._manager

    def save(self, state: TrainState, extra: dict[str, Any] | None = None, *, force: bool = False) -> None:
        """Saves a state under its step number; does nothing if that number is there, unless `force`.

        Args:
            state: what to save.
            extra: JSON values kept beside it: position of the input, state of hooks.
            force: whether to replace a checkpoint of the same step.

        Raises:
            CheckpointError: if it, or the one before it, could not be written; what was there stays whole.
        """
        import orbax.checkpoint as ocp

        step = int(state.step)
        if step in self.all_steps() and not force:
            return
        # Copies: the next step takes over (donates) the arrays' memory, while a thread still writes.
        flat = {k: np.array(v) for k, v in to_flat(state).items()} if jax.process_count() == 1 else to_flat(state)
        items = ocp.args.Composite(state=ocp.args.StandardSave(flat), extra=ocp.args.JsonSave(extra or {}))
        try:
            manager = self._open()
            if force:
                self.wait()  # what is being written under this number must be whole before it can be replaced
            if step in manager.all_steps():
                manager.delete(step)
            manager.save(step, args=items, force=True)
        except (OSError, ValueError, RuntimeError) as e:
            raise self._failed(step, e) from e

    def _failed(self, step: int, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"Checkpoint of step {step} in {str(self.folder)!r} could not be written: {error}. Older checkpoints are whole: "
            f"{self.all_steps()}. Free disk space or choose another model_dir, then start again."
        )

    def all_steps(self) -> list[int]:
        """Steps of the whole checkpoints on disk, ascending."""
        try:
            return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdigit())
        except OSError:
            return []

    def latest_step(self) -> int | None:
        """The newest checkpoint's step, or None."""
        steps = self.all_steps()
        return steps[-1] if steps else None

    def path(self, step: int) -> str:
        """The folder of a checkpoint."""
        return str(self.folder / str(step))

    def restore(self, template: TrainState, step: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """A saved state and what was kept beside it.

        Args:
            template: a state of the same model, for shapes.
            step: which one; the newest by default.

        Raises:
            CheckpointError: if there is none, it is broken, or it is of another model.
        """
        self.wait()
        step = self.latest_step() if step is None else step
        if step is None or not (self.folder / str(step)).is_dir():
            raise CheckpointError(
                f"There is no checkpoint{'' if step is None else f' of step {step}'} in {str(self.folder)!r}; there are {self.all_steps()}."
            )
        flat, extra = read_checkpoint(self.path(step))
        return from_flat(flat, template, self.path(step)), extra

    def wait(self) -> None:
        """Waits until everything is on disk."""
        if self._manager is not None:
            try:
                self._manager.wait_until_finished()
            except (OSError, ValueError, RuntimeError) as e:
                raise self._failed(self.latest_step() or 0, e) from e

    def close(self) -> None:
        """Waits, and ends the threads."""
        if self._manager is not None:
            self.wait()
            self._manager.close()
            self._manager = None


def _wait_at_exit(checkpoints: Checkpointer) -> None:
    """Lets a program that just ends finish its last checkpoint.

    atexit runs too late: thread pools refuse work by then. Callbacks of the threading module run before that.
    """
    reference = weakref.ref(checkpoints)

    def wait() -> None:
        found = reference()
        if found is not None:
            found.wait()

    getattr(threading, "_register_atexit", atexit.register)(wait)


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All arrays of a checkpoint folder by flat name (see `to_flat`), and what was kept beside them.

    Raises:
        CheckpointError: if it is missing or broken.
    """
    import orbax.checkpoint as ocp

    folder = Path(path).absolute()
    if not folder.is_dir():
        raise CheckpointError(
            f"Checkpoint {str(folder)!r}: there is no such folder. Expected the path of a checkpoint, as model_dir/checkpoints/100."
        )
    handler = ocp.CompositeCheckpointHandler(state=ocp.StandardCheckpointHandler(), extra=ocp.JsonCheckpointHandler())
    try:
        with ocp.Checkpointer(handler) as reader:
            found = reader.restore(
                folder, args=ocp.args.Composite(state=ocp.args.StandardRestore(), extra=ocp.args.JsonRestore())
            )
    except Exception as e:  # noqa: BLE001 - orbax and tensorstore raise many kinds for a broken file
        raise CheckpointError(f"Checkpoint {str(folder)!r} cannot be read: {e}. Use an older one: give checkpoint_path.") from e
    return {k: np.asarray(v) for k, v in found.state.items()}, dict(found.extra or {})
