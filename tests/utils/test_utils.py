"""keras.utils: arrays, images, datasets, pictures of models."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from estimax import Input, Model, Sequential, config, layers, utils
from estimax.utils.resizing import resize


def test_arrays() -> None:
    assert utils.to_categorical([[1], [0]], 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(utils.normalize([[3.0, 4.0], [0.0, 0.0]]), [[0.6, 0.8], [0, 0]])
    rows = [[1], [2, 3], [4, 5, 6]]
    assert utils.pad_sequences(rows).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6]]
    assert utils.pad_sequences(rows, 2, padding="post", truncating="post", value=9).tolist() == [[1, 9], [2, 3], [4, 5]]
    assert utils.pad_sequences([["a"], []], dtype=object, value="-").tolist() == [["a"], ["-"]]
    assert utils.pad_sequences([[[1.0, 2.0]], []], 2, dtype="float32").shape == (2, 2, 2)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        utils.to_categorical([2], 2)
    with pytest.raises(ValueError, match="expected 'pre' or 'post'"):
        utils.pad_sequences(rows, padding="left")


def test_split_dataset() -> None:
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset((x, y), right_size=3, shuffle=True, seed=1)
    rows = [*left.as_numpy_iterator(), *right.as_numpy_iterator()]
    assert (len(left), len(right)) == (7, 3) and sorted(int(a) for a, _ in rows) == list(range(10))
    assert all(b == 2 * a for a, b in rows)
    with pytest.raises(ValueError, match="more than the 10 rows"):
        utils.split_dataset(x, 0.8, 0.3)


def test_windows_of_time() -> None:
    data = np.arange(20).reshape(10, 2)
    dataset = utils.timeseries_dataset_from_array(
        data, np.arange(10), 2, sequence_stride=3, sampling_rate=2, batch_size=2, start_index=1
    )
    (x, y), (x2, _) = dataset.as_numpy_iterator()
    assert x[:, :, 0].tolist() == [[2, 6], [8, 12]] and y.tolist() == [1, 4] and x2[:, :, 0].tolist() == [[14, 18]]
    shuffled = utils.timeseries_dataset_from_array(np.arange(8), None, 3, batch_size=None, shuffle=True, seed=1)
    assert sorted(w.tolist() for w in shuffled.as_numpy_iterator()) == [[i, i + 1, i + 2] for i in range(6)]
    with pytest.raises(ValueError, match="hold no window"):
        utils.timeseries_dataset_from_array(np.arange(3), None, 5)


def folder_of(tmp_path, write, ending):  # noqa: ANN001, ANN202
    for name, count in (("cat", 3), ("dog", 1)):
        (tmp_path / name).mkdir()
        for i in range(count):
            write(tmp_path / name / f"{i}{ending}", i)
    return tmp_path


def test_images_of_a_folder(tmp_path) -> None:  # noqa: ANN001
    pytest.importorskip("PIL")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3))
    folder = folder_of(tmp_path, lambda path, i: utils.save_img(path, pixels // (i + 1), scale=False), ".png")
    dataset = utils.image_dataset_from_directory(
        folder, image_size=(3, 4), shuffle=False, batch_size=3, label_mode="categorical", verbose=False
    )
    (images, labels), (_, last) = dataset.as_numpy_iterator()
    assert images.shape == (3, 3, 4, 3) and labels.tolist() == [[1, 0]] * 3 and last.tolist() == [[0, 1]]
    assert dataset.class_names == ["cat", "dog"] and len(dataset.file_paths) == 4
    np.testing.assert_allclose(images[0], resize(pixels, (3, 4)), atol=1e-3)
    training, validation = utils.image_dataset_from_directory(
        folder,
        image_size=(3, 4),
        seed=1,
        validation_split=0.25,
        subset="both",
        color_mode="grayscale",
        label_mode="binary",
        verbose=False,
    )
    assert next(training.as_numpy_iterator())[0].shape == (3, 3, 4, 1) and next(validation.as_numpy_iterator())[1].shape == (1, 1)
    image = utils.load_img(folder / "cat" / "0.png", target_size=(2, 2), keep_aspect_ratio=True)
    assert utils.img_to_array(image, "channels_first").shape == (3, 2, 2)
    assert np.array_equal(utils.img_to_array(utils.load_img(folder / "cat" / "0.png")), pixels)
    with pytest.raises(ValueError, match="a shuffled split needs one"):
        utils.image_dataset_from_directory(folder, validation_split=0.5, subset="training")
    with pytest.raises(ValueError, match="no files that end in"):
        utils.text_dataset_from_directory(folder)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest", "bicubic", "lanczos3"])
def test_resizing_on_the_host_is_that_of_jax(interpolation: str) -> None:
    import jax

    image = np.random.default_rng(0).uniform(size=(7, 9, 2)).astype(np.float32)
    for size in ((4, 12), (14, 9)):
        expected = jax.image.resize(image, (*size, 2), interpolation, antialias=False)
        np.testing.assert_allclose(resize(image, size, interpolation), expected, atol=1e-5)


def test_texts_and_sounds_of_a_folder(tmp_path) -> None:  # noqa: ANN001
    (tmp_path / "texts").mkdir()
    (tmp_path / "sounds").mkdir()
    texts = folder_of(tmp_path / "texts", lambda path, i: path.write_text("ab" * (i + 1)), ".txt")
    (words, labels), *_ = utils.text_dataset_from_directory(texts, shuffle=False, max_length=3, verbose=False).as_numpy_iterator()
    assert [w.decode() if isinstance(w, bytes) else str(w) for w in words] == ["ab", "aba", "aba", "ab"] and labels.tolist() == [
        0,
        0,
        0,
        1,
    ]

    def write(path, i) -> None:  # noqa: ANN001
        with wave.open(str(path), "wb") as f:
            f.setparams((1, 2, 8000, 0, "NONE", ""))
            f.writeframes(np.array([0, 16384, -32768][: i + 1], "<i2").tobytes())

    sounds = folder_of(tmp_path / "sounds", write, ".wav")
    (samples, _), *_ = utils.audio_dataset_from_directory(sounds, shuffle=False, verbose=False).as_numpy_iterator()
    assert samples[..., 0].tolist() == [[0, 0, 0], [0, 0.5, 0], [0, 0.5, -1], [0, 0, 0]]
    with pytest.raises(ValueError, match="expected 16 bits at 44100 Hz"):
        list(utils.audio_dataset_from_directory(sounds, sampling_rate=44100, verbose=False).as_numpy_iterator())


def test_pictures_of_models(tmp_path, monkeypatch) -> None:  # noqa: ANN001
    x = Input((3,), name="x")
    inner = Sequential([Input((3,)), layers.Dense(3, activation="relu", name="d")], name="inner")
    model = Model(x, layers.Add(name="sum")([x, inner(x)]))
    text = utils.model_to_dot(
        model, show_shapes=True, show_dtype=True, expand_nested=True, show_layer_activations=True, show_trainable=True
    )
    assert 'subgraph "cluster_inner"' in text and '"x" -> "sum";' in text and '"inner/d" -> "sum";' in text and "|relu|" in text
    assert "(None, 3)|float32" in text and "|trainable}" in text
    utils.plot_model(model, tmp_path / "model.gv")
    assert (tmp_path / "model.gv").read_text().startswith("digraph model {")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="need the program dot of Graphviz"):
        utils.plot_model(model, tmp_path / "model.png")
    assert utils.get_source_inputs(model.output)[0] is x and utils.is_keras_tensor(x)


def test_settings_of_the_process_are_gone() -> None:
    assert (config.backend(), config.floatx(), config.epsilon(), config.image_data_format()) == (
        "jax",
        "float32",
        1e-7,
        "channels_last",
    )
    assert config.dtype_policy().name == "float32"
    with pytest.raises(AttributeError, match="pass dtype='mixed_bfloat16'"):
        config.set_dtype_policy("mixed_bfloat16")
    utils.clear_session()
