"""The rules that hold for the whole package: import ranks, the public list, import cost."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import estimax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import ranks  # noqa: E402


def test_imports_point_down_only():
    assert ranks.violations(ROOT / "estimax") == []


def test_the_rank_check_finds_an_upward_import(tmp_path):
    package = tmp_path / "estimax"
    (package / "core").mkdir(parents=True)
    (package / "core" / "x.py").write_text("from estimax.models import Model\n")
    assert ranks.violations(package) == ["estimax/core/x.py:1: core (rank 0) imports models (rank 4)"]


@pytest.mark.parametrize("name", estimax.__all__)
def test_every_public_name_exists(name):
    assert getattr(estimax, name) is not None


@pytest.mark.parametrize("package", [n for n in estimax._PACKAGES if (ROOT / "estimax" / n).is_dir()])
def test_public_lists_are_true_and_documented(package):
    module = importlib.import_module(f"estimax.{package}")
    assert module.__doc__
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) or callable(value):
            assert value.__doc__, f"{package}.{name} has no docstring"


def test_an_unknown_name_is_refused_with_the_public_ones():
    with pytest.raises(AttributeError, match="has no attribute 'Sequental'"):
        estimax.Sequental  # noqa: B018


@pytest.mark.parametrize(
    ("name", "place"), [("train", "ex.optimizers.legacy.train"), ("feature_column", "ex.feature_columns"), ("nn", "jax.nn")]
)
def test_a_name_of_tensorflow_leads_to_its_place(name, place):
    with pytest.raises(AttributeError, match=rf"{name}'.*{place}.*coming_from_tf_estimator"):
        getattr(estimax, name)
    assert not hasattr(estimax, name)


def test_import_loads_nothing_heavy():
    code = "import sys, estimax; print([m for m in ('pandas','pyarrow','orbax','optax','h5py','rich','tensorboardX','PIL','scipy.stats') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
