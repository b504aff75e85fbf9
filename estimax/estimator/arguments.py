"""What an Estimator's methods are given and give back: checks, and rows of predictions."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimax.estimator.run_config import RunConfig
from estimax.training.hooks import CheckpointSaverListener

logger = logging.getLogger("estimax")


def config_with(config: RunConfig | None, model_dir: Any) -> RunConfig:
    """The config with the model_dir that was given, or a temporary one.

    Raises:
        ValueError: if two different folders are given.
    """
    if config is not None and not isinstance(config, RunConfig):
        raise ValueError(f"Estimator: config: given {type(config).__name__}, expected a RunConfig.")
    config = config or RunConfig()
    if model_dir is not None and config.model_dir is not None and os.fspath(model_dir) != config.model_dir:
        raise ValueError(
            f"Estimator: model_dir {model_dir!r} differs from that of the config, {config.model_dir!r}. Give one of them."
        )
    chosen = os.fspath(model_dir) if model_dir is not None else config.model_dir
    if chosen is None:
        chosen = tempfile.mkdtemp()
        logger.warning("Using temporary folder as model directory: %s", chosen)
    return config if config.model_dir == chosen else config.replace(model_dir=chosen)


def check_steps(steps: float | None, max_steps: float | None) -> tuple[int | None, int | None]:
    """Both as whole numbers, rounded up: programs compute steps as rows / batch size, and training ends when they are reached.

    Raises:
        ValueError: if one is not positive, or both are given.
    """
    if steps is not None and max_steps is not None:
        raise ValueError(f"train: given steps={steps!r} and max_steps={max_steps!r}, expected at most one of them.")
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and value <= 0:
            raise ValueError(f"train: {name}: given {value!r}, expected a positive number or None.")
    return None if steps is None else math.ceil(steps), None if max_steps is None else math.ceil(max_steps)


def check_replicas(config: RunConfig) -> None:
    """Refuses to train one model in several processes.

    Raises:
        ValueError: if TF_CONFIG names several.
    """
    if config.num_worker_replicas > 1:
        roles = {r: len(a) for r, a in config.cluster_spec.items() if r in ("chief", "master", "worker")}
        raise ValueError(
            f"train: TF_CONFIG names {config.num_worker_replicas} processes that train ({roles}), expected one: a model is trained by one "
            "process, on all of its devices with RunConfig(train_distribute=ex.distribution.DataParallel()). Start the chief alone, and an "
            'evaluator if you like: TF_CONFIG=\'{"cluster": {"chief": [...], "evaluator": [...]}, "task": ...}\'.'
        )


def checked_listeners(listeners: Any) -> list[CheckpointSaverListener]:
    """The listeners as a list.

    Raises:
        TypeError: if one is no listener.
    """
    for listener in listeners or ():
        if not isinstance(listener, CheckpointSaverListener):
            raise TypeError(
                f"train: saving_listeners: given {type(listener).__name__}, expected CheckpointSaverListener objects."
            )
    return list(listeners or ())


def refuse_as_text(owner: str, as_text: bool) -> None:
    """Refuses TensorFlow's text form of a graph.

    Raises:
        ValueError: if it is asked for.
    """
    if as_text:
        raise ValueError(
            f"{owner}: as_text: given True, expected False: exports hold StableHLO, which has no text form here. Leave it out."
        )


def selected(out: Any, keys: Any) -> Any:
    """The predictions that were asked for.

    Raises:
        ValueError: if there are none of these keys.
    """
    if keys is None:
        return out
    if not isinstance(out, dict):
        raise ValueError("predict: predict_keys: the model predicts one array, not a dict. Leave predict_keys out.")
    keys = [keys] if isinstance(keys, str) else list(keys)
    found = {k: v for k, v in out.items() if k in keys}
    if not found:
        raise ValueError(f"predict: predict_keys: given {keys}, expected some of {sorted(map(str, out))}.")
    return found


def rows_of(out: Any) -> Iterator[Any]:
    """The rows of a batch of predictions.

    Raises:
        ValueError: if predictions differ in their number of rows.
    """
    if not isinstance(out, dict):
        yield from out
        return
    sizes = {k: len(v) if np.ndim(v) else None for k, v in out.items()}
    if len(set(sizes.values())) > 1 or None in sizes.values():
        raise ValueError(
            f"predict: predictions differ in their number of rows: {sizes}. Give arrays [batch, ...], or yield_single_examples=False."
        )
    keys = list(out)
    for row in zip(*out.values()):
        yield dict(zip(keys, row))
