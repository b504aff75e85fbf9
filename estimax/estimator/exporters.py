"""Exporters: which evaluated models are exported, and how many are kept."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from estimax.core.errors import ExportError
from estimax.estimator.arguments import refuse_as_text

logger = logging.getLogger("estimax")


class Exporter:
    """Interface of exporters, for `EvalSpec(exporters=...)`.

    Reference: tf.estimator.Exporter.
    """

    @property
    def name(self) -> str:
        """The name of the folder below `model_dir/export`."""
        raise TypeError(f"{type(self).__name__} defines no name.")

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str | None,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """Exports, or not.

        Args:
            estimator: what was evaluated.
            export_path: the folder for this exporter's exports.
            checkpoint_path: the weights that were evaluated.
            eval_result: the metrics.
            is_the_final_export: whether training has ended.

        Returns:
            The path of the export, None if there was none.
        """
        raise TypeError(f"{type(self).__name__} defines no export.")


def exports_in(folder: str) -> list[str]:
    """The exports of a folder, oldest first."""
    try:
        names = [n for n in os.listdir(folder) if n.isdigit()]
    except OSError:
        return []
    return [os.path.join(folder, n) for n in sorted(names, key=int)]


def keep_newest(folder: str, keep: int | None) -> None:
    """Removes all but the newest exports of a folder."""
    for old in exports_in(folder)[:-keep] if keep is not None else ():
        _remove(old)


def _remove(export: str) -> None:
    # First out of sight, then gone: what is seen under its number is whole.
    folder, name = os.path.split(export)
    hidden = os.path.join(folder, f"{_HIDDEN}{name}")
    try:
        os.rename(export, hidden)
        shutil.rmtree(hidden)
    except OSError as e:
        logger.warning("Old export %s could not be removed: %s", export, e)


_HIDDEN, _JOURNAL = ".removed-", ".exporting.json"


def _begin(folder: str) -> None:
    """Notes which exports are there before another one is made; removes what a killed process left half done.

    An export that it made without getting to note it as the best one is taken away: its evaluation is done again, and the export with it.
    """
    journal = Path(folder) / _JOURNAL
    try:
        known = set(json.loads(journal.read_text()))
    except (OSError, ValueError, TypeError):
        known = None
    if known is not None:
        known.add(_best(folder).get("export"))
        for left in exports_in(folder):
            if os.path.basename(left) not in known:
                _remove(left)
        for name in os.listdir(folder):
            if name.startswith(_HIDDEN) or (name.startswith(".") and ".tmp-" in name):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    _replace(journal, [os.path.basename(e) for e in exports_in(folder)])


def _end(folder: str) -> None:
    (Path(folder) / _JOURNAL).unlink(missing_ok=True)


def _replace(path: Path, content: Any) -> None:
    temporary = path.with_name(f".{path.name.lstrip('.')}.tmp")
    with open(temporary, "w") as f:
        f.write(json.dumps(content))
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


class _SavedModelExporter(Exporter):
    """What the three exporters share."""

    def __init__(self, name: str, serving_input_receiver_fn: Callable, assets_extra: Mapping[str, str] | None, as_text: bool):
        refuse_as_text(type(self).__name__, as_text)
        if not name:
            raise ValueError(f"{type(self).__name__}: name: expected a non-empty name.")
        self._name, self._receiver_fn, self._assets_extra = name, serving_input_receiver_fn, assets_extra

    @property
    def name(self) -> str:
        return self._name

    def _export(self, estimator: Any, export_path: str, checkpoint_path: str | None) -> str:
        return estimator.export_saved_model(
            export_path, self._receiver_fn, assets_extra=self._assets_extra, checkpoint_path=checkpoint_path
        )


def _check_keep(owner: str, exports_to_keep: int | None) -> None:
    if exports_to_keep is not None and exports_to_keep <= 0:
        raise ValueError(f"{owner}: exports_to_keep: given {exports_to_keep!r}, expected a positive number or None.")


class LatestExporter(_SavedModelExporter):
    """Exports after every evaluation and keeps the newest.

    Args:
        name: folder below `model_dir/export`.
        serving_input_receiver_fn: what requests look like.
        assets_extra: files to copy along.
        as_text: only False.
        exports_to_keep: how many; None for all.

    Raises:
        ValueError: if the number is not positive.

    Reference: tf.estimator.LatestExporter.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        _check_keep("LatestExporter", exports_to_keep)
        self._keep = exports_to_keep

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str | None,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        _begin(export_path)
        path = self._export(estimator, export_path, checkpoint_path)
        keep_newest(export_path, self._keep)
        _end(export_path)
        return path


class FinalExporter(_SavedModelExporter):
    """Exports once, when training has ended.

    Args:
        name: folder below `model_dir/export`.
        serving_input_receiver_fn: what requests look like.
        assets_extra: files to copy along.
        as_text: only False.

    Reference: tf.estimator.FinalExporter.
    """

    def __init__(
        self, name: str, serving_input_receiver_fn: Callable, assets_extra: Mapping[str, str] | None = None, as_text: bool = False
    ):
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str | None,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        if not is_the_final_export:
            return None
        logger.info("Performing the final export in the end of training.")
        _begin(export_path)
        path = self._export(estimator, export_path, checkpoint_path)
        _end(export_path)
        return path


def loss_smaller(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
    """The default comparison of `BestExporter`: whether the current loss is smaller.

    Args:
        best_eval_result: metrics of the best model so far.
        current_eval_result: metrics of the model just evaluated.

    Raises:
        ValueError: if one has no loss.

    >>> loss_smaller({"loss": 0.5}, {"loss": 0.4})
    True
    """
    for what, result in (("best", best_eval_result), ("current", current_eval_result)):
        if not result or "loss" not in result:
            raise ValueError(
                f"BestExporter: the {what} evaluation has no 'loss' among {sorted(result or ())}. Give another compare_fn."
            )
    return bool(current_eval_result["loss"] < best_eval_result["loss"])


BEST_FILE = "best_eval_result.json"


class BestExporter(_SavedModelExporter):
    """Exports when an evaluation is better than the best so far, also than one before a restart.

    The best metrics are kept in the folder of the exports, written after the export that they belong to and replaced as a whole.

    Args:
        name: folder below `model_dir/export`.
        serving_input_receiver_fn: what requests look like.
        event_file_pattern: changes nothing: the best is always remembered, in a file of its own and not by event files.
        compare_fn: `(best_eval_result, current_eval_result) -> bool`: whether the current one is better; a smaller loss by default.
        assets_extra: files to copy along.
        as_text: only False.
        exports_to_keep: how many; None for all.

    Raises:
        ValueError: if the number is not positive, or the comparison does not take these two arguments.

    Reference: tf.estimator.BestExporter.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable | None = None,
        event_file_pattern: str | None = "eval/*.tfevents.*",
        compare_fn: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] = loss_smaller,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        if serving_input_receiver_fn is None:
            raise ValueError(
                "BestExporter: serving_input_receiver_fn is missing, expected a function. Use build_raw_serving_input_receiver_fn."
            )
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        _check_keep("BestExporter", exports_to_keep)
        if event_file_pattern is not None and not isinstance(event_file_pattern, str):
            raise ValueError(f"BestExporter: event_file_pattern: given {event_file_pattern!r}, expected a string or None.")
        _check_compare(compare_fn)
        self._compare, self._keep, self.event_file_pattern = compare_fn, exports_to_keep, event_file_pattern

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str | None,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        best = read_best(export_path)
        better = best is None or self._compare(best, eval_result)
        path = None
        _begin(export_path)
        if better:
            logger.info("Performing best model export.")
            path = self._export(estimator, export_path, checkpoint_path)
            write_best(export_path, eval_result, os.path.basename(path))
        keep_newest(export_path, self._keep)
        _end(export_path)
        return path


def _check_compare(compare_fn: Any) -> None:
    import inspect

    if not callable(compare_fn):
        raise ValueError(f"BestExporter: compare_fn: given {compare_fn!r}, expected a function.")
    names = set(inspect.signature(compare_fn).parameters)
    for needed in ("best_eval_result", "current_eval_result"):
        if needed not in names and len(names) != 2:
            raise ValueError(f"BestExporter: compare_fn takes {sorted(names)}, expected (best_eval_result, current_eval_result).")


def read_best(folder: str) -> dict[str, Any] | None:
    """The metrics of the best export so far; None if there is none.

    Raises:
        ExportError: if the file is damaged.
    """
    return _best(folder).get("best_eval_result")


def _best(folder: str) -> dict[str, Any]:
    path = Path(folder) / BEST_FILE
    try:
        found = json.loads(path.read_text())
        if "best_eval_result" not in found:
            raise ValueError("it has no 'best_eval_result'")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as e:
        raise ExportError(f"{str(path)!r} cannot be read: {e}. Remove it to choose the best anew.") from e
    return found


def write_best(folder: str, result: Mapping[str, Any], export: str) -> None:
    """Replaces, as a whole, the metrics and the name of the best export."""
    import numpy as np

    plain = {k: np.asarray(v).item() for k, v in result.items() if np.ndim(v) == 0}
    _replace(Path(folder) / BEST_FILE, {"best_eval_result": plain, "export": export})
