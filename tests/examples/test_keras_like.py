"""The examples of `fit` on images and text learn, on few rows and epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.examples.test_examples import DATA, load


def folder(*parts: str, file: str) -> str:
    """A data set's folder, or the test is skipped."""
    found = Path(DATA, *parts)
    if not (found / file).is_file():
        pytest.skip(f"{file} is not there; put the folder above that of the data set into ESTIMAX_DATA")
    return str(found)


def bars(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright bar whose place is the label: what a few steps can learn."""
    labels = np.arange(rows, dtype=np.uint8) % 10
    images = np.random.default_rng(0).integers(0, 100, (rows, 28, 28), np.uint8)
    for label in range(10):
        images[labels == label, 2 * label + 4 : 2 * label + 6] = 255
    return images, labels


def test_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estimax.datasets.fashion_mnist", lambda data: (bars(1280), bars(200)))
    assert load("fashion_mnist").main(["--rows", "1280", "--epochs", "1"]) > 0.5


def test_sms_spam(capsys: pytest.CaptureFixture[str]) -> None:
    data = folder("text", "sms-spam", file="SMSSpamCollection")
    assert load("sms_spam").main(["--data", data, "--epochs", "3"]) > 0.93  # 0.87 for never spam
    winner, lunch = capsys.readouterr().out.splitlines()[-2:]
    assert float(winner.split()[0]) > float(lunch.split()[0])
