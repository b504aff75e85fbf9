"""Input: where a functional model begins."""

from __future__ import annotations

from typing import Any

from estimax.core import current_frame, register, standardize_dtype
from estimax.layers.base import Layer
from estimax.layers.symbolic import KerasTensor, Node


@register("keras.layers")
class InputLayer(Layer):
    """The layer behind `Input`; gives back what it is given.

    Args:
        shape: without the batch axis.
        batch_size: size of the batch axis; any by default.
        dtype: of the values; `"string"` for host strings.
        sparse, ragged: only False, as estimax's layers take dense arrays.
        batch_shape: the shape with the batch axis, instead of `shape`.
        name: of the input.
        optional: whether None may be passed for this input.

    Attributes:
        output: the symbolic tensor.

    Raises:
        ValueError: if both or neither of `shape` and `batch_shape` are given.

    Reference: keras.layers.InputLayer.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        batch_shape: Any = None,
        name: str | None = None,
        optional: bool = False,
    ):
        super().__init__(name=name)
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                f"Input: given shape={shape!r} and batch_shape={batch_shape!r}, expected exactly one. Pass shape=(features,), without "
                "the batch axis."
            )
        if sparse or ragged:
            raise ValueError("Input: sparse and ragged: expected False. Use feature columns for sparse and ragged values.")
        if shape is not None:
            batch_shape = (batch_size, *((shape,) if isinstance(shape, int) else shape))
        elif batch_size is not None:
            raise ValueError("Input: batch_size: expected only with shape=; batch_shape already has the batch axis.")
        self.batch_shape = tuple(None if d is None else int(d) for d in batch_shape)
        self.input_dtype = standardize_dtype(dtype)
        self.optional = optional
        self.built = True
        frame = current_frame()
        tensor_name = self.name if name is not None else "keras_tensor"
        if name is None and frame is not None and frame.naming:
            tensor_name = frame.unique_name(tensor_name)
        self.output = KerasTensor(self.batch_shape, self.input_dtype, name=tensor_name)
        node = Node(self, (), {})
        node.outputs = self.output
        self.output.node = node
        self.nodes.append(node)

    @property
    def dtype(self) -> str:
        """The type of the values."""
        return self.input_dtype

    def call(self, inputs: Any = None) -> Any:
        """Gives the input back."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The arguments of `Input`."""
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.input_dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(  # noqa: N802 (Keras's name)
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """A symbolic tensor for one input of a functional model.

    Args:
        shape: without the batch axis; None for axes of any size.
        batch_size: size of the batch axis; any by default.
        dtype: of the values; `"string"` for host strings.
        sparse: only False.
        batch_shape: the shape with the batch axis, instead of `shape`.
        name: of the input, for dicts of inputs.
        tensor: a symbolic tensor to give back as it is.
        optional: whether None may be passed for this input.

    Returns:
        A `KerasTensor` of shape `[batch, *shape]`.

    Raises:
        ValueError: if both or neither of `shape` and `batch_shape` are given.

    Example:
        >>> Input((3,), name="x")
        <KerasTensor shape=(None, 3), dtype=float32, name=x>

    Reference: keras.Input.
    """
    if tensor is not None:
        return tensor
    return InputLayer(
        shape, batch_size=batch_size, dtype=dtype, sparse=sparse, batch_shape=batch_shape, name=name, optional=optional
    ).output
