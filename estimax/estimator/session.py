"""Hooks written for tf.estimator: the classes and the little of a session that they need."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from estimax.training import Hook
from estimax.training.hooks import read_value, request_values, value_name


@dataclasses.dataclass(frozen=True)
class SessionRunArgs:
    """What a hook asks for before a step.

    Args:
        fetches: a name, or a list or dict of names, of values: `"loss"`, `"global_step"`, variables, and what `named` named.
        feed_dict: refused: there are no placeholders.
        options: refused: there are no sessions.

    Raises:
        ValueError: for a refused argument.

    Reference: tf.estimator.SessionRunArgs.
    """

    fetches: Any
    feed_dict: None = None
    options: None = None

    def __post_init__(self) -> None:
        if self.feed_dict is not None or self.options is not None:
            raise ValueError(
                "SessionRunArgs: given a feed_dict or options, expected fetches alone: JAX has no placeholders and no sessions. Yield the "
                "values from input_fn, or set variables: run_context.session.set_variable(name, value)."
            )


@dataclasses.dataclass(frozen=True)
class SessionRunValues:
    """What a hook gets after the step.

    Args:
        results: the values, in the form of the fetches; None if nothing was asked for.
        options: None: there are no sessions.
        run_metadata: None.

    Reference: tf.estimator.SessionRunValues.
    """

    results: Any
    options: None = None
    run_metadata: None = None


class Session:
    """Reads values of a run by name, as TensorFlow's session does by tensor.

    Args:
        run: the run.
    """

    def __init__(self, run: Any):
        self._run = run

    def run(self, fetches: Any) -> Any:
        """The values now.

        Args:
            fetches: a name or Variable, or a list or dict of them.
        """
        return jax.tree.map(lambda f: read_value(self._run, value_name(f)), fetches)

    @property
    def step(self) -> int:
        """The number of finished steps."""
        return self._run.step

    def set_variable(self, name: str, value: Any) -> None:
        """Sets a variable before the next step."""
        self._run.set_variable(name, value)


class SessionRunContext:
    """What a hook may do around a step.

    Args:
        run: the run.

    Reference: tf.estimator.SessionRunContext.
    """

    def __init__(self, run: Any):
        self._run, self.session = run, Session(run)

    @property
    def stop_requested(self) -> bool:
        """Whether some hook asked to stop."""
        return self._run.stop_requested

    def request_stop(self) -> None:
        """Ends training after this step."""
        self._run.request_stop()


class SessionRunHook(Hook):
    """A hook with tf.estimator's signatures. It sees every step unless `every_n_steps` says otherwise.

    Attributes:
        every_n_steps: how often `before_run` and `after_run` are called; steps in between run grouped and cost nothing.

    Example:
        >>> class Print(SessionRunHook):
        ...     every_n_steps = 100
        ...     def before_run(self, run_context):
        ...         return SessionRunArgs({"loss": "loss"})
        ...     def after_run(self, run_context, run_values):
        ...         print(run_values.results["loss"])
        >>> Print().every_n_steps
        100

    Reference: tf.estimator.SessionRunHook.
    """

    every_n_steps = 1

    def begin(self) -> None:  # type: ignore[override]
        """Called once before training."""

    def after_create_session(self, session: Session, coord: Any) -> None:  # type: ignore[override]
        """Called once the state is there; `coord` is None."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:  # type: ignore[override]
        """Called before a step; may return what to read after it."""

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:  # type: ignore[override]
        """Called after a step, with what was asked for."""

    def end(self, session: Session) -> None:  # type: ignore[override]
        """Called once after the last step."""


class SessionHookAdapter(Hook):
    """Makes a `SessionRunHook` a hook of the engine.

    Args:
        hook: the hook.
    """

    def __init__(self, hook: SessionRunHook):
        self.hook = hook
        self._fetches: Any = None

    def next_step(self, step: int) -> int | None:
        own = (SessionRunHook.before_run, SessionRunHook.after_run)
        if (type(self.hook).before_run, type(self.hook).after_run) == own:
            return None
        every = self.hook.every_n_steps
        return (step // every + 1) * every

    def begin(self, run: Any) -> None:
        self.hook.begin()

    def after_create_session(self, run: Any) -> None:
        self.hook.after_create_session(Session(run), None)

    def before_run(self, run: Any) -> None:
        args = self.hook.before_run(SessionRunContext(run))
        self._fetches = None if args is None else jax.tree.map(value_name, args.fetches)
        if args is not None:
            request_values(run, jax.tree.leaves(self._fetches))

    def after_run(self, run: Any) -> None:
        results = None if self._fetches is None else jax.tree.map(lambda n: read_value(run, n), self._fetches)
        self.hook.after_run(SessionRunContext(run), SessionRunValues(results))

    def end(self, run: Any) -> None:
        self.hook.end(Session(run))

    def failed(self, run: Any, error: BaseException) -> None:
        self.hook.failed(run, error)


def engine_hooks(hooks: Any, *, what: str) -> list[Hook]:
    """Hooks as the engine takes them.

    Raises:
        TypeError: if one is no hook.
    """
    found: list[Hook] = []
    for hook in hooks or ():
        if isinstance(hook, type) or not isinstance(hook, Hook):
            raise TypeError(
                f"{what}: given {hook!r}, expected hooks: objects of subclasses of ex.estimator.SessionRunHook or training.Hook."
            )
        found.append(SessionHookAdapter(hook) if isinstance(hook, SessionRunHook) else hook)
    return found


class Scaffold:
    """What is to be done around the first step, for `EstimatorSpec(scaffold=...)`.

    Args:
        init_fn: `(scaffold, session) -> None`, called once the variables have their first values, not after a restore. It may set variables:
            `session.set_variable(name, value)`.
        **refused: the fields of tf.compat.v1.train.Scaffold that build parts of a graph; they must be None.

    Raises:
        ValueError: for one of those.

    Reference: tf.compat.v1.train.Scaffold.
    """

    def __init__(self, init_fn: Any = None, **refused: Any):
        known = {
            "init_op",
            "init_feed_dict",
            "ready_op",
            "ready_for_local_init_op",
            "local_init_op",
            "summary_op",
            "saver",
            "copy_from_scaffold",
        }
        for name, value in refused.items():
            if name not in known or value is not None:
                raise ValueError(
                    f"Scaffold: {name}: given {value!r}, expected only init_fn: there is no graph whose parts could be replaced."
                )
        if init_fn is not None and not callable(init_fn):
            raise ValueError(f"Scaffold: init_fn: given {type(init_fn).__name__}, expected a function (scaffold, session).")
        self.init_fn = init_fn


class ScaffoldHook(Hook):
    """Calls a scaffold's `init_fn` before the first step of all.

    Args:
        scaffold: the scaffold.
    """

    def __init__(self, scaffold: Scaffold):
        self.scaffold = scaffold

    def after_create_session(self, run: Any) -> None:
        if run.step == 0 and self.scaffold.init_fn is not None:
            self.scaffold.init_fn(self.scaffold, Session(run))
