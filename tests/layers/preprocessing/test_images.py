"""Image layers: what stays inside, labels and masks, both data formats, single images, and the exact ones by definition."""

from __future__ import annotations

import colorsys

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core.errors import ShapeError
from estimax.layers.preprocessing.images.color import hsv_to_rgb, rgb_to_hsv

RNG = np.random.default_rng(0)


def train(layer, data):
    return layer(data, training=True)


IMAGES = RNG.uniform(0, 255, (4, 6, 6, 3)).astype(np.float32)


def test_hue_saturation_and_value_are_those_of_colorsys():
    rgb = RNG.uniform(0, 1, (50, 3)).astype(np.float32)
    hsv = rgb_to_hsv(jnp.asarray(rgb))
    np.testing.assert_allclose(hsv, [colorsys.rgb_to_hsv(*c) for c in rgb.tolist()], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(hsv_to_rgb(hsv), rgb, rtol=1e-3, atol=1e-4)


def test_random_layers_rest_outside_training():
    for layer in (
        layers.RandomFlip(),
        layers.RandomBrightness(0.5),
        layers.RandAugment(),
        layers.CutMix(),
        layers.Equalization(),
    ):
        np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
        np.testing.assert_array_equal(layers.Pipeline([layer])(IMAGES, training=False), IMAGES)


def test_called_by_itself_an_augmentation_augments():
    assert not np.array_equal(layers.RandomBrightness((0.2, 0.3))(IMAGES), IMAGES)
    assert not np.array_equal(layers.Pipeline([layers.RandomBrightness((0.2, 0.3))])(IMAGES), IMAGES)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_exact(turns):
    layer = layers.RandomRotation((turns / 4, turns / 4), fill_mode="constant")
    np.testing.assert_allclose(layer(IMAGES, training=True), np.rot90(IMAGES, turns, (1, 2)), atol=0.1)


def test_whole_shifts_are_exact():
    layer = layers.RandomTranslation((1 / 6, 1 / 6), (-2 / 6, -2 / 6), fill_mode="wrap")
    np.testing.assert_allclose(layer(IMAGES, training=True)[:, 1:, :4], IMAGES[:, :5, 2:], atol=0.01)


def test_zoom_shows_more_or_less():
    gray = np.pad(np.full((1, 2, 2, 1), 9.0, np.float32), [(0, 0), (2, 2), (2, 2), (0, 0)])
    out = layers.RandomZoom((1.0, 1.0), fill_mode="constant", interpolation="nearest")(gray, training=True)
    near = layers.RandomZoom((-0.5, -0.5), interpolation="nearest")(gray, training=True)
    assert (np.asarray(out) > 0).sum() < 4 < (np.asarray(near) > 0).sum()


def test_masks_move_with_their_images_and_keep_their_values():
    masks = RNG.integers(0, 5, (4, 6, 6, 1)).astype(np.int32)
    for layer in (layers.RandomRotation(0.2, seed=1), layers.RandomPerspective(seed=1), layers.RandomElasticTransform(seed=1)):
        out = train(layer, {"images": IMAGES, "segmentation_masks": masks})
        assert out["segmentation_masks"].dtype == masks.dtype and set(np.unique(out["segmentation_masks"])) <= set(range(5))
    both = {"images": IMAGES, "segmentation_masks": IMAGES[..., :1]}
    for layer in (layers.RandomFlip(seed=1), layers.RandomCrop(3, 3, seed=1), layers.CutMix(seed=1)):
        out = train(layer, both)
        np.testing.assert_array_equal(out["segmentation_masks"], out["images"][..., :1])


@pytest.mark.parametrize("layer", [layers.MixUp(alpha=1.0, seed=1), layers.CutMix(seed=1)])
def test_labels_are_mixed_as_the_images_are(layer):
    # Images of one value each: what is left of it in the image is its share in the label.
    values = np.eye(4, dtype=np.float32)
    images = np.broadcast_to(values[:, None, None, :], (4, 24, 24, 4))
    out = train(layer, {"images": images, "labels": values})
    np.testing.assert_allclose(out["images"].mean((1, 2)), out["labels"], atol=0.1)
    np.testing.assert_allclose(out["labels"].sum(-1), 1, rtol=1e-5)


def test_both_data_formats_and_single_images_give_the_same():
    for name, arguments in {
        "RandomRotation": {"factor": (0.1, 0.1)},
        "RandomContrast": {"factor": (0.5, 0.0)},
        "RandomSharpness": {"factor": (0.9, 0.9)},
        "Resizing": {"height": 4, "width": 3},
        "AutoContrast": {},
        "Equalization": {},
        "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2)},
        "CenterCrop": {"height": 3, "width": 2},
    }.items():
        last, first = (getattr(layers, name)(**arguments, data_format=d) for d in ("channels_last", "channels_first"))
        if name == "RandomContrast":
            last.factor = first.factor = (0.0, 0.0)
        y = train(last, IMAGES)
        np.testing.assert_allclose(np.moveaxis(train(first, np.moveaxis(IMAGES, -1, 1)), 1, -1), y, rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(train(last, IMAGES[0]), y[0], rtol=1e-4, atol=1e-2)


def test_images_are_drawn_for_one_by_one():
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    for layer in (layers.RandomBrightness(0.5, seed=1), layers.RandomRotation(0.5, seed=1), layers.RandomCrop(3, 3, seed=1)):
        y = np.asarray(train(layer, same))
        assert any(not np.array_equal(y[0], other) for other in y[1:])


def test_values_stay_in_their_range():
    for layer in (
        layers.AugMix(),
        layers.RandomColorJitter((0, 255), 0.9, 0.9, None, 0.9),
        layers.RandomErasing(),
        layers.Solarization(0.5, 0.5),
    ):
        y = train(layer, IMAGES)
        assert y.min() >= -1e-3 and y.max() <= 255.001, layer


def test_equalized_values_are_spread_evenly():
    narrow = RNG.integers(100, 120, (1, 64, 64, 1)).astype(np.float32)
    y = np.asarray(layers.Equalization()(narrow, training=True))
    assert y.min() == 0 and y.max() == 255
    np.testing.assert_allclose(np.histogram(y, 5, (0, 255))[0] / y.size, 0.2, atol=0.06)


def test_integer_images_stay_integers_when_resized():
    y = layers.Resizing(3, 3)(IMAGES.astype(np.uint8))
    assert y.dtype == jnp.uint8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomFlip("sideways"), "mode: given 'sideways'"),
        (lambda: layers.RandomBrightness(2.0), "factor: given 2.0"),
        (lambda: layers.RandomZoom(-1.0), "height_factor: given -1.0"),
        (lambda: layers.RandomShear(x_factor=(0.2, -0.3)), "x_factor"),
        (lambda: layers.Resizing(0, 3), "height: given 0"),
        (lambda: layers.Resizing(2, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "at most one"),
        (lambda: layers.Resizing(2, 3, interpolation="linear"), "interpolation: given 'linear'"),
        (lambda: layers.RandomGaussianBlur(kernel_size=2), "kernel_size: given 2"),
        (lambda: layers.RandomGrayscale(1.5), "factor: given 1.5"),
        (lambda: layers.MixUp(alpha=0), "alpha: given 0"),
        (lambda: layers.RandAugment(num_ops=0), "num_ops: given 0"),
        (lambda: layers.RandomErasing(fill_value=[1, 2]), "fill_value"),
        (lambda: layers.RandomFlip(bounding_box_format="xyxy"), "Boxes are not transformed"),
        (lambda: layers.RandomFlip()({"images": IMAGES, "bounding_boxes": 1}), "expected 'images'"),
        (lambda: layers.Pipeline([3]), "layers: given 3"),
    ],
)
def test_errors_name_argument_and_repair(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_images_have_three_or_four_axes():
    with pytest.raises(ShapeError, match="expected images"):
        layers.RandomFlip()(np.ones((2, 3)))
