"""Masks on their way through a call: which arguments get them, and which outputs carry them."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import Frame, is_plain_dict
from estimax.layers.signature import CallInfo


def fill_masks(frame: Frame, info: CallInfo, args: tuple, kwargs: dict[str, Any], given_first: Any) -> Any:
    """Passes the masks that this call's arrays carry to `mask` and `<argument>_mask`; gives that of the first argument.

    Args:
        frame: of the call; it knows which arrays carry masks.
        info: what `call` accepts.
        args: of `call`, cast.
        kwargs: of `call`; masks are added here.
        given_first: the first argument before it was cast, as masks are known by the array.
    """
    first = _mask_tree(frame, given_first)
    if all(m is None for m in jax.tree.leaves(first, is_leaf=lambda m: m is None)):
        first = None
    if info.mask and "mask" not in kwargs and first is not None and "mask" not in info.names[: len(args)]:
        kwargs["mask"] = first
    for argument, mask_name in info.masks:
        position = info.names.index(argument)
        value = args[position] if position < len(args) else kwargs.get(argument)
        if value is not None and kwargs.get(mask_name) is None:
            found = frame.mask_of(given_first if position == 0 else value)
            if found is not None:
                kwargs[mask_name] = found
    return kwargs["mask"] if info.mask and kwargs.get("mask") is not None else first


def _mask_tree(frame: Frame, x: Any) -> Any:
    if is_plain_dict(x):
        return {k: _mask_tree(frame, v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_mask_tree(frame, v) for v in x]
    return frame.mask_of(x)


def attach_masks(frame: Frame, masks: Any, out: Any) -> None:
    """Lets outputs carry masks: one for the first output, or a list for all."""
    if masks is None:
        return
    for array, mask in zip(jax.tree.leaves(out), masks if isinstance(masks, (list, tuple)) else [masks]):
        if mask is not None:
            frame.set_mask(array, mask)
