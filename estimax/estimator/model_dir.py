"""What lies in a model_dir: checkpoints of estimax or TensorFlow, read by the names of variables; and who may write there."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState
from estimax.core.errors import CheckpointError
from estimax.data import tf_checkpoints
from estimax.estimator.deferred_save import wait_for_deferred
from estimax.estimator.variables import GLOBAL_STEP, places
from estimax.training import Checkpointer, read_checkpoint

NAMES = "variables"


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A checkpoint in memory.

    Attributes:
        path: where it was.
        flat: arrays by flat name, of an estimax checkpoint; empty for one of TensorFlow.
        values: arrays by variable name.
        extra: JSON kept beside it.
        step: its global step.
    """

    path: str
    flat: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    extra: Mapping[str, Any]
    step: int

    @property
    def is_tensorflow(self) -> bool:
        """Whether TensorFlow wrote it."""
        return not self.flat

    def weights(self) -> TrainState:
        """Weights (averaged ones, where an optimizer keeps averages) and other variables of the model without the optimizers' state:
        what evaluation and prediction need.
        """
        if self.is_tensorflow:
            params = {n: jnp.asarray(v) for n, v in self.values.items() if n != GLOBAL_STEP and v.dtype.kind in "fiub"}
            model_state: dict[str, Any] = {}
        else:
            part = lambda prefix: {k.removeprefix(prefix): jnp.asarray(v) for k, v in self.flat.items() if k.startswith(prefix)}  # noqa: E731
            params, model_state = part("params|"), part("model_state|")
            for key, begun in self.flat.items():
                if key.startswith("opt_state|") and key.endswith("|iteration") and begun > 0:
                    params |= part(key.removesuffix("iteration") + "ema|")
        return TrainState(jnp.asarray(self.step, jnp.int32), params, model_state, {}, jax.random.key(0))


def with_averages(state: TrainState) -> TrainState:
    """A state whose weights are their moving averages, where an optimizer keeps averages: what is evaluated, exported and served."""
    params = dict(state.params)
    for of_optimizer in state.opt_state.values() if isinstance(state.opt_state, dict) else ():
        while isinstance(of_optimizer, dict) and "inner" in of_optimizer:
            of_optimizer = of_optimizer["inner"]
        if isinstance(of_optimizer, dict) and "ema" in of_optimizer and int(of_optimizer["iteration"]) > 0:
            params |= of_optimizer["ema"]
    return state.replace(params=params)


def load(path: str | os.PathLike) -> Loaded:
    """Reads a checkpoint.

    Args:
        path: a folder `model_dir/checkpoints/<step>`, a TensorFlow prefix as `model_dir/model.ckpt-100`, or a folder of either: its latest.

    Raises:
        CheckpointError: if there is none, or it is broken.
    """
    path = os.fspath(path)
    if tf_checkpoints.exists(path):
        values = tf_checkpoints.read(path)
        step = int(values[GLOBAL_STEP]) if GLOBAL_STEP in values else 0
        return Loaded(path, {}, values, {}, step)
    if not (Path(path) / "state").is_dir():
        latest = latest_checkpoint(path)
        if latest is None:
            raise CheckpointError(
                f"checkpoint_path {path!r}: there is no checkpoint. Expected model_dir/checkpoints/<step>, a prefix of TensorFlow such as "
                "model_dir/model.ckpt-100, or a model_dir that has one."
            )
        return load(latest)
    flat, extra = read_checkpoint(path)
    names = extra.get(NAMES) or {}
    values = {
        n: flat[key] if isinstance(key, str) else np.asarray(key, np.float32)
        for n, key in names.items()
        if not isinstance(key, str) or key in flat
    }
    values = values or {k.split("|", 1)[1]: v for k, v in flat.items() if k.startswith(("params|", "model_state|"))}
    if GLOBAL_STEP in values:
        values[GLOBAL_STEP] = np.asarray(values[GLOBAL_STEP]).astype(np.int64)
    return Loaded(path, flat, values, extra, int(flat["step"]))


def latest_checkpoint(model_dir: str | os.PathLike) -> str | None:
    """The path of the newest checkpoint of a model_dir, estimax's or TensorFlow's; None if there is none."""
    wait_for_deferred(model_dir)
    checkpoints = Checkpointer(model_dir)
    step = checkpoints.latest_step()
    return checkpoints.path(step) if step is not None else tf_checkpoints.latest(os.fspath(model_dir))


def checkpoint_step(path: str | None) -> int:
    """The global step in a checkpoint's name, 0 for none."""
    if path is None:
        return 0
    last = os.path.basename(path.rstrip("/"))
    digits = last.rpartition("-")[2]
    return int(digits) if digits.isdigit() else int(load(path).step)


def names_for_checkpoint(state: TrainState, train_ops: Any) -> dict[str, Any]:
    """Where each variable's value lies in a checkpoint's flat names, or its value where the state does not hold it."""
    found: dict[str, Any] = {}
    for name, place in places(state, train_ops).items():
        found[name] = float(place.constant) if place.constant is not None else "|".join(place.keys)
    return found


@contextmanager
def writing(model_dir: str) -> Iterator[None]:
    """Holds a model_dir for writing; the operating system lets go of it if the process dies.

    Raises:
        CheckpointError: if another process trains there, or the folder cannot be written.
    """
    import fcntl

    try:
        Path(model_dir).mkdir(parents=True, exist_ok=True)
        handle = open(Path(model_dir) / ".training.lock", "a")  # noqa: SIM115 - closed below, whatever happens
    except OSError as e:
        raise CheckpointError(f"model_dir {model_dir!r}: cannot be written ({e}). Choose a folder that you may write to.") from e
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise CheckpointError(
                f"model_dir {model_dir!r}: another process trains there now. Wait until it ends, or choose another model_dir."
            ) from e
        yield
    finally:
        handle.close()


def checkpointer_for(config: Any) -> Checkpointer:
    """What writes the checkpoints of a RunConfig."""
    hours = config.keep_checkpoint_every_n_hours
    return Checkpointer(
        config.model_dir, keep=config.keep_checkpoint_max, keep_every_hours=None if hours in (None, 10000) else hours
    )


_FINISHED = "input_finished.json"


def mark_finished(model_dir: str, step: int) -> None:
    """Notes that training ended at a step by itself, so that the next one reads its input from the start."""
    path = Path(model_dir) / _FINISHED
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"global_step": int(step)}))
    os.replace(temporary, path)


def finished_step(model_dir: str) -> int | None:
    """The step that `mark_finished` noted last."""
    try:
        return int(json.loads((Path(model_dir) / _FINISHED).read_text())["global_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
