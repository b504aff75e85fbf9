"""The examples in docstrings are tests: every module's are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import estimax

# Modules that only import where an optional package is installed.
OPTIONAL = {
    "PIL",
    "fsspec",
    "starlette",
    "uvicorn",
    "safetensors",
    "pandas",
    "polars",
    "scipy",
    "torch",
    "flax",
    "haiku",
    "equinox",
}
MODULES = sorted(m.name for m in pkgutil.walk_packages(estimax.__path__, "estimax.") if not m.name.endswith("__main__"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] in OPTIONAL:
            pytest.skip(f"{name} needs {error.name}")
        raise
    monkeypatch.chdir(tmp_path)  # an example may write files
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    for test in finder.find(module, name):
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
