"""Datasets of files that lie in one folder for each class: images, texts, sounds."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estimax.data import Dataset, decode_image
from estimax.utils.resizing import resize

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """Images of a folder, resized, in batches.

    Args:
        directory: the folder; with inferred labels it has one folder for each class.
        labels: `"inferred"`, None for images alone, or one label for each file in the order of their names.
        label_mode: `"int"`, `"binary"` (0.0 or 1.0), `"categorical"` (one-hot), or None for images alone.
        class_names: the classes' folders in the order of their numbers; by name if omitted.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: None for single images.
        image_size: height and width.
        shuffle: whether files come in random order, another one in each epoch.
        seed: of that order; needed for a shuffled split.
        validation_split: the share of files for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a pair of datasets.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: whether folders behind links are looked into.
        crop_to_aspect_ratio, pad_to_aspect_ratio: see `layers.Resizing`.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.
        verbose: whether to print what was found.

    Returns:
        A dataset of float32 images from 0 to 255, `[batch, height, width, channels]`, with labels unless there are none. It has the attributes
        `class_names` and `file_paths`.

    Raises:
        ValueError: if an argument makes no sense, or there are no images.

    Reference: keras.utils.image_dataset_from_directory.
    """
    channels = {"rgb": 3, "rgba": 4, "grayscale": 1}.get(color_mode)
    if channels is None:
        raise ValueError(
            f"image_dataset_from_directory: color_mode: given {color_mode!r}, expected 'rgb', 'rgba' or 'grayscale'."
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "image_dataset_from_directory: given crop_to_aspect_ratio and pad_to_aspect_ratio, expected at most one."
        )
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else None

    def read(path: str) -> np.ndarray:
        with open(path, "rb") as f:
            pixels = decode_image(f.read(), channels, expand_animations=False)
        image = resize(pixels, image_size, interpolation, fit)
        return image.transpose(2, 0, 1) if data_format == "channels_first" else image

    found = _Files(
        "image_dataset_from_directory", directory, IMAGES, labels, label_mode, class_names, shuffle, seed, follow_links
    )
    return found.datasets(read, batch_size, validation_split, subset, verbose)


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Texts of a folder's `.txt` files, in batches.

    Args:
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose: see
            `image_dataset_from_directory`.
        max_length: characters after which texts are cut.

    Returns:
        A dataset of texts `[batch]`, with labels unless there are none.

    Raises:
        ValueError: if an argument makes no sense, or there are no texts.

    Reference: keras.utils.text_dataset_from_directory (which cuts after bytes).
    """

    def read(path: str) -> np.ndarray:
        with open(path, encoding="utf-8") as f:
            return np.array(f.read(max_length if max_length is not None else -1), dtype=object)

    found = _Files(
        "text_dataset_from_directory", directory, (".txt",), labels, label_mode, class_names, shuffle, seed, follow_links
    )
    return found.datasets(read, batch_size, validation_split, subset, verbose)


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Sounds of a folder's `.wav` files (16 bits), in batches.

    Args:
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose: see
            `image_dataset_from_directory`.
        sampling_rate: that all files must have; sounds are not resampled.
        output_sequence_length: samples of all sounds: longer ones are cut, shorter ones padded with zeros. If omitted, those of a batch are
            padded to the longest.
        ragged: only False: arrays are dense.

    Returns:
        A dataset of float32 sounds from -1 to 1, `[batch, samples, channels]`, with labels unless there are none.

    Raises:
        ValueError: if an argument makes no sense, there are no sounds, or a file is of another form.

    Reference: keras.utils.audio_dataset_from_directory.
    """
    if ragged:
        raise ValueError(
            "audio_dataset_from_directory: ragged: given True, expected False: arrays are dense. Pass output_sequence_length."
        )

    def read(path: str) -> np.ndarray:
        with wave.open(path, "rb") as f:
            if f.getsampwidth() != 2 or sampling_rate not in (None, f.getframerate()):
                raise ValueError(
                    f"{path}: {8 * f.getsampwidth()} bits at {f.getframerate()} Hz, expected 16 bits at {sampling_rate or 'any'} Hz. Convert it."
                )
            samples = np.frombuffer(f.readframes(f.getnframes()), "<i2").reshape(-1, f.getnchannels()) / np.float32(32768)
        if output_sequence_length is None:
            return samples
        samples = samples[:output_sequence_length]
        return np.pad(samples, ((0, output_sequence_length - len(samples)), (0, 0)))

    found = _Files(
        "audio_dataset_from_directory", directory, (".wav",), labels, label_mode, class_names, shuffle, seed, follow_links
    )
    return found.datasets(read, batch_size, validation_split, subset, verbose, is_padded=output_sequence_length is None)


class _Files:
    """The files of a folder with their labels."""

    def __init__(
        self,
        owner: str,
        directory: Any,
        endings: Sequence[str],
        labels: Any,
        label_mode: Any,
        class_names: Any,
        shuffle: bool,
        seed: Any,
        follow: bool,
    ):
        if label_mode not in ("int", "binary", "categorical", None):
            raise ValueError(f"{owner}: label_mode: given {label_mode!r}, expected 'int', 'binary', 'categorical' or None.")
        if class_names is not None and not (isinstance(labels, str) and labels == "inferred"):
            raise ValueError(f"{owner}: class_names: they name the folders of inferred labels; labels were given or left out.")
        self.owner, self.label_mode, self.shuffle, self.seed = owner, label_mode, shuffle, seed
        root = os.fspath(directory)
        is_inferred = isinstance(labels, str) and labels == "inferred"
        folders = [""]
        if is_inferred:
            folders = sorted(e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith("."))
            if class_names is not None:
                if not set(class_names) <= set(folders):
                    raise ValueError(f"{owner}: class_names: given {list(class_names)}, expected folders of {root}: {folders}.")
                folders = list(class_names)
        found = [_walk(os.path.join(root, f) if f else root, tuple(endings), follow) for f in folders]
        self.paths = [p for paths in found for p in paths]
        if not self.paths:
            raise ValueError(
                f"{owner}: no files that end in {', '.join(endings)} in {root!r}. With inferred labels it has a folder for each class."
            )
        self.labels: np.ndarray | None = None
        self.class_names: list[str] | None = None
        if is_inferred:
            self.labels = np.repeat(np.arange(len(folders), dtype=np.int32), [len(paths) for paths in found])
            self.class_names = folders
        elif labels is not None:
            if len(labels) != len(self.paths):
                raise ValueError(f"{owner}: labels: given {len(labels)}, expected {len(self.paths)}, one for each file.")
            self.labels = np.asarray(labels, np.int32)
            self.class_names = [str(v) for v in sorted(set(labels))]
        if label_mode is None:
            self.labels = None
        if label_mode == "binary" and self.class_names is not None and len(self.class_names) != 2:
            raise ValueError(
                f"{owner}: label_mode: 'binary' is for 2 classes, there are {len(self.class_names)}: {self.class_names}."
            )

    def datasets(
        self,
        read: Callable[[str], np.ndarray],
        batch_size: Any,
        validation_split: Any,
        subset: Any,
        verbose: bool,
        *,
        is_padded: bool = False,
    ) -> Any:
        """The dataset, or for `subset="both"` the two."""
        if (validation_split is None) != (subset is None) or subset not in (None, "training", "validation", "both"):
            raise ValueError(
                f"{self.owner}: given validation_split {validation_split} and subset {subset!r}, expected neither, or a share and 'training', "
                "'validation' or 'both'."
            )
        if validation_split is not None and not 0 < validation_split < 1:
            raise ValueError(f"{self.owner}: validation_split: given {validation_split}, expected a share between 0 and 1.")
        if validation_split and self.shuffle and self.seed is None:
            raise ValueError(f"{self.owner}: seed: a shuffled split needs one, so that the two parts don't overlap.")
        total = len(self.paths)
        if verbose:
            print(f"Found {total} files" + (f" belonging to {len(self.class_names)} classes." if self.class_names else "."))
        order = np.random.default_rng(self.seed).permutation(total) if self.shuffle else np.arange(total)
        if not validation_split:
            return self._dataset(order, read, batch_size, is_padded)
        kept = total - int(validation_split * total)
        parts = {"training": order[:kept], "validation": order[kept:]}
        made = {
            name: self._dataset(rows, read, batch_size, is_padded) for name, rows in parts.items() if subset in (name, "both")
        }
        return (made["training"], made["validation"]) if subset == "both" else made[subset]

    def _dataset(self, rows: np.ndarray, read: Callable[[str], np.ndarray], batch_size: Any, is_padded: bool) -> Dataset:
        paths = [self.paths[i] for i in rows]
        labels = None if self.labels is None else self._encoded(self.labels[rows])

        def element(i: Any) -> Any:
            x = read(paths[int(i)])
            return x if labels is None else (x, labels[int(i)])

        dataset = Dataset.from_tensor_slices(np.arange(len(paths)))
        if self.shuffle:
            dataset = dataset.shuffle(len(paths), seed=self.seed)
        dataset = dataset.map(element, num_parallel_calls=2)
        if batch_size is not None:
            dataset = dataset.padded_batch(batch_size) if is_padded else dataset.batch(batch_size)
        for name, value in (("class_names", self.class_names), ("file_paths", paths)):
            setattr(dataset, name, value)
        return dataset

    def _encoded(self, labels: np.ndarray) -> np.ndarray:
        if self.label_mode == "binary":
            return labels.astype(np.float32)[:, None]
        if self.label_mode == "categorical":
            return np.eye(len(self.class_names or ()), dtype=np.float32)[labels]
        return labels


def _walk(folder: str, endings: tuple[str, ...], follow: bool) -> list[str]:
    """Files below a folder, by name."""
    found = []
    for place, _, names in sorted(os.walk(folder, followlinks=follow)):
        found += [os.path.join(place, n) for n in sorted(names) if n.lower().endswith(endings)]
    return found
