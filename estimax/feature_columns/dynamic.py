"""A vocabulary that is learned while training: new values get rows of the table, rare or old ones give theirs back.

The vocabulary is part of the model's state, arrays on the device: it is saved in checkpoints and exports, and a run that continues sees
what an undisturbed one would. The host only hashes values; which row a hash has is found, and changed, inside the training step.

The rows form sets of `WAYS`; a value may only have a row of the set that its hash names, so that a look-up compares few keys and a
value that comes in needs to push out only the weakest of its set (a set-associative cache, as in processors).

Reference: Hennessy and Patterson, "Computer Architecture: A Quantitative Approach", appendix B, set-associative placement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue, Variable, current_frame, register
from estimax.core.text import Text, text_from_integers
from estimax.feature_columns.base import MODULE, OneFeatureColumn, check_id_dtype, check_key, check_size
from estimax.feature_columns.entries import Entries
from estimax.feature_columns.host_ops import CategoricalOp, PaddedIds
from estimax.initializers import Zeros

WAYS = 8
# At most so many values that are not in the vocabulary are looked at in a step; the others wait for their next occurrence.
_MOST_NEWCOMERS = 2048
_WAITING_PER_ROW = 4  # places for values that wait for a row: far more values are rare than are worth one
_NEVER = np.iinfo(np.int32).max


@register(MODULE)
class HashKeys(CategoricalOp):
    """Entries to their 64-bit fingerprints.

    Args:
        name: of the column, for messages.
        accepts: `"string"` or `"integer"`.
    """

    pad_value = 0

    def __init__(self, name: str, accepts: str):
        self.name, self.accepts = name, accepts

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "accepts": self.accepts}

    def ids_of(self, values: Any) -> np.ndarray:
        text = values if isinstance(values, Text) else text_from_integers(values)
        return np.maximum(text.fingerprints, np.uint64(1)).view(np.int64)  # 0 stands for "nothing"


@register(MODULE)
class PaddedKeys(PaddedIds):
    """Fingerprints as an array of fixed width for a device: two 32-bit halves, both 0 where a row has no further value.

    Args:
        name: of the column, for messages.
        form: as of `PaddedIds`.

    Returns:
        int32 `[..., width, 2]`, or for weighted columns `{"ids", "weights"}`.
    """

    pad_value = 0

    def __init__(self, name: str, *, form: str = "matrix"):
        super().__init__(name, 2**63 - 1, form=form)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "form": self.form}

    def __call__(self, entries: Entries) -> Any:
        keys, weights = self.placed(entries, np.int64, 0)
        halves = keys.view(np.int32).reshape(*keys.shape, 2)
        return halves if weights is None else {"ids": halves, "weights": weights}


@register(MODULE)
class DynamicVocabularyColumn(OneFeatureColumn):
    """See `categorical_column_with_dynamic_vocabulary`."""

    def __init__(
        self, key: str, capacity: int, dtype: Any = "string", evict: str = "count", num_oov_buckets: int = 0, min_count: int = 1
    ):
        self.key = check_key(key)
        self.capacity = check_size(capacity, "capacity", key)
        self.dtype = check_id_dtype(dtype, key)
        if evict not in ("count", "age"):
            raise ValueError(
                f'column "{key}": evict is {evict!r}, expected "count" (the rarest value goes) or "age" (the one not seen longest).'
            )
        if isinstance(num_oov_buckets, bool) or not isinstance(num_oov_buckets, int) or num_oov_buckets < 0:
            raise ValueError(f'column "{key}": num_oov_buckets is {num_oov_buckets!r}, expected an integer of at least 0.')
        self.evict, self.num_oov_buckets = evict, num_oov_buckets
        self.min_count = check_size(min_count, "min_count", key)

    @property
    def num_buckets(self) -> int:
        return self._rows + self.num_oov_buckets

    @property
    def _rows(self) -> int:
        return -(-self.capacity // WAYS) * WAYS

    @property
    def dynamic(self) -> DynamicVocabularyColumn:
        return self

    def make_op(self) -> HashKeys:
        return HashKeys(self.name, "string" if self.dtype == "string" else "integer")

    def create_state(self, make: Callable[..., Variable], shared_name: str | None = None) -> dict[str, Variable]:
        """The vocabulary: keys by row, how often each occurred and in which step last, and the number of steps; with `min_count` also
        values that wait for a row, and how often each occurred.

        Args:
            make: creates a variable.
            shared_name: what columns with one vocabulary call it; None if it is this column's own.
        """
        shapes: dict[str, tuple[int, ...]] = {
            "keys": (self._rows, 2),
            "counts": (self._rows,),
            "seen": (self._rows,),
            "steps": (),
        }
        if self.min_count > 1:
            places = 2 ** (_WAITING_PER_ROW * self._rows - 1).bit_length()
            shapes |= {"waiting_keys": (places, 2), "waiting_counts": (places,)}
        prefix = "" if shared_name is None else f"{shared_name}_"
        return {
            f"vocabulary_{k}": make(f"{prefix}vocabulary_{k}", shape, Zeros(), False, shared_name is not None, dtype="int32")
            for k, shape in shapes.items()
        }

    def shares_with(self, other: DynamicVocabularyColumn) -> bool:
        """Whether this column and another, of another key, may learn one vocabulary."""
        mine, others = self.get_config(), other.get_config()
        return {k: v for k, v in mine.items() if k != "key"} == {k: v for k, v in others.items() if k != "key"}

    def rows_of(
        self, values: HostValue, name: str, form: str, variables: Mapping[str, Variable]
    ) -> tuple[jax.Array, Any, jax.Array]:
        """Rows of the values (-1 for nothing, and for unknown values without buckets for them), their weights, and which rows changed
        hands in this step. In training the vocabulary learns.
        """
        keys = HostValue(op=PaddedKeys(name, form=form), inputs=[values]).on_device()
        weights = None
        if isinstance(keys, dict):
            keys, weights = keys["ids"], keys["weights"]
        flat = keys.reshape(-1, 2)
        state = [variables[f"vocabulary_{k}"] for k in ("keys", "counts", "seen", "steps")]
        present = (flat != 0).any(-1)
        found = _find(state[0].value, flat, present)
        taken_over = jnp.zeros_like(present)
        frame = current_frame()
        if frame is not None and frame.training:
            candidates = present & (found < 0)
            if self.min_count > 1:
                waiting = [variables[f"vocabulary_waiting_{k}"] for k in ("keys", "counts")]
                candidates, *waits = _wait(*(v.value for v in waiting), flat, candidates, min_count=self.min_count)
                for variable, value in zip(waiting, waits):
                    variable.assign(value)
            # Columns that share a vocabulary learn one after the other in a step, and must leave each other's rows of this step alone.
            is_same_step = id(state[3]) in frame.learned
            frame.learned.add(id(state[3]))
            found, taken_over, *learned = _learn(
                *(v.value for v in state), flat, candidates, found, evict_by_age=self.evict == "age", is_same_step=is_same_step
            )
            for variable, value in zip(state, learned):
                variable.assign(value)
        if self.num_oov_buckets:
            bucket = self._rows + (flat[:, 1].astype(jnp.uint32) % self.num_oov_buckets).astype(jnp.int32)
            found = jnp.where(present & (found < 0), bucket, found)
        return found.reshape(keys.shape[:-1]), weights, taken_over.reshape(keys.shape[:-1])


def _set_of(keys: jax.Array, sets: int) -> jax.Array:
    return (keys[:, 0].astype(jnp.uint32) % sets).astype(jnp.int32)


@jax.jit
def _find(known: jax.Array, keys: jax.Array, present: jax.Array) -> jax.Array:
    """The row of each key, -1 if it has none. Shape `[n]`."""
    candidates = _set_of(keys, len(known) // WAYS)[:, None] * WAYS + jnp.arange(WAYS, dtype=jnp.int32)
    hits = (known[candidates] == keys[:, None, :]).all(-1) & present[:, None]
    return jnp.max(jnp.where(hits, candidates, -1), axis=1)


@functools.partial(jax.jit, static_argnames="min_count")
def _wait(
    known: jax.Array, counts: jax.Array, keys: jax.Array, candidates: jax.Array, *, min_count: int
) -> tuple[jax.Array, ...]:
    """Counts the keys that have no row, each at the place that its hash names; a key that comes to the place of another displaces it.

    So a key is never let in too early, and one that is too rare to be worth a row may wait for longer.

    Args:
        known: keys that wait. Shape `[places, 2]`.
        counts: how often each occurred. Shape `[places]`.
        keys: of this batch. Shape `[n, 2]`.
        candidates: which of them have no row. Shape `[n]`.
        min_count: how often a key must have occurred.

    Returns:
        Which candidates are to get a row, and the new `known` and `counts`.
    """
    places, n = len(known), len(keys)
    order = jnp.lexsort((keys[:, 1], keys[:, 0], ~candidates))
    key, real = keys[order], candidates[order]
    starts = jnp.append(True, (key[1:] != key[:-1]).any(-1) | (real[1:] != real[:-1]))
    number = jnp.cumsum(starts) - 1
    occurred = jnp.zeros(n, jnp.int32).at[number].add(real.astype(jnp.int32))[number]
    # The set of a key comes from its low half: the place comes from both, so that keys of one set wait in different places.
    place = ((key[:, 0].astype(jnp.uint32) ^ (key[:, 1].astype(jnp.uint32) * jnp.uint32(0x9E3779B9))) % places).astype(jnp.int32)
    is_held = (known[place] == key).all(-1)
    total = jnp.where(is_held, counts[place], 0) + occurred
    is_let_in = real & (total >= min_count)
    # Of keys of this batch that come to one place the last stays; one that is let in leaves the place it held.
    writes = real & starts & (is_held | ~is_let_in)
    rank = jnp.arange(1, n + 1, dtype=jnp.int32)
    last = jnp.zeros(places, jnp.int32).at[jnp.where(writes, place, places)].max(rank, mode="drop")
    at = jnp.where(writes & (last[place] == rank), place, places)
    known = known.at[at].set(jnp.where(is_let_in[:, None], 0, key), mode="drop")
    counts = counts.at[at].set(jnp.where(is_let_in, 0, total), mode="drop")
    return jnp.zeros(n, bool).at[order].set(is_let_in), known, counts


@functools.partial(jax.jit, static_argnames=("evict_by_age", "is_same_step"))
def _learn(
    known: jax.Array, counts: jax.Array, seen: jax.Array, steps: jax.Array, keys: jax.Array, candidates: jax.Array, found: jax.Array,
    *, evict_by_age: bool, is_same_step: bool = False,
) -> tuple[jax.Array, ...]:  # fmt: skip
    """Rows for the candidates, keys that have none, and what the vocabulary then is.

    Returns:
        `found`, which of the rows had another owner, and the new `known`, `counts`, `seen`, `steps`.
    """
    rows = len(known)
    now = steps if is_same_step else steps + 1
    seen = seen.at[_or_drop(found, rows)].set(now, mode="drop")
    # The first newcomers, grouped by set and key; each group's first member stands for it.
    at = jnp.nonzero(candidates, size=min(len(keys), _MOST_NEWCOMERS), fill_value=len(keys))[0]
    real = at < len(keys)
    new = keys[jnp.minimum(at, len(keys) - 1)]
    set_of = jnp.where(real, _set_of(new, rows // WAYS), rows // WAYS)
    order = jnp.lexsort((new[:, 1], new[:, 0], set_of))
    at, real, new, set_of = at[order], real[order], new[order], set_of[order]
    starts_set = jnp.append(True, set_of[1:] != set_of[:-1])
    starts_key = jnp.append(True, (new[1:] != new[:-1]).any(-1)) | starts_set
    number = jnp.cumsum(starts_key) - 1
    rank = number - jax.lax.cummax(jnp.where(starts_set, number, 0))
    # The weakest row of the set goes first; rows of this batch stay.
    ways = jnp.minimum(set_of, rows // WAYS - 1)[:, None] * WAYS + jnp.arange(WAYS, dtype=jnp.int32)
    is_free = (known[ways] == 0).all(-1)
    strength, tie = (seen[ways], counts[ways]) if evict_by_age else (counts[ways], seen[ways])
    strength = jnp.where(is_free, -1, jnp.where(seen[ways] == now, _NEVER, strength))
    weakest_first = jnp.lexsort((tie, strength), axis=-1)
    way = jnp.take_along_axis(weakest_first, jnp.minimum(rank, WAYS - 1)[:, None], axis=1)
    row = jnp.take_along_axis(ways, way, axis=1)[:, 0]
    is_given = real & (rank < WAYS) & (jnp.take_along_axis(strength, way, axis=1)[:, 0] != _NEVER)
    first = _or_drop(jnp.where(is_given & starts_key, row, -1), rows)
    known = known.at[first].set(new, mode="drop")
    counts = counts.at[first].set(0, mode="drop")
    seen = seen.at[first].set(now, mode="drop")
    at = jnp.where(is_given, at, len(keys))
    found = found.at[at].set(row.astype(found.dtype), mode="drop")
    had_owner = ~jnp.take_along_axis(is_free, way, axis=1)[:, 0]
    taken_over = jnp.zeros(len(keys), bool).at[at].set(had_owner, mode="drop")
    counts = counts.at[_or_drop(found, rows)].add(1, mode="drop")
    return found, taken_over, known, counts, seen, now


def _or_drop(rows: jax.Array, size: int) -> jax.Array:
    """Rows to write to: -1, which would mean the last one, becomes one past the end."""
    return jnp.where(rows < 0, size, rows)


def categorical_column_with_dynamic_vocabulary(
    key: str, capacity: int, dtype: Any = "string", evict: str = "count", num_oov_buckets: int = 0, min_count: int = 1
) -> DynamicVocabularyColumn:
    """A categorical column whose vocabulary is learned while training.

    A value that is not known gets a free row of the table; if its set of 8 rows is full, that of the value that is rarest or was not seen
    longest. Its weights then start anew: at the initial value in a fresh row, at zero in one taken over (an optimizer's slots of that
    row are kept). In evaluation and prediction nothing is learned. Each layer learns a vocabulary of its own, saved with its weights,
    as 64-bit fingerprints; columns of `shared_embeddings` learn one together. Give a capacity of 1.5 times the values you expect at a time: sets fill unevenly.

    Args:
        key: name of the feature.
        capacity: number of rows, rounded up to a multiple of 8.
        dtype: `"string"` or an integer type.
        evict: `"count"`, the rarest value of a full set goes, or `"age"`, the one not seen longest.
        num_oov_buckets: rows after these that values without a row are hashed to; 0 drops such values.
        min_count: a value gets a row once it occurred so often in training, so that the many that occur once or twice push no others
            out. Until then it counts as one without a row. Values that wait are remembered in four places for each row; where they
            crowd, one displaces another, whose count starts anew.

    Raises:
        ValueError: if a size is below its minimum, or `evict` is something else.

    Example:
        >>> from estimax import feature_columns as fc
        >>> users = fc.categorical_column_with_dynamic_vocabulary("user", capacity=1000)
        >>> layer = fc.DenseFeatures([fc.embedding_column(users, 2)])
        >>> layer({"user": ["ann", "bob"]}).tolist()  # not known yet
        [[0.0, 0.0], [0.0, 0.0]]
        >>> known = layer({"user": ["ann", "bob"]}, training=True)
        >>> bool((layer({"user": ["bob", "ann"]}) == known[::-1]).all()), bool((known != 0).all())
        (True, True)
    """
    return DynamicVocabularyColumn(key, capacity, dtype, evict, num_oov_buckets, min_count)
