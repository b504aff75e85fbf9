"""Callbacks on their own: what they write, set and refuse. Their decisions are compared with Keras in the golden tests."""

from __future__ import annotations

import csv
import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimax import callbacks, optimizers
from estimax.layers import Dense, Input
from estimax.models import Sequential, load_model

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def model(optimizer: Any = None) -> Sequential:
    m = Sequential([Input((3,)), Dense(1, kernel_initializer="zeros")])
    m.compile(optimizer or optimizers.SGD(0.1), "mse", metrics=["mae"])
    return m


def fit(*given: Any, m: Any = None, **options: Any) -> Any:
    m = m or model()
    return m, m.fit(X, Y, **{"epochs": 2, "batch_size": 4, "shuffle": False, "verbose": 0, **options}, callbacks=list(given))


def test_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fit(callbacks.CSVLogger(path))
    fit(callbacks.CSVLogger(path, append=True))
    with path.open() as f:
        rows = list(csv.DictReader(f))
    assert [r["epoch"] for r in rows] == ["0", "1", "0", "1"] and set(rows[0]) == {"epoch", "loss", "mae"}
    assert float(rows[0]["loss"]) == float(rows[2]["loss"])


def test_tensorboard(tmp_path: Path) -> None:
    _, history = fit(
        callbacks.TensorBoard(tmp_path, histogram_freq=1, write_images=True, write_steps_per_second=True, update_freq=2),
        validation_data=(X, Y),
    )
    assert len(history.history["val_loss"]) == 2
    for part in ("train", "validation"):
        (file,) = os.listdir(tmp_path / part)
        assert b"epoch_loss" in (tmp_path / part / file).read_bytes()
    with pytest.raises(ValueError, match="update_freq: given 'never'"):
        callbacks.TensorBoard(tmp_path, update_freq="never")


def test_model_checkpoint_names_files(tmp_path: Path) -> None:
    m, _ = fit(callbacks.ModelCheckpoint(tmp_path / "m-{epoch:02d}-{loss:.1f}.keras"))
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 2 and names[0].startswith("m-01-")
    np.testing.assert_array_equal(load_model(tmp_path / names[1]).get_weights()[0], m.get_weights()[0])
    with pytest.raises(KeyError, match="names 'nothing'"):
        fit(callbacks.ModelCheckpoint(tmp_path / "{nothing}.keras"))


def test_model_checkpoint_by_batches(tmp_path: Path) -> None:
    fit(callbacks.ModelCheckpoint(tmp_path / "{batch}.weights.h5", save_weights_only=True, save_freq=2))
    assert sorted(os.listdir(tmp_path)) == ["2.weights.h5", "4.weights.h5", "6.weights.h5"]
    with pytest.raises(ValueError, match="save_freq: given 0"):
        callbacks.ModelCheckpoint("m.keras", save_freq=0)


def test_weights_set_between_epochs_are_trained_on() -> None:
    class Reset(callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                self.model.set_weights([np.zeros((3, 1)), np.zeros(1)])

    once, _ = fit(epochs=1)
    again, _ = fit(Reset(), epochs=2)
    np.testing.assert_array_equal(once.get_weights()[0], again.get_weights()[0])


def test_a_schedule_shows_in_the_history() -> None:
    _, history = fit(callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)))
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.05])
    with pytest.raises(ValueError, match="schedule gave None"):
        fit(callbacks.LearningRateScheduler(lambda epoch, rate: None))
    with pytest.raises(ValueError, match="expected a function"):
        callbacks.LearningRateScheduler(0.1)  # type: ignore[arg-type]


def test_a_missing_number_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="watches 'val_loss', which the logs lack; they have"):
        fit(callbacks.EarlyStopping(), epochs=1)


def test_a_direction_that_nothing_says_is_asked_for() -> None:
    callback = callbacks.EarlyStopping("speed")
    callback.set_model(model())
    with pytest.raises(ValueError, match="whether 'speed' should rise or fall"):
        callback.on_epoch_end(0, {"speed": 1.0})
    known = callbacks.EarlyStopping("val_binary_accuracy")
    known.set_model(model())
    assert known.is_improvement(0.9, 0.8) and not known.is_improvement(0.7, 0.8)
    with pytest.raises(ValueError, match="mode: given 'up'"):
        callbacks.EarlyStopping(mode="up")


def test_early_stopping_in_fit() -> None:
    stop = callbacks.EarlyStopping("loss", min_delta=100.0, patience=1, restore_best_weights=True)
    m, history = fit(stop, epochs=10)
    assert history.epoch == [0, 1] and stop.stopped_epoch == 1
    first, _ = fit(epochs=1)
    np.testing.assert_array_equal(m.get_weights()[0], first.get_weights()[0])


def test_terminate_on_nan() -> None:
    m = model(optimizers.SGD(1e30))
    with redirect_stdout(io.StringIO()) as text:
        _, history = fit(callbacks.TerminateOnNaN(), m=m, epochs=5)
    assert len(history.epoch) == 1 and "training ends" in text.getvalue()
    with pytest.raises(RuntimeError, match="Lower the learning rate"):
        fit(callbacks.TerminateOnNaN(raise_error=True), m=model(optimizers.SGD(1e30)), epochs=5)


def test_lambda_callback() -> None:
    seen: list[Any] = []
    fit(
        callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(("epoch", epoch, logs["loss"] > 0)),
            on_train_batch_end=lambda batch, logs: seen.append(batch),
            on_train_end=lambda logs: seen.append("end"),
        ),
        epochs=1,
    )
    assert seen == [0, 1, 2, ("epoch", 0, True), "end"]
    with pytest.raises(ValueError, match="has no method 'on_tea'"):
        callbacks.LambdaCallback(on_tea=print)


def test_swap_ema_weights() -> None:
    seen: dict[str, Any] = {}

    class Look(callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            seen["test"] = self.model.get_weights()[0]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen["epoch"] = self.model.get_weights()[0]

    m = model(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
    fit(callbacks.SwapEMAWeights(), Look(), m=m, epochs=1, validation_data=(X, Y))
    path = m.bindings[id(m.layers[0].kernel)]
    np.testing.assert_array_equal(seen["test"], m.optimizer.state["ema"][path])
    assert not np.allclose(seen["test"], seen["epoch"])
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(callbacks.SwapEMAWeights(), validation_data=(X, Y))


def test_progress_is_silent_away_from_a_terminal() -> None:
    for verbose, lines in ((1, 0), ("auto", 0), (2, 2), (0, 0)):
        with redirect_stdout(io.StringIO()) as text:
            fit(verbose=verbose)
        assert len(text.getvalue().splitlines()) == lines
    assert lines == 0 and "loss" not in text.getvalue()


def test_a_bar_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with redirect_stdout(Terminal()) as text:
        fit(verbose=1)
    assert "Epoch 2/2" in text.getvalue() and "mae" in text.getvalue()


def test_estimator_hooks_work_in_fit() -> None:
    class Count(callbacks.Callback):
        steps: list[int] = []
        begun = ended = 0

        def begin(self, run: Any) -> None:
            type(self).begun += 1

        def after_run(self, run: Any) -> None:
            self.steps.append(run.step)
            if run.step == 4:
                run.request_stop()

        def end(self, run: Any) -> None:
            type(self).ended += 1

    fit(Count(), epochs=3)
    assert Count.steps == [1, 2, 3, 4] and Count.begun == Count.ended == 1
