"""The table of `docs/coming_from_tf_estimator.md`: what it says is there is there, and no name is listed twice."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import estimax

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming_from_tf_estimator.md"
ROWS = re.findall(r"^\| `(tf\.\S+)` \| (same|different|gone) \| (?:`(\S+)`)? ?\| (.*)\|$", PAGE.read_text(), re.MULTILINE)
TABLE_LINES = len(re.findall(r"^\| `tf\.", PAGE.read_text(), re.MULTILINE))


def test_the_table_is_read_whole() -> None:
    assert len(ROWS) == TABLE_LINES > 200
    names = [name for name, *_ in ROWS]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)


@pytest.mark.parametrize("name", sorted({ours for _, status, ours, _ in ROWS if status != "gone"}))
def test_a_name_that_is_listed_exists(name: str) -> None:
    assert functools.reduce(getattr, name.split(".")[1:], estimax) is not None


def test_what_is_gone_says_why_and_what_differs_names_its_place() -> None:
    assert [name for name, status, ours, note in ROWS if status == "gone" and (ours or not note.strip())] == []
    assert [name for name, status, ours, _ in ROWS if status != "gone" and not ours.startswith("ex.")] == []
    assert [name for name, status, _, note in ROWS if status == "different" and not note.strip()] == []


@pytest.mark.parametrize("package", ["estimator", "estimator.experimental", "estimator.export", "feature_columns"])
def test_every_public_name_of_the_package_is_listed_or_new(package: str) -> None:
    """Names that TensorFlow never had are listed here, so that a new one is a decision."""
    new = {
        "estimator": {"experimental", "export", "named"},
        "estimator.experimental": {"LinearSVM", "read_eval_metrics"},
        "estimator.export": set(),
        "feature_columns": {
            "CategoricalColumn", "DenseColumn", "FeatureColumn", "SequenceColumn", "deserialize_feature_columns", "serialize_feature_columns",
            "FrequentValues", "Quantiles", "Rescale", "Standardize", "Suggestion", "adapt", "suggest", "ids_of",
            "categorical_column_with_dynamic_vocabulary",
        },
    }[package]  # fmt: skip
    listed = {ours.removeprefix(f"ex.{package}.") for *_, ours, _ in ROWS if ours.startswith(f"ex.{package}.")}
    names = functools.reduce(getattr, package.split("."), estimax).__all__
    assert sorted(set(names) - listed - new) == []
