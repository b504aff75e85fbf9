"""Saving and loading: archives, weights, compile arguments, optimizer state; hostile and damaged files; failed saves."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import estimax as ex
from estimax import callbacks, layers, losses, optimizers
from estimax.core.errors import CheckpointError
from estimax.layers import (
    LSTM,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Layer,
    RandomBrightness,
    TextVectorization,
)
from estimax.models import Model, Sequential, load_model, model_from_json
from estimax.models.saving import archive as archive_module

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def trained(**options: Any) -> Sequential:
    model = Sequential([Input((3,)), Dense(4, activation="relu"), BatchNormalization(), Dense(1)], name="m")
    model.compile(**{"optimizer": optimizers.Adam(0.01), "loss": losses.Huber(delta=0.5), "metrics": ["mae"], **options})
    model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    return model


def test_an_archive_keeps_everything(tmp_path: Path) -> None:
    model = trained()
    path = tmp_path / "m.keras"
    model.save(path)
    again = load_model(path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert again.evaluate(X, Y, return_dict=True, verbose=0) == pytest.approx(model.evaluate(X, Y, return_dict=True, verbose=0))
    assert [v.path for v in again.optimizer.variables] == [v.path for v in model.optimizer.variables]
    for a, b in zip(again.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for m in (model, again):
        m.fit(X, Y, epochs=1, verbose=0, shuffle=False)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    assert not load_model(path, compile=False).compiled
    with zipfile.ZipFile(path) as z:
        assert set(z.namelist()) == {"config.json", "metadata.json", "model.weights.h5"}
        assert json.loads(z.read("metadata.json"))["keras_version"].startswith("3.")
    assert os.listdir(tmp_path) == ["m.keras"]


class Scaled(Layer):
    """A layer of the user's own."""

    def __init__(self, factor: float = 2.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return self.factor * inputs


class Tower(Model):
    """A subclassed model."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.out = Dense(1)
        self.body = [Dense(units), Scaled(3.0)]

    def call(self, inputs: Any) -> Any:
        for layer in self.body:
            inputs = layer(inputs)
        return self.out(inputs)


def test_own_classes_must_be_named(tmp_path: Path) -> None:
    model = Tower(5)
    model.build((None, 3))
    model.save(tmp_path / "t.keras")
    again = load_model(tmp_path / "t.keras", {"Tower": Tower})
    np.testing.assert_allclose(again(X), model(X))
    with pytest.raises(ValueError, match="unknown class 'Tower'.*custom_objects"):
        load_model(tmp_path / "t.keras")


class Words(Model):
    """A subclassed model over integers, in a dict."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.embedding, self.out = Embedding(5, 2), Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.out(self.embedding(inputs["ids"])[:, 0] + inputs["x"][:, :2])


def test_subclasses_that_data_built(tmp_path: Path) -> None:
    tower, words = Tower(5), Words()
    ids = {"ids": np.array([[1], [2]], np.int32), "x": X[:2]}
    for model, data in ((tower, X[:2]), (words, ids)):
        model.compile("adam", "mse")
        model.fit(data, Y[:2], verbose=0)
        model.save(tmp_path / "m.keras")
        again = load_model(tmp_path / "m.keras", {"Tower": Tower, "Words": Words})
        np.testing.assert_allclose(again.predict(data, verbose=0), model.predict(data, verbose=0), rtol=1e-6)
        assert again.optimizer.iterations == 1


def test_a_lambda_is_not_saved(tmp_path: Path) -> None:
    model = trained(loss=lambda t, p: abs(t - p))
    with pytest.warns(UserWarning, match="make a named function"):
        model.save(tmp_path / "m.keras")


@pytest.mark.parametrize("ending", ["weights.h5", "safetensors"])
def test_weights_alone(tmp_path: Path, ending: str) -> None:
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    model = trained()
    path = tmp_path / f"w.{ending}"
    model.save_weights(path)
    again = model_from_json(model.to_json())
    again.load_weights(path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    other = Sequential([Input((3,)), Dense(4), BatchNormalization(), Dense(2)], name="m")
    before = other.get_weights()
    with pytest.raises(CheckpointError, match=r"has shape \(.*expected \(.*Is it a file of another model"):
        other.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights()))
    with pytest.warns(UserWarning, match="left as they are"):
        other.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(other.layers[0].kernel, model.layers[0].kernel)
    np.testing.assert_array_equal(other.layers[-1].kernel, before[-2])
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save_weights(path, overwrite=False)


def test_weights_from_an_archive(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "m.keras")
    again = model_from_json(model.to_json())
    again.load_weights(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_half_precision_weights(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Dense(2, dtype="bfloat16")])
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").weights[0].dtype == "bfloat16"
    np.testing.assert_array_equal(
        load_model(tmp_path / "m.keras").get_weights()[0].astype(float), model.get_weights()[0].astype(float)
    )


def test_recurrent_and_masked_models(tmp_path: Path) -> None:
    x = Input((4,), dtype="int32", name="tokens")
    model = Model(x, Dense(1)(LSTM(3)(Embedding(5, 2, mask_zero=True)(x))))
    model.save(tmp_path / "m.keras")
    data = np.array([[1, 2, 0, 0], [3, 4, 1, 2]], np.int32)
    np.testing.assert_allclose(
        load_model(tmp_path / "m.keras").predict(data, verbose=0), model.predict(data, verbose=0), rtol=1e-6
    )


def test_vocabularies_travel_along(tmp_path: Path) -> None:
    texts = np.array(["hello world", "a b c", "world", "x y"])
    vectorize = TextVectorization(max_tokens=20, output_sequence_length=4)
    vectorize.adapt(texts)
    model = Sequential([vectorize, Embedding(20, 4, mask_zero=True), GlobalAveragePooling1D(), Dense(1)])
    model.compile("adam", "mse")
    model.fit(texts, np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(texts, verbose=0), model.predict(texts, verbose=0), rtol=1e-6)
    assert again.layers[0].get_vocabulary() == vectorize.get_vocabulary()


def test_an_unserializable_optimizer_is_said(tmp_path: Path) -> None:
    import optax

    model = trained(optimizer=optax.sgd(0.1), loss="mse")
    with pytest.warns(UserWarning, match="can't be saved.*call compile"):
        model.save(tmp_path / "m.keras")
    assert not load_model(tmp_path / "m.keras").compiled


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained()
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(archive_module, "write_h5", fail)
    with pytest.raises(OSError, match="no space left"):
        model.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["m.keras"]


def test_names_and_places(tmp_path: Path) -> None:
    model = trained()
    with pytest.raises(ValueError, match="ends in .keras"):
        model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="ends in .weights.h5 or .safetensors"):
        model.save_weights(tmp_path / "m.h5")
    with pytest.raises(FileNotFoundError, match="Make it first"):
        model.save(tmp_path / "no" / "m.keras")
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "m.keras", overwrite=False)
    with pytest.raises(CheckpointError, match="there is no file"):
        load_model(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="ends in .keras"):
        load_model(tmp_path / "other.h5")


# -- files that are damaged or made to harm ------------------------------------------------------------------------------


def rewritten(path: Path, change: Any) -> Path:
    """The archive with one member changed by `change(name, content) -> content`."""
    target = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as z:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                z.writestr(name, content)
    return target


def with_config(path: Path, change: Any) -> Path:
    def apply(name: str, content: bytes) -> bytes:
        if name != "config.json":
            return content
        config = json.loads(content)
        change(config)
        return json.dumps(config).encode()

    return rewritten(path, apply)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = Sequential([Input((3,)), Dense(4), Dense(1)], name="m")
    path = tmp_path_factory.mktemp("saved") / "m.keras"
    model.save(path)
    return path


def test_truncated(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 30):
        path = tmp_path / "t.keras"
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="no readable .keras archive|damaged|lacks"):
            load_model(path)


def test_damaged_members(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="no readable HDF5 file"):
        load_model(rewritten(saved, lambda n, c: c[:500] if n == "model.weights.h5" else c))
    with pytest.raises(CheckpointError, match="no readable JSON"):
        load_model(rewritten(saved, lambda n, c: c[:-5] if n == "config.json" else c))
    with pytest.raises(CheckpointError, match="lacks model.weights.h5"):
        load_model(rewritten(saved, lambda n, c: None if n == "model.weights.h5" else c))
    flipped = bytearray(saved.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    path = saved.with_name("flipped.keras")
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(path)


def test_members_outside(saved: Path, tmp_path: Path) -> None:
    for name in ("../evil", "/etc/evil", "a/../../evil", "C:\\evil"):
        path = tmp_path / "m.keras"
        path.write_bytes(saved.read_bytes())
        with zipfile.ZipFile(path, "a") as z:
            z.writestr(name, "x")
        with pytest.raises(CheckpointError, match="outside the archive"):
            load_model(path)


def test_a_zip_bomb(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, zipfile.ZipFile(saved) as source:
        z.writestr("config.json", source.read("config.json"))
        z.writestr("model.weights.h5", bytes(50 * 2**20))
    with pytest.raises(CheckpointError, match="would expand from"):
        load_model(path)


@pytest.mark.parametrize("units", [10**10, 10**30])
def test_a_config_that_asks_for_more_memory_than_the_file_has(saved: Path, units: int) -> None:
    def huge(config: Any) -> None:
        config["config"]["layers"][1]["config"]["units"] = units

    with pytest.raises(CheckpointError, match="made to exhaust memory"):
        load_model(with_config(saved, huge))


def test_a_config_without_end(saved: Path) -> None:
    deep = b'{"class_name": "Sequential", "config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(CheckpointError, match="no readable JSON|does not describe a model"):
        load_model(rewritten(saved, lambda n, c: deep if n == "config.json" else c))


def test_wrong_shapes(saved: Path) -> None:
    def other(config: Any) -> None:
        config["config"]["layers"][1]["config"]["units"] = 5

    with pytest.raises(CheckpointError, match=r"shape \(3, 4\) in the file, expected \(3, 5\)"):
        load_model(with_config(saved, other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["config"]["layers"][1].update(class_name="Evil"), "unknown class 'Evil'"),
        (lambda c: c["config"]["layers"][1].update(module="os", class_name="system"), "unknown class 'system' of module 'os'"),
        (lambda c: c.update(class_name="Dense", module="keras.layers"), "does not describe a model|expected a model"),
        (lambda c: c["config"].pop("layers"), "expected 'name' and 'layers'"),
        (lambda c: c["config"]["layers"][1]["config"].update(units="many"), "units: given 'many'"),
        (lambda c: c["config"]["layers"][1]["config"].update(surprise=1), "unknown arguments|does not describe"),
        (lambda c: c["config"]["layers"][1].update(config=3), "does not describe a model"),
        (lambda c: c["config"].update(activation={"class_name": "__lambda__", "config": {"code": "4w=="}}), "code of a lambda"),
    ],
)
def test_configs_that_lie(saved: Path, change: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        load_model(with_config(saved, change))


def test_weights_that_point_elsewhere(saved: Path, tmp_path: Path) -> None:
    model = load_model(saved)
    path = tmp_path / "w.weights.h5"
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as f:
        f["x"] = np.zeros((3, 4), np.float32)
    for kind in ("link", "external", "soft"):
        model.save_weights(path)
        with h5py.File(path, "a") as f:
            store = f["layers/dense/vars"]
            del store["0"]
            if kind == "link":
                store["0"] = h5py.ExternalLink(str(secret), "x")
            elif kind == "soft":
                store["0"] = h5py.SoftLink("/layers/dense_1/vars/0")
            else:
                store.create_dataset("0", (3, 4), "f4", external=[(str(secret), 0, 48)])
        with pytest.raises(CheckpointError, match="not an array of this file|takes its values from another file"):
            model.load_weights(path)


def test_weights_of_the_wrong_kind(saved: Path, tmp_path: Path) -> None:
    model = load_model(saved)
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as f:
        del f["layers/dense/vars/1"]
        f["layers/dense/vars/1"] = np.array([b"a"] * 4)
    with pytest.raises(CheckpointError, match="expected numbers"):
        model.load_weights(path)
    model.save_weights(path)
    with h5py.File(path, "a") as f:
        del f["layers/dense_1"]
    with pytest.raises(CheckpointError, match="the file has 0 weights, expected 2"):
        model.load_weights(path)


@pytest.mark.parametrize("is_built", [True, False])
def test_backup_and_restore(tmp_path: Path, is_built: bool) -> None:
    class Kill(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def model() -> Sequential:
        m = Sequential([*([Input((3,))] if is_built else []), Dense(1, kernel_initializer="zeros")])
        m.compile(optimizers.Adam(0.1), "mse")
        return m

    whole = model()
    whole.fit(X, Y, epochs=5, verbose=0, shuffle=False)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        model().fit(X, Y, epochs=5, verbose=0, shuffle=False, callbacks=[backup, Kill()])
    again = model()
    history = again.fit(X, Y, epochs=5, verbose=0, shuffle=False, callbacks=[callbacks.BackupAndRestore(tmp_path / "backup")])
    assert history.epoch == [3, 4] and not (tmp_path / "backup").exists()
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


@pytest.mark.parametrize("name", ["adafactor", "rmsprop", "nadam"])
def test_optimizers_go_on_where_they_were(tmp_path: Path, name: str) -> None:
    model = trained(optimizer=name)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert [v.path for v in again.optimizer.variables] == [v.path for v in model.optimizer.variables]
    for a, b in zip(again.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_the_mode_of_the_model_counts_not_the_default_that_saved_calls_name(tmp_path: Path) -> None:
    """Keras writes `training` into calls to which none was given: False for Dropout, True for layers of images."""
    x = Input((4, 4, 3))
    model = Model(x, Dropout(0.5)(RandomBrightness(0.5)(x)))
    calls = [layer["inbound_nodes"][0]["kwargs"] for layer in model.get_config()["layers"][1:]]
    assert calls == [{"training": True}, {"training": False}]
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    images = np.full((2, 4, 4, 3), 100, np.float32)
    np.testing.assert_array_equal(again.predict(images, verbose=0), images)
    assert 0.2 < float(np.mean(np.asarray(again(images, training=True)) == 0)) < 0.8


@pytest.mark.parametrize(("layer", "x"), [(Dense(4, lora_rank=2), X), (Embedding(5, 4, lora_rank=2), np.array([[1, 2, 3]]))])
def test_weight_files_hold_a_low_rank_correction_in_its_table_as_keras_does_and_apart(
    layer: Layer, x: Any, tmp_path: Path
) -> None:
    model = Sequential([Input(x.shape[1:], dtype=str(x.dtype)), layer])
    model.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in model.get_weights()])
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    want, weights = model.predict(x, verbose=0), model.get_weights()
    model.set_weights([np.zeros_like(w) for w in weights])
    model.load_weights(path)
    for got, w in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, w)
    with h5py.File(path, "r+") as f:  # as Keras writes it
        groups: list[str] = []
        f.visit(lambda name: groups.append(name) if name.endswith("low_rank") else None)
        assert len(groups) == 1
        del f[groups[0]]
    model.load_weights(path)
    np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=1e-5, atol=1e-5)


class _Words(ex.Model):
    """A subclassed model that takes strings."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.ids = layers.StringLookup(vocabulary=["Oslo", "Lima"])
        self.table, self.out = layers.Embedding(3, 2), layers.Dense(1)

    def call(self, city: Any) -> Any:
        return self.out(self.table(self.ids(city)))


class _Rows(ex.Model):
    """A subclassed model over raw rows."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        fc = ex.feature_columns
        city = fc.embedding_column(fc.categorical_column_with_hash_bucket("city", 9), 2)
        self.columns, self.out = layers.DenseFeatures([fc.numeric_column("age"), city]), layers.Dense(1)

    def call(self, rows: Any) -> Any:
        return self.out(self.columns(rows))


@pytest.mark.parametrize("cls", [_Words, _Rows])
def test_subclassed_models_of_strings_come_back(cls: Any, tmp_path: Path) -> None:
    city, age = np.array(["Oslo", "Lima", "Rome"]), np.array([39.0, 50.0, 38.0], np.float32)
    x = city if cls is _Words else {"city": city, "age": age}
    model = cls()
    model.compile("sgd", "mse")
    model.fit(x, np.ones((3, 1), np.float32), verbose=0)
    model.save(tmp_path / "m.keras")
    again = ex.load_model(tmp_path / "m.keras", custom_objects={cls.__name__: cls})
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
