"""The Frame: one context-local dictionary path -> array that stands in for the variables' values during one pure call."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from estimax.core.errors import TracerLeakError, UnboundVariableError
from estimax.core.names import first_free
from estimax.core.shared import shared_variable

# One of the two mutable module variables of estimax (the other is the eager seed): the frame that is open here.
_current: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("estimax_frame", default=None)


def current_frame() -> Frame | None:
    """The open frame of this thread and context, or None."""
    return _current.get()


def trace_state() -> Any:
    """An opaque token of the JAX transformation that is running; equal tokens mean the same one.

    The only use of this semi-public function of JAX.
    """
    return get_opaque_trace_state(convention="estimax")


@dataclasses.dataclass(frozen=True)
class Lookup:
    """One look-up of rows found by an abstract pass: table path, number of ids, width; `inner` if inside a scan or vmap.

    `is_merged` is that of `RowGradient.lookups`.
    """

    path: str
    size: int
    width: int
    dtype: Any
    inner: bool
    is_merged: bool = False


class Frame:
    """Stands in for variables' values during one pure call.

    Three uses: binding given variables to given arrays (`values` and `bindings`), recording or finding the variables that
    a `model_fn` creates (`creates="record"` / `"find"`), and, with no values at all, one eager call of nested layers
    (`Frame.eager`), where variables keep their own arrays and the frame only carries `training`, masks and scopes.

    Args:
        values: arrays by path. Writes go to a copy, `frame.values`.
        bindings: path of each variable, by `id(variable)`; the caller keeps the variables alive.
        key: random key from which `next_key` folds.
        training: what layers see when `training` is not passed to them.
        creates: what a new Variable does: `"own"` keeps its array, `"record"` puts its initial value under its path into
            `values`, `"find"` takes the value under its path.
        naming: whether layers created inside get counted names (`dense`, `dense_1`).
        row_mask: bool `[batch]`, False for rows that only pad the batch; None if there are none.
        host: the host values of this call, see `core.host`.
        deltas: zero arrays added to looked-up rows, in order of look-up, to differentiate by rows.
        row_tables: paths of tables whose look-ups take a delta.
        kinds: `"params"`, `"state"` or `"metrics"` by path, of the bound variables; those created inside add theirs.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.core import Variable
        >>> v = Variable(jnp.ones(2), name="v")
        >>> with Frame({"v": jnp.zeros(2)}, {id(v): "v"}) as frame:
        ...     v.assign(v.value + 5)
        >>> frame.values["v"].tolist(), v.value.tolist()
        ([5.0, 5.0], [1.0, 1.0])
    """

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        bindings: Mapping[int, str] | None = None,
        *,
        key: jax.Array | None = None,
        training: bool | None = None,
        creates: str = "own",
        naming: bool = False,
        row_mask: jax.Array | None = None,
        host: Any = None,
        deltas: list[jax.Array] | None = None,
        row_tables: frozenset[str] = frozenset(),
        kinds: Mapping[str, str] | None = None,
    ):
        self.values: dict[str, Any] = dict(values or {})
        self.bindings: dict[int, str] = dict(bindings or {})
        self.key = key
        self.training = training
        self.creates = creates
        self.naming = naming
        self.row_mask = row_mask
        self.host = host
        self.deltas = deltas
        self.row_tables = row_tables
        self.kinds: dict[str, str] = dict(kinds or {})
        self.initial: dict[str, Any] = {}  # path -> first value, of variables recorded here
        self.step: Any = None  # number of the training step, inside one
        self.created: dict[str, Any] = {}  # path -> Variable; also keeps ids of bound variables from being reused
        self.written: set[str] = set()
        self.losses: list[Any] = []
        self.lookups: list[Lookup] = []
        self.lookup_ids: list[jax.Array] = []
        self.dense_reads: set[str] = set()
        self.autocast: str | None = None  # dtype in which layers read float variables, for mixed precision
        self.weighted = False  # set by losses and heads that leave out the rows of row_mask
        self.learned: set[int] = set()  # ids of variables that count steps of learning and have counted this one
        self.named: dict[str, Any] = {}
        self.summaries: dict[str, Any] = {}
        self.reuse: bool | str | None = None  # whether variables of the same path are one, see `core.sharing`
        self.sharing: list[Any] = []  # variables that stand for earlier ones; kept, so that their ids stay their own
        self._masks: dict[int, tuple[Any, Any]] = {}
        self._scopes: list[tuple[str, Any]] = []  # name and the layer that opened it, if one did
        self._names: set[str] = set()
        self._keys = 0
        self._tokens: list[contextvars.Token] = []
        self._trace: Any = None

    @classmethod
    def eager(cls, *, training: bool | None = None, naming: bool = False) -> Frame:
        """A frame without values: variables keep their own arrays."""
        return cls(training=training, naming=naming)

    def __enter__(self) -> Frame:
        self._trace = trace_state()
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _current.reset(self._tokens.pop())
        self._masks.clear()

    # -- values -------------------------------------------------------------------------------------------------------

    def read(self, path: str) -> Any:
        """The value at a path now."""
        self.dense_reads.add(path)
        try:
            return self.values[path]
        except KeyError:
            raise UnboundVariableError(
                f'Variable "{path}": this call was given no value for it. Given paths: {sorted(self.values)[:20]}. '
                "Was the layer built after the state was made? Make the state again, or load a checkpoint of this model."
            ) from None

    def write(self, path: str, value: Any) -> None:
        """Sets the value at a path; refused inside an inner scan, vmap, cond or checkpoint."""
        if trace_state() != self._trace:
            raise TracerLeakError(
                f'Variable "{path}": assigned inside a JAX transformation (scan, vmap, cond, checkpoint) that was started '
                "within the pure call; the new value could not leave it. Use estimax.core.scan or estimax.core.remat, "
                "which carry the state of layers through."
            )
        self.written.add(path)
        self.values[path] = value

    def add_variable(self, variable: Any, kind: str, make: Any) -> None:
        """Called by a Variable that is created inside: binds it to its path, recording or finding the value."""
        if self.reuse is not None and (known := shared_variable(self.reuse, variable, self.created)) is not None:
            self.bindings[id(variable)] = known.path
            self.sharing.append(variable)
            return
        path = first_free(variable.path, self.created)
        variable.path = path
        self.created[path] = variable
        self.kinds[path] = kind
        self.bindings[id(variable)] = path
        if self.creates == "record" and path not in self.values:
            # Concrete where the key is, so that no draw has to be compiled, and an evaluation can start from its totals.
            if kind == "metrics" or self.key is not None and not isinstance(self.key, jax.core.Tracer):
                with jax.ensure_compile_time_eval():
                    self.initial[path] = make()
            else:
                self.initial[path] = make()
            self.values[path] = self.initial[path]

    # -- names --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def scope(self, name: str, owner: Any = None) -> Iterator[None]:
        """Prefixes the paths of variables created inside; opening the innermost owner's scope again changes nothing."""
        if owner is not None and self._scopes and self._scopes[-1][1] is owner:
            yield
            return
        self._scopes.append((name, owner))
        try:
            yield
        finally:
            self._scopes.pop()

    @property
    def prefix(self) -> str:
        """The open scopes, joined by slashes and ending in one, or an empty string."""
        return "".join(name + "/" for name, _ in self._scopes)

    def unique_name(self, name: str) -> str:
        """`name`, `name_1`, ... counted in this call."""
        name = first_free(name, self._names)
        self._names.add(name)
        return name

    # -- random keys, masks, losses -----------------------------------------------------------------------------------

    def next_key(self) -> jax.Array:
        """The next random key of this call, folded from its key and a counter."""
        if self.key is None:
            raise ValueError("This call was given no random key. Pass key= to the call that draws random numbers.")
        self._keys += 1
        return jax.random.fold_in(self.key, self._keys - 1)

    def mask_of(self, x: Any) -> Any:
        """The mask that a layer of this call attached to an array, or None."""
        found = self._masks.get(id(x))
        return None if found is None else found[1]

    def set_mask(self, x: Any, mask: Any) -> None:
        """Attaches a mask to an array for the rest of this call."""
        self._masks[id(x)] = (x, mask)  # the array is kept, so that its id stays its own

    @contextlib.contextmanager
    def inner(self, values: Mapping[str, Any], key: jax.Array | None = None) -> Iterator[None]:
        """Takes over other values inside a transformation that carries them (`core.scan`, `core.remat`)."""
        saved = self.values, self.key, self._trace, self.losses, self._keys, self.written
        self.values = {**self.values, **values}
        self.losses, self._trace, self.written = [], trace_state(), set()
        if key is not None:
            self.key, self._keys = key, 0
        try:
            yield
        finally:
            self.values, self.key, self._trace, self.losses, self._keys, self.written = saved


@contextlib.contextmanager
def open_frame() -> Iterator[Frame]:
    """The open frame, or an eager one for the time being."""
    frame = current_frame()
    if frame is not None:
        yield frame
    else:
        with Frame.eager() as frame:
            yield frame


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Prefixes the paths of variables created inside, as `tf.name_scope` does for layers.

    Example:
        >>> from estimax.core import Variable
        >>> with name_scope("tower"):
        ...     v = Variable(1.0, name="scale")
        >>> v.path
        'tower/scale'
    """
    with open_frame() as frame, frame.scope(name):
        yield


def row_mask(*, is_loss: bool = False) -> jax.Array | None:
    """Bool `[batch]`, False for rows that only pad the batch, inside a compiled step; None if there are none.

    A loss or layer that mixes rows must leave out the rows that are False. The engine pads a short batch only where the loss
    does: a loss that asks with `is_loss=True` declares that it leaves them out.
    """
    frame = current_frame()
    if frame is None:
        return None
    frame.weighted = frame.weighted or is_loss
    return frame.row_mask


def row_count(like: Any) -> jax.Array:
    """The number of real rows in the batch of an array `[batch, ...]`, as float32; for losses."""
    mask = row_mask(is_loss=True)
    return jnp.asarray(like.shape[0], jnp.float32) if mask is None else jnp.sum(mask, dtype=jnp.float32)
