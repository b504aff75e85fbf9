"""`dataset.explain()`: the plan of a chain, with rows a second and waiting time measured for every step."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from estimax.data.collate import block_rows
from estimax.data.node import BlockCursor, Context, Cursor, Node
from estimax.data.prefetch import PrefetchNode
from estimax.data.structure import flatten


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of a chain, measured.

    Args:
        text: what it does.
        depth: how many steps follow it.
        elements: handed out while measuring.
        rows: the same, batches counted by their rows.
        seconds: spent in it and everything before it.
        own_seconds: spent in it alone.
        planned: whether it is index arithmetic over columns in memory.
    """

    text: str
    depth: int
    elements: int
    rows: int
    seconds: float
    own_seconds: float
    planned: bool

    @property
    def waiting_seconds(self) -> float:
        """Spent waiting for the steps before it."""
        return self.seconds - self.own_seconds


@dataclasses.dataclass(frozen=True)
class Plan:
    """The measured steps of a chain, from its end to its sources; print it."""

    stages: tuple[Stage, ...]
    consumer_seconds: float | None

    @property
    def rows_per_second(self) -> float:
        """Rows that the whole chain gives a second."""
        last = self.stages[0]
        return last.rows / last.seconds if last.seconds > 0 else float("inf")

    def __str__(self) -> str:
        total = self.stages[0].seconds or 1e-12
        lines = [f"{'step':<58} {'rows/s':>12} {'own time':>9} {'waiting':>8}  how"]
        for stage in self.stages:
            speed = f"{stage.rows / stage.seconds:,.0f}" if stage.seconds > 0 and stage.rows else "-"
            how = "index arithmetic" if stage.planned else ""
            own, waiting = stage.own_seconds / total, stage.waiting_seconds / total
            lines.append(f"{'  ' * stage.depth + stage.text:<58.58} {speed:>12} {own:>9.0%} {waiting:>8.0%}  {how}")
        slowest = max(self.stages, key=lambda s: s.own_seconds)
        lines.append(f"slowest step: {slowest.text}")
        if self.consumer_seconds is not None:
            per = total / max(self.stages[0].elements, 1)
            side = "input" if per > self.consumer_seconds else "device"
            lines.append(
                f"bottleneck: the {side} (input {per * 1e3:.3f} ms an element, consumer {self.consumer_seconds * 1e3:.3f} ms)"
            )
        return "\n".join(lines)


class _Meter:
    """Counts and times one step."""

    def __init__(self, node: Node, depth: int, planned: bool):
        self.node, self.depth, self.planned = node, depth, planned
        self.elements = self.rows = 0
        self.seconds = 0.0
        self.below: list[_Meter] = []


class _TimedNode(Node):
    """A step whose cursor is timed; its inputs are timed steps too."""

    def __init__(self, node: Node, meter: _Meter):
        self._inner, self._meter = node, meter
        self.inputs = node.inputs

    def open(self, context: Context) -> Cursor:
        cursor = self._inner.open(context)
        if isinstance(cursor, BlockCursor):
            return _TimedBlocks(cursor, self._meter)
        return _TimedCursor(cursor, self._meter)

    def spec(self) -> Any:
        return self._inner.spec()

    def cardinality(self) -> int:
        return self._inner.cardinality()

    def indexed(self, context: Context) -> Any:
        return self._inner.indexed(context)


class _TimedCursor(Cursor):
    def __init__(self, cursor: Cursor, meter: _Meter):
        self._cursor, self._meter = cursor, meter

    def next(self) -> Any:
        start = time.perf_counter()
        try:
            element = self._cursor.next()
        finally:
            self._meter.seconds += time.perf_counter() - start
        self._meter.elements += 1
        self._meter.rows += _rows(element)
        return element

    def state(self) -> Any:
        return self._cursor.state()

    def restore(self, state: Any) -> None:
        self._cursor.restore(state)

    def close(self) -> None:
        self._cursor.close()


class _TimedBlocks(BlockCursor):
    def __init__(self, cursor: BlockCursor, meter: _Meter):
        super().__init__()
        self._cursor, self._meter = cursor, meter

    def _block(self, limit: int) -> Any:
        start = time.perf_counter()
        try:
            block = self._cursor.block(limit)
        finally:
            self._meter.seconds += time.perf_counter() - start
        rows = block_rows(block)
        self._meter.elements += rows
        self._meter.rows += rows
        return block

    def _state(self) -> Any:
        return self._cursor.state()

    def _restore(self, state: Any) -> None:
        self._cursor.restore(state)

    def close(self) -> None:
        self._cursor.close()


def _rows(element: Any) -> int:
    leaf: Any = next(iter(flatten(element)), None)
    return len(leaf) if getattr(leaf, "ndim", 0) or hasattr(leaf, "is_estimax_value") and hasattr(leaf, "__len__") else 1


def _timed(node: Node, depth: int, meters: list[_Meter]) -> tuple[Node, _Meter]:
    planned = node.indexed(Context(seed=0)) is not None
    meter = _Meter(node, depth, planned)
    meters.append(meter)
    if planned:  # one gather does the work of this step and of all before it
        for below in node.inputs:
            meter.below.append(_untimed(below, depth + 1, meters))
        return _TimedNode(node, meter), meter
    copy = _copy(node, depth, meter, meters)
    return _TimedNode(copy, meter), meter


def _untimed(node: Node, depth: int, meters: list[_Meter]) -> _Meter:
    meter = _Meter(node, depth, True)
    meters.append(meter)
    for below in node.inputs:
        _untimed(below, depth + 1, meters)
    return meter


def _copy(node: Node, depth: int, meter: _Meter, meters: list[_Meter]) -> Node:
    """The step over timed inputs."""
    replaced: dict[int, Node] = {}
    for below in node.inputs:
        replaced[id(below)], below_meter = _timed(below, depth + 1, meters)
        meter.below.append(below_meter)
    return _with_inputs(node, replaced)


def _with_inputs(node: Node, replaced: dict[int, Node]) -> Node:
    """A copy of a step in which every attribute that is an input is replaced."""
    copy = object.__new__(type(node))
    copy.__dict__.update(node.__dict__)
    for key, value in node.__dict__.items():
        if isinstance(value, Node):
            setattr(copy, key, replaced.get(id(value), value))
        elif isinstance(value, list | tuple) and any(isinstance(v, Node) for v in value):
            setattr(copy, key, type(value)(replaced.get(id(v), v) for v in value))
    return copy


def explain(node: Node, seed: int, elements: int, seconds: float, consumer_seconds: float | None) -> Plan:
    """Runs a chain for a while and says where the time went. Steps that prefetch are run without their thread."""
    meters: list[_Meter] = []
    timed, _ = _timed(_without_prefetch(node), 0, meters)
    cursor = timed.open(Context(seed=seed))
    start = time.perf_counter()
    try:
        for _ in range(elements):
            cursor.next()
            if time.perf_counter() - start > seconds:
                break
    except StopIteration:
        pass
    finally:
        cursor.close()
    stages = []
    for meter in meters:
        own = max(0.0, meter.seconds - sum(below.seconds for below in meter.below))
        stages.append(Stage(_text(meter.node), meter.depth, meter.elements, meter.rows, meter.seconds, own, meter.planned))
    return Plan(tuple(stages), consumer_seconds)


def _text(node: Node) -> str:
    return node.describe() if node.label is None else f"{node.label}: {node.describe()}"


def _without_prefetch(node: Node) -> Node:
    while isinstance(node, PrefetchNode):
        node = node.source
    return _with_inputs(node, {id(below): _without_prefetch(below) for below in node.inputs}) if node.inputs else node
