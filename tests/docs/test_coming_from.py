"""The table of `docs/coming_from_tf_estimator.md`: what it says is there is there, and no name is listed twice."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import estimax

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming_from_tf_estimator.md"
ROWS = re.findall(r"^\| `(tf\.\S+)` \| (same|different|gone) \| (?:`(\S+)`)? ?\| (.*)\|$", PAGE.read_text(), re.MULTILINE)
NEW = re.findall(r"^\| `(ex\.\S+)` \| [^|]+ \|$", PAGE.read_text(), re.MULTILINE)
TABLE_LINES = len(re.findall(r"^\| `tf\.", PAGE.read_text(), re.MULTILINE))


def test_the_table_is_read_whole() -> None:
    assert len(ROWS) == TABLE_LINES > 200
    names = [name for name, *_ in ROWS]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)


@pytest.mark.parametrize("name", sorted({ours for _, status, ours, _ in ROWS if status != "gone"} | set(NEW)))
def test_a_name_that_is_listed_exists(name: str) -> None:
    assert functools.reduce(getattr, name.split(".")[1:], estimax) is not None


def test_what_is_gone_says_why_and_what_differs_names_its_place() -> None:
    assert [name for name, status, ours, note in ROWS if status == "gone" and (ours or not note.strip())] == []
    assert [name for name, status, ours, _ in ROWS if status != "gone" and not ours.startswith("ex.")] == []
    assert [name for name, status, _, note in ROWS if status == "different" and not note.strip()] == []
