"""Pipeline: preprocessing layers one after the other, as one layer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from estimax.core import current_frame, register
from estimax.layers.base import Layer
from estimax.layers.nested import nested_config, nested_layer


@register("keras.layers")
class Pipeline(Layer):
    """Layers one after the other.

    Args:
        layers: in order.
        name: of the pipeline.

    Raises:
        ValueError: if an element is no layer.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import CenterCrop, Rescaling
        >>> Pipeline([CenterCrop(2, 2), Rescaling(0.5)])(jnp.ones((1, 4, 4, 1))).shape
        (1, 2, 2, 1)

    Reference: keras.layers.Pipeline.
    """

    default_training = True

    def __init__(self, layers: Sequence[Layer], name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        for layer in layers:
            if not isinstance(layer, Layer):
                raise ValueError(f"Pipeline: layers: given {layer!r}, expected layers, as Rescaling(0.5).")
        self.steps = list(layers)

    def _cast(self, x: Any) -> Any:
        return x

    def _convert_first(self, x: Any) -> Any:
        return x

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """The last layer's output."""
        for layer in self.steps:
            options = {} if mask is None or "mask" not in inspect.signature(layer.call).parameters else {"mask": mask}
            inputs = layer(inputs, training=training, **options)
            frame = current_frame()
            mask = None if frame is None else frame.mask_of(inputs)
        return inputs

    def build(self, input_shape: Any) -> None:
        """Nothing: each layer is built when it is first called."""

    def compute_output_spec(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The symbolic output of a call."""
        for layer in self.steps:
            inputs = layer.compute_output_spec(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The last layer's shape."""
        for layer in self.steps:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {"layers": [nested_config(layer) for layer in self.steps], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Pipeline:
        """The layer of a config."""
        return cls(**{**config, "layers": [nested_layer(c, custom_objects) for c in config["layers"]]})
