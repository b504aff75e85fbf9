"""Layers and functions that make one array of several."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import shape_error
from estimax.layers.normalization import unit_length


class _Merge(Layer):
    """Checks the list of inputs and makes their ranks equal; a subclass says how two of them become one."""

    # How many inputs are allowed; None for any number from 1.
    exactly: int | None = None

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """One array of several of one rank; each has a mask of that rank, or None."""
        raise TypeError(f"{type(self).__name__} does not implement merge(arrays, masks).")

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        shapes = _shapes(self, input_shape)
        if self.exactly is not None and len(shapes) != self.exactly:
            raise shape_error(self, f"a list of exactly {self.exactly} inputs", shapes)
        self._check(shapes)

    def _check(self, shapes: list[tuple]) -> None:
        self._check_rows(shapes)
        rank = max(map(len, shapes))
        for axis in range(1, rank):
            # Rows are aligned, and so are the last axes: missing ones are put in after the batch axis.
            sizes = {s[axis - rank] for s in shapes if len(s) > rank - axis} - {None, 1}
            if len(sizes) > 1:
                raise shape_error(self, f"equal sizes (or 1) on axis {axis}", shapes)

    def _check_rows(self, shapes: list[tuple]) -> None:
        if len({s[0] for s in shapes if s} - {None}) > 1:
            raise shape_error(self, "inputs of one batch size", shapes)

    def call(self, inputs: Sequence[jax.Array], mask: Any = None) -> jax.Array:
        """Merges."""
        self._check([x.shape for x in inputs])  # build saw only the first inputs, perhaps without sizes
        rank = max(x.ndim for x in inputs)
        aligned = [x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) for x in inputs]
        masks = [None if m is None else m.reshape(m.shape + (1,) * (rank - m.ndim)) for m in mask or [None] * len(inputs)]
        return self.merge(aligned, masks)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where any input is; none if an input carries none."""
        if mask is None or any(m is None for m in mask):
            return None
        return functools.reduce(jnp.logical_or, mask)


def _shapes(layer: Layer, given: Any) -> list[tuple]:
    """The shapes of a list of inputs."""
    if not isinstance(given, (list, tuple)) or not given or not all(isinstance(s, (list, tuple)) for s in given):
        raise shape_error(layer, "a list of inputs", given, "Pass one list: layer([a, b]).")
    return [tuple(s) for s in given]


@register("keras.layers")
class Add(_Merge):
    """The sum of a list of arrays.

    Example:
        >>> import jax.numpy as jnp
        >>> Add()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
        [3.0]

    Reference: keras.layers.Add.
    """

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Adds."""
        return functools.reduce(operator.add, arrays)


@register("keras.layers")
class Subtract(_Merge):
    """The first of two arrays minus the second.

    Example:
        >>> import jax.numpy as jnp
        >>> Subtract()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
        [-1.0]

    Reference: keras.layers.Subtract.
    """

    exactly = 2

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Subtracts."""
        return arrays[0] - arrays[1]


@register("keras.layers")
class Multiply(_Merge):
    """The product of a list of arrays, element by element.

    Example:
        >>> import jax.numpy as jnp
        >>> Multiply()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
        [6.0]

    Reference: keras.layers.Multiply.
    """

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Multiplies; a masked element counts as 1, and the product is 0 where all are masked."""
        ones = [x if m is None else jnp.where(m, x, jnp.ones((), x.dtype)) for x, m in zip(arrays, masks)]
        y = functools.reduce(operator.mul, ones)
        if any(m is None for m in masks):
            return y
        return jnp.where(functools.reduce(jnp.logical_or, masks), y, jnp.zeros((), y.dtype))


@register("keras.layers")
class Average(_Merge):
    """The mean of a list of arrays, element by element.

    Example:
        >>> import jax.numpy as jnp
        >>> Average()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
        [1.5]

    Reference: keras.layers.Average.
    """

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Averages."""
        return functools.reduce(operator.add, arrays) / len(arrays)


def _among_unmasked(choose: Callable, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
    """Chooses between elements, where one that is masked leaves the choice to the other; the first if both are."""
    y, valid = arrays[0], masks[0]
    for x, mask in zip(arrays[1:], masks[1:]):
        if mask is not None:
            x = jnp.where(mask, x, y)
        if valid is not None:
            y = jnp.where(valid, y, x)
        y = choose(y, x)
        valid = None if mask is None or valid is None else jnp.logical_or(valid, mask)
    return y


@register("keras.layers")
class Maximum(_Merge):
    """The largest of a list of arrays, element by element.

    Example:
        >>> import jax.numpy as jnp
        >>> Maximum()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
        [2.0]

    Reference: keras.layers.Maximum.
    """

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Takes the largest of the elements that are not masked."""
        return _among_unmasked(jnp.maximum, arrays, masks)


@register("keras.layers")
class Minimum(_Merge):
    """The smallest of a list of arrays, element by element.

    Example:
        >>> import jax.numpy as jnp
        >>> Minimum()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
        [1.0]

    Reference: keras.layers.Minimum.
    """

    def merge(self, arrays: list[jax.Array], masks: list[Any]) -> jax.Array:
        """Takes the smallest of the elements that are not masked."""
        return _among_unmasked(jnp.minimum, arrays, masks)


@register("keras.layers")
class Concatenate(_Merge):
    """A list of arrays, joined along an axis; the other axes must be equal.

    Args:
        axis: along which they are joined.

    Raises:
        ValueError: if another axis differs.

    Example:
        >>> import jax.numpy as jnp
        >>> Concatenate()([jnp.ones((2, 3)), jnp.ones((2, 1))]).shape
        (2, 4)

    Reference: keras.layers.Concatenate.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise ValueError(f"Concatenate: axis: given {axis!r}, expected an integer.")
        self.axis = axis

    def _check(self, shapes: list[tuple]) -> None:
        rank = len(shapes[0])
        if any(len(s) != rank for s in shapes) or not -rank <= self.axis < rank:
            raise shape_error(self, f"inputs of one rank with an axis {self.axis}", shapes)
        for axis in range(rank):
            if axis != self.axis % rank and len({s[axis] for s in shapes} - {None}) > 1:
                raise shape_error(self, f"equal sizes on axis {axis}, as only axis {self.axis} is joined", shapes)

    def call(self, inputs: Sequence[jax.Array], mask: Any = None) -> jax.Array:
        """Joins."""
        self._check([x.shape for x in inputs])
        return jnp.concatenate(inputs, self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks joined in the same way, or True where any is if features are joined; an input without one counts as all True."""
        if mask is None or all(m is None for m in mask):
            return None
        rank = inputs[0].ndim
        axis = self.axis % rank
        depth = max(m.ndim for m in mask if m is not None)
        whole = [
            jnp.ones(x.shape[:depth], bool) if m is None else m.reshape(m.shape + (1,) * (depth - m.ndim))
            for x, m in zip(inputs, mask)
        ]
        if axis < depth:
            return jnp.concatenate([jnp.broadcast_to(m, x.shape[:depth]) for x, m in zip(inputs, whole)], axis)
        return functools.reduce(jnp.logical_or, whole)


@register("keras.layers")
class Dot(_Merge):
    """Products of two arrays, summed along an axis of each, row by row.

    Args:
        axes: the axis of both, or one for each; the batch axis 0 is not allowed.
        normalize: whether vectors are scaled to length 1 before, which gives their cosine.

    Raises:
        ValueError: if the sizes of the two axes differ.

    Example:
        >>> import jax.numpy as jnp
        >>> Dot(axes=1)([jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0]])]).tolist()
        [[11.0]]

    Reference: keras.layers.Dot.
    """

    exactly = 2

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = [axes] if isinstance(axes, int) else list(axes) if isinstance(axes, (list, tuple)) else []
        if not pair or len(pair) > 2 or any(not isinstance(a, int) for a in pair) or 0 in pair:
            raise ValueError(f"Dot: axes: given {axes!r}, expected an integer or two; 0 is the batch and not allowed.")
        self.axes = axes if isinstance(axes, int) else pair
        self.normalize = normalize

    def _pair(self, ranks: Sequence[int]) -> tuple[int, int]:
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else (self.axes[0], self.axes[-1])
        return pair[0] % ranks[0], pair[1] % ranks[1]

    def _check(self, shapes: list[tuple]) -> None:
        self._check_rows(shapes)
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else (self.axes[0], self.axes[-1])
        if any(not -len(s) <= a < len(s) or len(s) < 2 for a, s in zip(pair, shapes)):
            raise shape_error(self, f"inputs with the axes {pair}", shapes)
        first, second = (s[a] for a, s in zip(pair, shapes))
        if None not in (first, second) and first != second:
            raise shape_error(self, f"equal sizes on the axes {pair}", shapes)

    def call(self, inputs: Sequence[jax.Array], mask: Any = None) -> jax.Array:
        """Multiplies and sums."""
        self._check([x.shape for x in inputs])
        a, b = inputs
        axis_a, axis_b = self._pair((a.ndim, b.ndim))
        if self.normalize:
            a, b = unit_length(a, axis_a), unit_length(b, axis_b)
        y = jax.lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((0,), (0,))))
        return y[:, None] if y.ndim == 1 else y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The output carries no mask."""
        return None


def _as_function(layer: type[_Merge]) -> Callable[..., Any]:
    """The function form: makes the layer and calls it."""

    def function(inputs: Sequence[Any], **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    name = layer.__name__.lower()
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""`{layer.__name__}(**kwargs)(inputs)`: {(layer.__doc__ or "").splitlines()[0]}

    Args:
        inputs: a list of arrays or symbolic tensors.
        kwargs: of `layers.{layer.__name__}`.

    Returns:
        One array or symbolic tensor.

    Reference: keras.layers.{name}.
    """
    return function


add = _as_function(Add)
subtract = _as_function(Subtract)
multiply = _as_function(Multiply)
average = _as_function(Average)
maximum = _as_function(Maximum)
minimum = _as_function(Minimum)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis)(inputs)`: a list of arrays, joined along an axis.

    Args:
        inputs: a list of arrays or symbolic tensors.
        axis: along which they are joined.
        kwargs: of `layers.Concatenate`.

    Returns:
        One array or symbolic tensor.

    Example:
        >>> import jax.numpy as jnp
        >>> concatenate([jnp.ones((2, 3)), jnp.ones((2, 1))]).shape
        (2, 4)

    Reference: keras.layers.concatenate.
    """
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """`Dot(axes)(inputs)`: products of two arrays, summed along an axis of each.

    Args:
        inputs: two arrays or symbolic tensors.
        axes: the axis of both, or one for each.
        kwargs: of `layers.Dot`.

    Returns:
        One array or symbolic tensor.

    Example:
        >>> import jax.numpy as jnp
        >>> dot([jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0]])]).tolist()
        [[11.0]]

    Reference: keras.layers.dot.
    """
    return Dot(axes, **kwargs)(inputs)
