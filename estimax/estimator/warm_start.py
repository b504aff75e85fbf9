"""Warm start: weights of another model as the start of this one."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState
from estimax.core.errors import CheckpointError
from estimax.core.vocabulary import read_vocabulary_file
from estimax.estimator.model_dir import Loaded, load
from estimax.estimator.variables import places, with_values

logger = logging.getLogger("estimax")


@dataclasses.dataclass(frozen=True)
class VocabInfo:
    """How the rows (or columns) of a variable belong to the words of a vocabulary, before and now.

    Args:
        new_vocab: file of the model's vocabulary, one word a line.
        new_vocab_size: how many of its lines are used.
        num_oov_buckets: rows for unknown words, after those of the vocabulary.
        old_vocab: file of the vocabulary with which the weights were trained.
        old_vocab_size: how many of its lines were used; -1 for all.
        backup_initializer: `(shape, dtype) -> array` for words that are new; zeros by default.
        axis: 0 if words are rows (embeddings, linear weights), 1 if they are columns (logits of classes).

    Raises:
        ValueError: if the axis is another, or a number is out of range.

    Reference: tf.estimator.VocabInfo.
    """

    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: Callable | None = None
    axis: int = 0

    def __post_init__(self) -> None:
        if self.axis not in (0, 1):
            raise ValueError(f"VocabInfo: axis: given {self.axis!r}, expected 0 or 1.")
        if self.new_vocab_size < 1 or self.num_oov_buckets < 0 or (self.old_vocab_size < 1 and self.old_vocab_size != -1):
            raise ValueError(
                "VocabInfo: expected new_vocab_size of at least 1, num_oov_buckets of at least 0, old_vocab_size of at least 1 or -1."
            )

    def remapped(self, name: str, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The old variable's rows in the order of the new vocabulary.

        Args:
            name: of the variable, for errors.
            old: the checkpoint's value.
            new: the model's own start value, for its shape.

        Raises:
            CheckpointError: if shapes do not fit the vocabularies.
        """
        new_words = read_vocabulary_file(self.new_vocab, self.new_vocab_size, name=f"VocabInfo of {name}").tolist()
        old_size = None if self.old_vocab_size == -1 else self.old_vocab_size
        old_words = read_vocabulary_file(self.old_vocab, old_size, name=f"VocabInfo of {name}").tolist()
        old, wanted = np.moveaxis(old, self.axis, 0), np.moveaxis(new, self.axis, 0)
        if len(wanted) != len(new_words) + self.num_oov_buckets or len(old) < len(old_words) or old.shape[1:] != wanted.shape[1:]:
            raise CheckpointError(
                f'Warm start of "{name}": given shape {old.shape} for {len(old_words)} words, and the model has {wanted.shape} for '
                f"{len(new_words)} words and {self.num_oov_buckets} buckets. Check the sizes in VocabInfo and its axis."
            )
        if self.backup_initializer is None:
            out = np.zeros_like(wanted)
        else:
            out = np.moveaxis(np.array(self.backup_initializer(new.shape, str(new.dtype))), self.axis, 0).copy()
        at = {word: i for i, word in enumerate(old_words)}
        pairs = [(i, at[word]) for i, word in enumerate(new_words) if word in at]
        if pairs:
            rows = np.array(pairs)
            out[rows[:, 0]] = old[rows[:, 1]]
        return np.moveaxis(out, 0, self.axis)


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
    """What to take from where.

    Args:
        ckpt_to_initialize_from: a checkpoint, model_dir or export, of estimax or TensorFlow.
        vars_to_warm_start: a regular expression of the weights to take (with the moving averages that belong to them), or a list of regular
            expressions, which are searched among all names: slots (`training/...`) and `global_step` too. None for only those of
            `var_name_to_vocab_info`.
        var_name_to_vocab_info: `VocabInfo` by variable name.
        var_name_to_prev_var_name: the checkpoint's name of a variable, where it differs.

    Raises:
        ValueError: if the checkpoint is not named.

    Reference: tf.estimator.WarmStartSettings.
    """

    ckpt_to_initialize_from: str
    vars_to_warm_start: str | Sequence[Any] | None = ".*"
    var_name_to_vocab_info: Mapping[str, VocabInfo] | None = None
    var_name_to_prev_var_name: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.ckpt_to_initialize_from:
            raise ValueError(
                "WarmStartSettings: ckpt_to_initialize_from: expected the path of a checkpoint, model_dir or export."
            )

    def wants(self, name: str, *, is_weight: bool) -> bool:
        """Whether a variable is to be taken over."""
        if name in (self.var_name_to_vocab_info or {}):
            return True
        if self.vars_to_warm_start is None:
            return False
        if isinstance(self.vars_to_warm_start, str):
            return is_weight and re.search(self.vars_to_warm_start, name) is not None
        patterns = [p if isinstance(p, str) else re.escape(p.path) for p in self.vars_to_warm_start]
        return any(re.search(p, name) for p in patterns)


def as_settings(given: Any) -> WarmStartSettings | None:
    """Settings from what `warm_start_from` may be.

    Raises:
        ValueError: if it is neither settings nor a path.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if isinstance(given, (str, os.PathLike)):
        return WarmStartSettings(os.fspath(given))
    raise ValueError(f"warm_start_from: given {type(given).__name__}, expected a path or WarmStartSettings.")


def load_source(path: str) -> Loaded:
    """A checkpoint, or an export of estimax, by variable names.

    Raises:
        CheckpointError: if it is none.
    """
    if os.path.isfile(os.path.join(path, "estimax_model.json")):
        from estimax import export

        values = dict(export.load(path).variables)
        return Loaded(path, {}, values, {}, 0)
    return load(path)


def warm_started(state: TrainState, train_ops: Sequence[Any], settings: WarmStartSettings) -> TrainState:
    """The state with what the settings take over; a table of it is logged.

    Args:
        state: the model's own first state.
        train_ops: whose optimizers' state it holds.
        settings: what to take from where.

    Raises:
        CheckpointError: if nothing fits, a shape differs, or a variable that was named is missing.
    """
    source = load_source(settings.ckpt_to_initialize_from)
    known = places(state, train_ops)
    weights = {*state.params, *state.model_state}
    previous, vocabularies = settings.var_name_to_prev_var_name or {}, settings.var_name_to_vocab_info or {}
    for name in (*previous, *vocabularies):
        if name not in known:
            raise CheckpointError(f'Warm start: the model has no variable "{name}". It has {sorted(weights)[:20]}.')
    values: dict[str, np.ndarray] = {}
    table: list[tuple[str, str]] = []
    for name, place in known.items():
        if not settings.wants(name, is_weight=name in weights):
            table.append((name, "new: not asked for"))
            continue
        old_name = previous.get(name, name)
        if old_name not in source.values:
            if name in previous or name in vocabularies:
                raise CheckpointError(
                    f'Warm start of "{name}": {source.path!r} has no variable "{old_name}". It has {sorted(source.values)[:20]}.'
                )
            table.append((name, f"new: not in {source.path}"))
            continue
        old, new = source.values[old_name], place.read(state)
        if name in vocabularies:
            values[name] = vocabularies[name].remapped(name, old, new)
            table.append((name, f"taken from {old_name}, by vocabulary"))
            continue
        if old.shape != new.shape:
            raise CheckpointError(
                f'Warm start of "{name}": given shape {old.shape}, the model has {new.shape}. If its vocabulary changed, give '
                "WarmStartSettings(var_name_to_vocab_info={...}); or leave it out by vars_to_warm_start."
            )
        values[name] = old
        table.append((name, f"taken from {old_name}"))
    if not values:
        raise CheckpointError(
            f"Warm start: no variable of this model is in {source.path!r}, which has {sorted(source.values)[:10]}. The model has "
            f"{sorted(weights)[:10]}. Map names by var_name_to_prev_var_name."
        )
    width = max(len(name) for name, _ in table)
    logger.info("Warm start from %s:\n%s", source.path, "\n".join(f"  {n:{width}}  {what}" for n, what in table))
    state = with_values(state, train_ops, values)
    if "global_step" in values and isinstance(state.opt_state, dict):
        opt_state = {
            i: s | {"iteration": jnp.array(state.step)} if isinstance(s, dict) and "iteration" in s and i == "0" else s
            for i, s in state.opt_state.items()
        }
        state = state.replace(opt_state=opt_state)
    return state
