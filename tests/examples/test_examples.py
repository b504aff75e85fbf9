"""Every example runs, with small settings, and says what its documentation promises."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DATA = Path(os.environ.get("ESTIMAX_DATA") or EXAMPLES.parents[1] / "shared" / "data")


def load(name: str) -> ModuleType:
    """An example as a module, whose `main` may be called."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints for these arguments."""
    monkeypatch.setattr("sys.argv", [f"{name}.py", *arguments])
    load(name).main()
    return capsys.readouterr().out


def test_every_example_has_a_test() -> None:
    written = "".join(p.read_text() for p in Path(__file__).parent.glob("test_*.py"))
    assert [p.stem for p in EXAMPLES.glob("*.py") if f'"{p.stem}"' not in written] == []


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = run("quickstart", ["--steps", "300", "--rows", "5000", "--model-dir", str(tmp_path)], monkeypatch, capsys)
    metrics = {name: float(value) for name, value in re.findall(r"│ (\S+) +│ (\S+) +│", out)}
    assert metrics["global_step"] == 300
    assert metrics["auc"] > 0.75
    assert out.count("P(renews)") == 3
    (export,) = (tmp_path / "export").iterdir()
    assert f"exported to {export}" in out


def test_custom_model_fn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = run("custom_model_fn", ["--steps", "200"], monkeypatch, capsys)
    assert [float(a) > 0.85 for a in re.findall(r"accuracy (\S+),", out)] == [True, True]


def test_digits_cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    out = run("digits_cnn", ["--epochs", "2", "--model-dir", str(tmp_path)], monkeypatch, capsys)
    by_epoch = re.search(r"by epoch: (.+)", out)
    assert by_epoch is not None
    before, after = re.search(r"accuracy (\S+), after one more epoch (\S+)", out).groups()  # type: ignore[union-attr]
    assert before == by_epoch.group(1).split()[-1]  # the estimator starts from the model's weights
    assert float(after) > 0.5
    assert (tmp_path / "checkpoints" / "23").is_dir()


def test_digits_cnn_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="pip install scikit-learn"):
        load("digits_cnn").digits()


def test_census(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = DATA / "census"
    if not (data / "adult.data").is_file():
        pytest.skip("adult.data is not there; put the folder above that of UCI Adult into ESTIMAX_DATA")
    arguments = ["--data", str(data), "--model-dir", str(tmp_path), "--steps", "100"]
    out = run("census", arguments, monkeypatch, capsys)
    metrics = dict(re.findall(r"^(\S+) +(\d\.\d+)$", out, re.MULTILINE))
    assert float(metrics["accuracy"]) > 0.8
    assert out.count("P(income > 50K)") == 3
