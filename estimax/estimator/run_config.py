"""The RunConfig: where and how an Estimator runs."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

_DEFAULT = object()

# Fields of tf.estimator.RunConfig that steer TensorFlow's sessions and servers. There is nothing here that they could change.
_REFUSED = {
    "session_config": "JAX has no sessions; set the number of threads or the memory by XLA_FLAGS and JAX's own settings",
    "device_fn": "JAX places arrays by shardings; pass train_distribute",
    "protocol": "there are no TensorFlow servers",
    "experimental_max_worker_delay_secs": "workers start together",
}
_ROLES = ("chief", "master", "worker", "ps", "evaluator")


class RunConfig:
    """Where an Estimator keeps its files, how often it saves and logs, its seed, and its role among processes.

    Args:
        model_dir: folder of checkpoints, event files and exports.
        tf_random_seed: of initial weights, dropout and shuffling; 0 if None.
        save_summary_steps: steps between summaries; None or 0 for none.
        save_checkpoints_steps: steps between checkpoints; not together with seconds.
        save_checkpoints_secs: seconds between checkpoints; 600 by default.
        session_config: refused.
        keep_checkpoint_max: how many checkpoints to keep; None or 0 for all.
        keep_checkpoint_every_n_hours: a checkpoint this often is kept forever; the default of 10000 keeps none.
        log_step_count_steps: steps between log lines of loss and speed; None or 0 for none.
        train_distribute: a distribution of `estimax.distribution` for training.
        device_fn: refused.
        protocol: refused.
        eval_distribute: a distribution for evaluation; the one of training by default.
        experimental_distribute: refused; use `train_distribute`.
        experimental_max_worker_delay_secs: refused.
        session_creation_timeout_secs: only the default, 7200: there is no session to wait for.
        checkpoint_save_graph_def: only the default, True: checkpoints hold no graph either way.

    Raises:
        ValueError: for a field out of range, or one that is refused (the message says why).

    Example:
        >>> config = RunConfig(save_checkpoints_steps=100)
        >>> config.save_checkpoints_steps, config.save_checkpoints_secs, config.is_chief
        (100, None, True)

    Reference: tf.estimator.RunConfig.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _DEFAULT,
        save_checkpoints_secs: Any = _DEFAULT,
        session_config: None = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: None = None,
        protocol: None = None,
        eval_distribute: Any = None,
        experimental_distribute: None = None,
        experimental_max_worker_delay_secs: None = None,
        session_creation_timeout_secs: int = 7200,
        checkpoint_save_graph_def: bool = True,
    ):
        given = locals()
        for name, reason in _REFUSED.items():
            if given[name] is not None:
                raise ValueError(f"RunConfig: {name}: given {given[name]!r}, expected None: {reason}.")
        if experimental_distribute is not None:
            raise ValueError("RunConfig: experimental_distribute: expected None. Use train_distribute and eval_distribute.")
        if session_creation_timeout_secs != 7200:
            raise ValueError(
                "RunConfig: session_creation_timeout_secs: expected the default, as there is no session to wait for."
            )
        if not checkpoint_save_graph_def:
            raise ValueError(
                "RunConfig: checkpoint_save_graph_def: expected True; checkpoints hold no graph either way. Leave it out."
            )
        if save_checkpoints_steps not in (_DEFAULT, None) and save_checkpoints_secs not in (_DEFAULT, None):
            raise ValueError("RunConfig: given save_checkpoints_steps and save_checkpoints_secs, expected at most one of them.")
        self.save_checkpoints_steps = None if save_checkpoints_steps is _DEFAULT else save_checkpoints_steps
        if save_checkpoints_secs is _DEFAULT:
            save_checkpoints_secs = 600 if save_checkpoints_steps is _DEFAULT else None
        self.save_checkpoints_secs = save_checkpoints_secs
        self.save_summary_steps, self.log_step_count_steps = save_summary_steps, log_step_count_steps
        self.keep_checkpoint_max, self.keep_checkpoint_every_n_hours = keep_checkpoint_max, keep_checkpoint_every_n_hours
        for name in ("save_checkpoints_steps", "save_checkpoints_secs", "keep_checkpoint_every_n_hours"):
            _check_number(name, getattr(self, name), above_zero=True)
        for name in ("save_summary_steps", "log_step_count_steps", "keep_checkpoint_max"):
            _check_number(name, getattr(self, name), above_zero=False)
        if tf_random_seed is not None and (not isinstance(tf_random_seed, int) or isinstance(tf_random_seed, bool)):
            raise ValueError(f"RunConfig: tf_random_seed: given {tf_random_seed!r}, expected an integer or None.")
        self.tf_random_seed = tf_random_seed
        self.train_distribute, self.eval_distribute = train_distribute, eval_distribute
        self._cluster = _cluster_of_environment()
        self.model_dir = self._model_dir(model_dir)

    def _model_dir(self, model_dir: Any) -> str | None:
        there = self._cluster.get("model_dir")
        if model_dir is not None and there and str(there) != os.fspath(model_dir):
            raise ValueError(f"RunConfig: model_dir: given {model_dir!r}, but TF_CONFIG names {there!r}. Give one, or the same.")
        chosen = model_dir if model_dir is not None else there
        if chosen is not None and not os.fspath(chosen):
            raise ValueError("RunConfig: model_dir: given an empty string, expected a folder or None.")
        return None if chosen is None else os.fspath(chosen)

    @property
    def cluster_spec(self) -> dict[str, Any]:
        """The addresses of TF_CONFIG by role."""
        return dict(self._cluster.get("cluster") or {})

    @property
    def task_type(self) -> str:
        """This process's role: `"worker"` if it is alone."""
        return self._cluster["task"].get("type", "worker")

    @property
    def task_id(self) -> int:
        """This process's number within its role."""
        return int(self._cluster["task"].get("index", 0))

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints and summaries."""
        alone = not self.cluster_spec
        return self.task_id == 0 and (alone or self.task_type in ("chief", "master"))

    @property
    def num_worker_replicas(self) -> int:
        """How many processes train."""
        spec = self.cluster_spec
        return sum(len(spec.get(role, ())) for role in ("chief", "master", "worker")) or 1

    @property
    def num_ps_replicas(self) -> int:
        """Parameter servers: none, as JAX has no such role."""
        return 0

    @property
    def global_id_in_cluster(self) -> int | None:
        """This process's number among all, chief first; None for an evaluator."""
        if self.task_type == "evaluator":
            return None
        spec = self.cluster_spec
        before = 0
        for role in _ROLES[:-1]:
            if role == self.task_type:
                return before + self.task_id
            before += len(spec.get(role, ()))
        return 0

    @property
    def master(self) -> str:
        """Empty: there are no TensorFlow servers."""
        return ""

    evaluation_master = master

    @property
    def service(self) -> dict[str, Any] | None:
        """The `service` entry of TF_CONFIG."""
        return self._cluster.get("service")

    @property
    def seed(self) -> int:
        """The seed really used."""
        return 0 if self.tf_random_seed is None else self.tf_random_seed

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with some fields changed.

        Args:
            changes: of `model_dir`, `tf_random_seed`, `save_summary_steps`, `save_checkpoints_steps`, `save_checkpoints_secs`,
                `keep_checkpoint_max`, `keep_checkpoint_every_n_hours`, `log_step_count_steps`, `train_distribute`, `eval_distribute`.

        Raises:
            ValueError: for another field.
        """
        known = {
            "model_dir", "tf_random_seed", "save_summary_steps", "save_checkpoints_steps", "save_checkpoints_secs", "keep_checkpoint_max",
            "keep_checkpoint_every_n_hours", "log_step_count_steps", "train_distribute", "eval_distribute",
        }  # fmt: skip
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"RunConfig.replace: given {unknown}, expected some of {sorted(known)}.")
        fields = {name: copy.copy(getattr(self, name)) for name in known}
        for one, other in (
            ("save_checkpoints_steps", "save_checkpoints_secs"),
            ("save_checkpoints_secs", "save_checkpoints_steps"),
        ):
            if changes.get(one) is not None and other not in changes:
                fields[other] = None
        return RunConfig(**(fields | changes))

    def __repr__(self) -> str:
        shown = (
            "model_dir",
            "tf_random_seed",
            "save_checkpoints_steps",
            "save_checkpoints_secs",
            "keep_checkpoint_max",
            "task_type",
            "task_id",
        )
        return f"RunConfig({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"


def _check_number(name: str, value: Any, *, above_zero: bool) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or (above_zero and value == 0):
        raise ValueError(
            f"RunConfig: {name}: given {value!r}, expected a number {'above' if above_zero else 'of at least'} 0, or None."
        )


def _cluster_of_environment() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG", "")
    try:
        found = json.loads(text) if text else {}
    except json.JSONDecodeError as e:
        raise ValueError(f"TF_CONFIG: given {text[:80]!r}, expected JSON as {{'cluster': ..., 'task': ...}}. {e}") from e
    task = found.get("task") or {}
    role = task.get("type", "worker")
    if role not in _ROLES:
        raise ValueError(f"TF_CONFIG: task type {role!r}: expected one of {list(_ROLES)}.")
    if role == "ps":
        raise ValueError("TF_CONFIG: task type 'ps': JAX has no parameter servers. Start chief and workers only.")
    return found | {"task": task}
