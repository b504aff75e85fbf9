"""Axes rearranged by a pattern such as `"b (h w) c -> b h w c"`."""

from __future__ import annotations

import math
import re
from typing import Any

import jax

from estimax.core import errors
from estimax.layers.operation import as_array, make_operation
from estimax.layers.symbolic import symbolic_leaves


def _groups(side: str) -> list[list[str]]:
    """The axes of one side of a pattern; those in parentheses are one group."""
    if not re.fullmatch(r"\s*(?:(?:\w+|\((?:\s*\w+)*\s*\))\s*)*", side):
        raise ValueError(
            f"ops.rearrange: pattern: can't read {side!r}. Write names of axes, and parentheses around those that are one."
        )
    return [part.strip("()").split() for part in re.findall(r"\([^)]*\)|\w+", side)]


def _rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> jax.Array:
    x = as_array(tensor)
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ValueError(f"ops.rearrange: pattern: given {pattern!r}, expected 'axes -> axes'.")
    before, after = _groups(left), _groups(right)
    names = [n for group in before for n in group]
    if sorted(names) != sorted(n for group in after for n in group) or len(set(names)) != len(names):
        raise ValueError(f"ops.rearrange: pattern: given {pattern!r}, expected each axis once on either side.")
    if len(before) != x.ndim:
        raise errors.ShapeError(f"ops.rearrange: given shape {x.shape}, expected {len(before)} axes, as in {left.strip()!r}.")
    sizes: dict[str, int] = dict(axes_lengths)
    for group, size in zip(before, x.shape):
        unknown = [n for n in group if n not in sizes]
        known = math.prod(sizes[n] for n in group if n in sizes)
        if len(unknown) > 1 or size % known or (not unknown and size != known):
            raise errors.ShapeError(
                f"ops.rearrange: an axis of size {size} can't be {' x '.join(group)} with {axes_lengths}. Pass the sizes of all but one."
            )
        if unknown:
            sizes[unknown[0]] = size // known
    apart = x.reshape([sizes[n] for n in names])
    ordered = apart.transpose([names.index(n) for group in after for n in group])
    return ordered.reshape([math.prod(sizes[n] for n in group) for group in after])


_REARRANGE = make_operation("keras.src.ops.einops", "Rearrange", _rearrange, tensors=None, options={})


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> jax.Array:
    """An array whose axes are put in another order, taken apart or joined.

    Args:
        tensor: an array.
        pattern: names of axes before and after, `"b (h w) c -> b h w c"`; parentheses hold axes that are one.
        **axes_lengths: sizes of axes that are taken apart, all but one.

    Raises:
        ValueError: if the pattern can't be read, or does not fit the shape.

    Example:
        >>> from estimax import ops
        >>> ops.rearrange(ops.ones((2, 6, 3)), "b (h w) c -> b w (h c)", h=2).shape
        (2, 3, 6)

    Reference: keras.ops.rearrange; Rogozhnikov, "Einops", 2022.
    """
    if symbolic_leaves(tensor):
        return _REARRANGE()(tensor, pattern, **axes_lengths)
    return _rearrange(tensor, pattern, **axes_lengths)
