"""Layers that compute nothing or little: Identity, Lambda, Masking, ActivityRegularization."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.core.identifiers import function_config
from estimax.layers.base import Layer
from estimax.layers.symbolic import KerasTensor
from estimax.regularizers import L1L2


@register("keras.layers")
class Identity(Layer):
    """Gives back what it is given.

    Example:
        >>> import jax.numpy as jnp
        >>> Identity()(jnp.array([1.0])).tolist()
        [1.0]

    Reference: keras.layers.Identity.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Gives the input back."""
        return inputs


@register("keras.layers")
class Masking(Layer):
    """Marks steps of a sequence as absent: those whose features all equal a value. They are set to zero.

    Args:
        mask_value: the value that means absence.

    Inputs `[batch, steps, features]`; the output carries a mask `[batch, steps]`.

    Example:
        >>> import jax.numpy as jnp
        >>> Masking(mask_value=9.0)(jnp.array([[[9.0], [1.0]]])).tolist()
        [[[0.0], [1.0]]]

    Reference: keras.layers.Masking.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def call(self, inputs: jax.Array) -> jax.Array:
        """Sets absent steps to zero."""
        return inputs * jnp.any(inputs != self.mask_value, -1, keepdims=True).astype(inputs.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> jax.Array:
        """True for steps that are there; a mask of the input is replaced."""
        return jnp.any(jnp.asarray(inputs) != self.mask_value, -1)


@register("keras.layers")
class ActivityRegularization(Layer):
    """Gives back its input, and adds a penalty on it to the loss.

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.

    Example:
        >>> import jax.numpy as jnp
        >>> layer = ActivityRegularization(l1=0.5)
        >>> _ = layer(jnp.array([[2.0]]))
        >>> [float(x) for x in layer.losses]
        [1.0]

    Reference: keras.layers.ActivityRegularization.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Gives the input back."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}


@register("keras.layers")
class Lambda(Layer):
    """Any function as a layer.

    Args:
        function: of the input; may accept `mask` and `training`.
        output_shape: unused sizes need not be given: the output's shape is found by tracing. A tuple without the batch axis, or a
            function of the input's shape, overrides it for symbolic inputs.
        mask: the output's mask, or a function of input and mask that gives it.
        arguments: further keyword arguments of the function.

    A function made by `def` is saved by its name and found again through `custom_objects`; the code itself is never saved.

    Raises:
        ValueError: if `function` is not callable.

    Example:
        >>> import jax.numpy as jnp
        >>> Lambda(lambda x: x * 2)(jnp.array([1.0])).tolist()
        [2.0]

    Reference: keras.layers.Lambda.
    """

    def __init__(
        self,
        function: Callable,
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(function, dict):
            raise ValueError(
                f"Lambda: the config names the function {function.get('config')!r}, but holds no code that estimax would run. Pass it: "
                "custom_objects={name: the_function}."
            )
        if not callable(function):
            raise ValueError(f"Lambda: function: given {function!r}, expected a function.")
        self.function = function
        self.output_shape = tuple(output_shape) if isinstance(output_shape, list) else output_shape
        self.mask = mask
        self.arguments = dict(arguments or {})
        if mask is not None:
            self.supports_masking = True
        accepted = inspect.signature(function).parameters if not isinstance(function, type) else {}
        self.passes_mask, self.passes_training = "mask" in accepted, "training" in accepted

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        """Calls the function."""
        options = dict(self.arguments)
        if self.passes_mask:
            options["mask"] = mask
        if self.passes_training:
            options["training"] = training
        return self.function(inputs, **options)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What `mask=` says."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic output: of the shape given, or found by tracing."""
        found = super().compute_output_spec(*args, **kwargs)
        if self.output_shape is None or not isinstance(found, KerasTensor):
            return found
        shape = self.output_shape
        given = args[0].shape if isinstance(args[0], KerasTensor) else None
        full = tuple(shape(given)) if callable(shape) else (None if given is None else given[0], *shape)
        return KerasTensor(full, found.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; functions by their names."""
        return {
            **super().get_config(),
            "function": _function_config(self.function),
            "arguments": self.arguments,
            "output_shape": _function_config(self.output_shape) if callable(self.output_shape) else self.output_shape,
            "mask": _function_config(self.mask) if callable(self.mask) else self.mask,
        }


def _function_config(function: Any) -> dict[str, Any]:
    if getattr(function, "__name__", "<lambda>") == "<lambda>":
        raise ValueError(
            "Lambda: an anonymous function can't be saved, since only names are written. Give it a name with `def`, or write a "
            "Layer class."
        )
    return function_config(function)
