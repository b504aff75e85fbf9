"""What image layers share: batches, data formats, dictionaries of images and labels, and when a random layer acts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import SeedGenerator
from estimax.core.errors import ShapeError
from estimax.layers.base import Layer
from estimax.layers.input_spec import layer_title
from estimax.layers.shapes import data_format_of
from estimax.layers.symbolic import KerasTensor


class ImageLayer(Layer):
    """A function of images `[batch, height, width, channels]`, or of one image `[height, width, channels]`.

    A dictionary with `images` and, if there are any, `labels` and `segmentation_masks` is transformed as a whole, by the same draw.
    Subclasses work on batches with channels last: `transform(images, params)`, and `draw(key, shape)` if they are random.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
    """

    random = False  # random layers act while training only
    seed_generator: Any = None

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        if kwargs.pop("bounding_box_format", None) is not None:
            raise ValueError(
                f"{type(self).__name__}: bounding_box_format: given a format, expected None. Boxes are not transformed here; give images, "
                "labels and segmentation_masks only."
            )
        super().__init__(**kwargs)
        self.data_format = data_format_of(self, data_format)

    # -- for subclasses -----------------------------------------------------------------------------------------------

    def draw(self, key: jax.Array | None, shape: tuple[int, ...]) -> Any:
        """The random numbers of one call for a batch of this shape: a tree of arrays."""
        return None

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images transformed."""
        raise TypeError(f"{type(self).__name__} does not implement transform(images, params).")

    def at_rest(self, images: jax.Array) -> jax.Array:
        """What a random layer does to images outside training."""
        return images

    def transform_labels(self, labels: jax.Array, params: Any) -> jax.Array:
        """The labels of transformed images."""
        return labels

    def transform_masks(self, masks: jax.Array, params: Any) -> jax.Array:
        """The segmentation masks of transformed images, channels last."""
        return masks

    def output_size(self, height: Any, width: Any) -> tuple[Any, Any]:
        """Height and width of the output."""
        return height, width

    # -- calling ------------------------------------------------------------------------------------------------------

    def call(self, data: Any, training: bool = False) -> Any:
        """Transforms images, or a dictionary of images and what belongs to them."""
        if not isinstance(data, dict):
            return self._run({"images": data}, training)["images"]
        unknown = set(data) - {"images", "labels", "segmentation_masks"}
        if "images" not in data or unknown:
            raise ValueError(
                f"{layer_title(self)}: given a dictionary with {sorted(data)}, expected 'images' and, if there are any, 'labels' and "
                "'segmentation_masks'."
            )
        return self._run(data, training)

    def _run(self, data: dict[str, Any], training: bool) -> dict[str, Any]:
        data = {k: jnp.asarray(v) for k, v in data.items()}
        images = data["images"]
        if images.ndim not in (3, 4):
            raise ShapeError(
                f"{layer_title(self)}: expected images [batch, height, width, channels] or one image, given shape {images.shape}."
            )
        active = training or not self.random
        key = self.seed_generator.next() if self.random and active else None
        if any(isinstance(v, jax.core.Tracer) for v in data.values()):
            return self._transformed(data, key, active)
        # An eager call is one compiled program, not dozens of small ones.
        compiled = self.__dict__.get("_compiled")
        if compiled is None:
            compiled = self.__dict__["_compiled"] = jax.jit(self._transformed, static_argnums=2)
        return compiled(data, key, active)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_compiled", None)  # it was compiled for the old value

    def _transformed(self, data: dict[str, Any], key: jax.Array | None, active: bool) -> dict[str, Any]:
        single = data["images"].ndim == 3
        grids = {k: self._enter(data[k], single) for k in ("images", "segmentation_masks") if k in data}
        images = self.cast_images(grids["images"])
        out: dict[str, Any] = dict(data)
        if not active:
            out["images"] = self._leave(self.at_rest(images), single)
            return out
        params = self.draw(key, images.shape)
        out["images"] = self._leave(self.transform(images, params), single)
        if "labels" in data:
            labels = self.transform_labels(data["labels"][None] if single else data["labels"], params)
            out["labels"] = labels[0] if single else labels
        if "segmentation_masks" in data:
            out["segmentation_masks"] = self._leave(self.transform_masks(grids["segmentation_masks"], params), single)
        return out

    def cast_images(self, images: jax.Array) -> jax.Array:
        """The images in the type that `transform` works in."""
        return images.astype(self.compute_dtype)

    def _enter(self, x: jax.Array, single: bool) -> jax.Array:
        x = x[None] if single else x
        return jnp.moveaxis(x, 1, -1) if self.data_format == "channels_first" else x

    def _leave(self, x: jax.Array, single: bool) -> jax.Array:
        x = jnp.moveaxis(x, -1, 1) if self.data_format == "channels_first" else x
        return x[0] if single else x

    # -- shapes -------------------------------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output."""
        if isinstance(input_shape, dict):
            grids = {k: self.compute_output_shape(v) for k, v in input_shape.items() if k != "labels"}
            return {**input_shape, **grids}
        shape = list(input_shape)
        height, width = (-2, -1) if self.data_format == "channels_first" else (-3, -2)
        shape[height], shape[width] = self.output_size(shape[height], shape[width])
        return tuple(shape)

    def compute_output_spec(self, data: Any, training: Any = None) -> Any:
        """The symbolic output of a call."""
        if isinstance(data, dict):
            made = {k: KerasTensor(self.compute_output_shape(v.shape), v.dtype) for k, v in data.items() if k != "labels"}
            made["images"] = KerasTensor(made["images"].shape, self.output_dtype(data["images"].dtype))
            return {
                **data,
                **made,
                **({"labels": KerasTensor(data["labels"].shape, self.compute_dtype)} if "labels" in data else {}),
            }
        return KerasTensor(self.compute_output_shape(data.shape), self.output_dtype(data.dtype))

    def output_dtype(self, input_dtype: str) -> str:
        """The dtype of transformed images."""
        return self.compute_dtype


class RandomImageLayer(ImageLayer):
    """An image layer that draws random numbers, and acts while training only.

    Called by itself, without `training`, it acts too, as in Keras; inside a model it does what the model does.

    Args:
        seed: of the draws.
    """

    random = default_training = True

    def __init__(self, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)


def factor_range(layer: Layer, name: str, factor: Any, low: float = -1, high: float = 1) -> tuple[Any, Any]:
    """Bounds of a random factor, from a number `f` (`-f` to `f`, but not below `low`) or a pair."""
    pair = tuple(factor) if isinstance(factor, (list, tuple)) else None
    if pair is not None and len(pair) == 2 and pair[0] <= high and pair[1] >= low:
        return tuple(sorted(pair))
    if isinstance(factor, (int, float)) and not isinstance(factor, bool) and low <= factor <= high:
        return max(-abs(factor), low), abs(factor)
    raise ValueError(
        f"{type(layer).__name__}: {name}: given {factor!r}, expected a number from {low} to {high}, or a pair of them."
    )


def strict_range(layer: Layer, name: str, factor: Any, low: float, high: float) -> tuple[Any, Any]:
    """Bounds of a random factor, from a number `f` (`-f` to `f`) or a pair; each number given lies in `[low, high]`."""
    numbers = list(factor) if isinstance(factor, (list, tuple)) else [factor]
    good = len(numbers) == (2 if isinstance(factor, (list, tuple)) else 1) and all(
        isinstance(n, (int, float)) and low <= n <= high for n in numbers
    )
    if not good:
        raise ValueError(
            f"{type(layer).__name__}: {name}: given {factor!r}, expected a number from {low} to {high}, or a pair of them."
        )
    return tuple(sorted(numbers)) if len(numbers) == 2 else (-abs(factor), abs(factor))


def checked_value_range(layer: Layer, value_range: Any) -> Any:
    """The smallest and largest value of a pixel."""
    if not isinstance(value_range, (list, tuple)) or len(value_range) != 2:
        raise ValueError(f"{type(layer).__name__}: value_range: given {value_range!r}, expected two numbers, as (0, 255).")
    return tuple(sorted(value_range))


def rescaled(images: jax.Array, source: Any, target: Any) -> jax.Array:
    """Pixel values from one range to another."""
    if tuple(source) == tuple(target):
        return images
    unit = (images - source[0]) / (source[1] - source[0])
    return unit * (target[1] - target[0]) + target[0]


def per_image(values: jax.Array) -> jax.Array:
    """One number an image, `[batch]`, to multiply with images."""
    return values[:, None, None, None]


def uniform(key: jax.Array, shape: tuple[int, ...], bounds: Any, dtype: Any = "float32") -> jax.Array:
    """Uniform random numbers between two bounds."""
    return jax.random.uniform(key, shape, dtype, bounds[0], bounds[1])


def chosen(key: jax.Array, count: int, bounds: Any) -> jax.Array:
    """Which images a layer acts on, by a probability that is itself drawn between two bounds. Bool `[count]`."""
    first, second = jax.random.split(key)
    return jax.random.uniform(second, (count,)) < uniform(first, (count,), bounds)


def symmetric_beta(key: jax.Array, alpha: Any, shape: tuple[int, ...]) -> jax.Array:
    """Numbers of the Beta(alpha, alpha) distribution, also for a tiny alpha: from logarithms of gamma variables, both drawn at once."""
    logs = jax.random.loggamma(key, alpha, (2, *shape))
    return jax.nn.sigmoid(logs[0] - logs[1])
