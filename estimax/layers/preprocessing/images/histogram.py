"""Layers that spread the values of images over their range."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.preprocessing.images.base import ImageLayer, checked_value_range, rescaled


@register("keras.layers")
class AutoContrast(ImageLayer):
    """Stretches each channel of each image to the whole range of values.

    Args:
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jax.numpy as jnp
        >>> AutoContrast()(jnp.array([10.0, 20.0]).reshape(1, 1, 2, 1)).ravel().tolist()
        [0.0, 255.0]

    Reference: keras.layers.AutoContrast.
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = checked_value_range(self, value_range)

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images stretched; channels of one value stay as they are."""
        pixels = rescaled(images, self.value_range, (0, 255))
        low, high = pixels.min((1, 2), keepdims=True), pixels.max((1, 2), keepdims=True)
        spread = high - low
        stretched = jnp.clip((pixels - low) * (255 / jnp.where(spread > 0, spread, 1)), 0, 255)
        return jnp.where(spread > 0, rescaled(stretched, (0, 255), self.value_range), images)


@register("keras.layers")
class Equalization(ImageLayer):
    """Spreads the values of each channel evenly over their range while training, by its cumulative histogram.

    Args:
        value_range: smallest and largest value of a pixel.
        bins: of the histogram.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if `bins` is not positive.

    Reference: keras.layers.Equalization (which makes one histogram for the whole batch; here each image has its own).
    """

    random = default_training = True

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        if not isinstance(bins, int) or bins <= 0:
            raise ValueError(f"Equalization: bins: given {bins!r}, expected a positive integer.")
        self.bins = bins
        self.value_range = checked_value_range(self, value_range)
        self.seed_generator = _NoSeed()

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images equalized."""
        pixels = rescaled(images, self.value_range, (0, 255))
        planes = jnp.moveaxis(pixels, -1, 1)
        equalized = jax.vmap(jax.vmap(self._plane))(planes)
        return rescaled(jnp.moveaxis(equalized, 1, -1), (0, 255), self.value_range).astype(images.dtype)

    def _plane(self, plane: jax.Array) -> jax.Array:
        ids = jnp.clip((plane * (self.bins - 1) / 255).astype(jnp.int32), 0, self.bins - 1)
        histogram = jnp.zeros(self.bins, jnp.int32).at[ids].add(1)
        total = jnp.cumsum(histogram)
        first = total[jnp.argmax(total > 0)]
        table = jnp.clip(jnp.round((total - first) * 255 / jnp.maximum(total[-1] - first, 1)), 0, 255)
        return jnp.where(jnp.count_nonzero(histogram) <= 1, plane, table[ids].astype(plane.dtype))


class _NoSeed:
    """In place of a seed, for a layer that acts while training only but draws nothing."""

    def next(self) -> None:
        """No key."""


@register("keras.layers")
class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Equalizes tiles of each image by their histograms, whose peaks are cut off, and blends from tile to tile (CLAHE).

    Args:
        value_range: smallest and largest value of a pixel.
        clip_limit: how much higher than even a bin may be; 0 for no limit.
        tile_grid_size: rows and columns of tiles.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if a number of tiles is not positive.

    Reference: keras.layers.ContrastLimitedAdaptiveHistogramEqualization; Zuiderveld, Graphics Gems IV, 1994.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        if len(tuple(tile_grid_size)) != 2 or min(tile_grid_size) < 1:
            raise ValueError(f"tile_grid_size: given {tile_grid_size!r}, expected two positive integers.")
        self.value_range = value_range
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images equalized."""
        pixels = rescaled(images.astype(jnp.float32), self.value_range, (0, 255))
        planes = jnp.moveaxis(pixels, -1, 1)
        equalized = jnp.moveaxis(jax.vmap(jax.vmap(self._plane))(planes), 1, -1)
        return rescaled(equalized, (0, 255), self.value_range).astype(images.dtype)

    def _plane(self, plane: jax.Array) -> jax.Array:
        """One channel of one image. Shape `[height, width]`."""
        (rows, columns), (height, width) = self.tile_grid_size, plane.shape
        tile_height, tile_width = -(-height // rows), -(-width // columns)
        plane = jnp.pad(plane, [(0, tile_height * rows - height), (0, tile_width * columns - width)], mode="symmetric")
        values = jnp.clip(plane.astype(jnp.int32), 0, 255)
        tables = jnp.pad(self._tables(values, tile_height, tile_width), [(1, 1), (1, 1), (0, 0)], mode="edge")

        def places(size: int, tile: int, count: int) -> tuple[jax.Array, jax.Array, jax.Array]:
            at = (jnp.arange(size) - tile / 2) / tile + 1  # in tiles, counted with the border
            low = jnp.floor(at)
            return jnp.clip(low, 0, count + 1).astype(int), jnp.clip(low + 1, 0, count + 1).astype(int), at - low

        top, bottom, down = places(plane.shape[0], tile_height, rows)
        left, right, across = places(plane.shape[1], tile_width, columns)
        look = lambda y, x: tables[y[:, None], x[None, :], values]  # noqa: E731
        upper = look(top, left) * (1 - across) + look(top, right) * across
        lower = look(bottom, left) * (1 - across) + look(bottom, right) * across
        return (upper * (1 - down[:, None]) + lower * down[:, None])[:height, :width]

    def _tables(self, values: jax.Array, tile_height: int, tile_width: int) -> jax.Array:
        """The new value of each old one, for each tile. Shape `[rows, columns, 256]`."""
        rows, columns = self.tile_grid_size
        tiles = values.reshape(rows, tile_height, columns, tile_width).transpose(0, 2, 1, 3).reshape(rows * columns, -1)
        histograms = jnp.zeros((len(tiles), 256)).at[jnp.arange(len(tiles))[:, None], tiles].add(1)
        size = tile_height * tile_width
        if self.clip_limit > 0:
            cut = jnp.minimum(histograms, self.clip_limit * size / 256)
            histograms = cut + (histograms - cut).sum(-1, keepdims=True) / 256
        total = jnp.cumsum(histograms, -1)
        low = total.min(-1, keepdims=True)
        tables = jnp.clip((total - low) * 255 / jnp.where(size - low == 0, 1, size - low), 0, 255)
        return tables.reshape(rows, columns, 256)
