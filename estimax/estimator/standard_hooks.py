"""The hooks that every training has: checks, logs, summaries, checkpoints."""

from __future__ import annotations

from functools import partial
from typing import Any

from estimax.estimator.model_dir import mark_finished, names_for_checkpoint
from estimax.estimator.model_fn import ModeFacts
from estimax.estimator.session import ScaffoldHook, engine_hooks
from estimax.training import EventWriter, Hook
from estimax.training.hooks import (
    CheckpointSaverHook,
    CheckpointSaverListener,
    LoggingTensorHook,
    NanTensorHook,
    StepCounterHook,
    SummarySaverHook,
)


def training_hooks(
    estimator: Any,
    facts: ModeFacts,
    hooks: list[Hook],
    listeners: list[CheckpointSaverListener],
    *,
    last_step: int | None,
    writer: EventWriter,
    defer: Any,
) -> list[Hook]:
    """The user's hooks among those that the config asks for, in the order in which they are called.

    Args:
        estimator: whose training it is.
        facts: what the model_fn said.
        hooks: given to `train`.
        listeners: told of checkpoints.
        last_step: at which training will end, if that is known.
        writer: of summaries.
        defer: takes over the last checkpoint; see `DeferredSave.offer`.
    """
    config = estimator.config
    found: list[Hook] = [NanTensorHook(), *hooks, *engine_hooks(facts.hooks, what="model_fn: training_hooks")]
    if facts.scaffold is not None:
        found.insert(0, ScaffoldHook(facts.scaffold))
    if not config.is_chief:
        return found
    if config.log_step_count_steps:
        found.append(LoggingTensorHook({"loss": "loss", "step": "global_step"}, every_n_iter=config.log_step_count_steps))
        found.append(StepCounterHook(config.log_step_count_steps, summary_writer=writer))
    if config.save_summary_steps:
        found.append(
            SummarySaverHook(config.save_summary_steps, summary_writer=writer, has_summaries=lambda: facts.has_summaries)
        )
    own = [h for h in found if isinstance(h, CheckpointSaverHook)]
    if own:
        own[0].listeners.extend(x for x in listeners if x not in own[0].listeners)
        return found
    seconds, steps = config.save_checkpoints_secs, config.save_checkpoints_steps
    if seconds is None and steps is None and not listeners:
        return found
    if seconds is None and steps is None:
        raise ValueError(
            "train: given saving_listeners, but the RunConfig saves no checkpoints. Give it save_checkpoints_steps or _secs."
        )
    saver = CheckpointSaverHook(
        estimator.model_dir,
        seconds,
        steps,
        listeners=listeners,
        checkpointer=estimator._checkpoints,
        last_step=last_step,
        extra=lambda run: {"variables": names_for_checkpoint(run.state, estimator._train_ops)},
        defer=defer,
        on_finished=partial(mark_finished, estimator.model_dir),
    )
    return [*found, saver]
