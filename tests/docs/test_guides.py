"""The Python blocks of the guides run, top to bottom, in one folder with the small files that they read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
OTHERS = ("import tensorflow", "import keras", "# Keras")  # the other side of a comparison


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page that are meant to run here."""
    return [b for b in BLOCK.findall(page.read_text()) if not any(o in b for o in OTHERS)]


def write_files(folder: Path) -> None:
    """`people.csv`: 300 persons."""
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 80, 300), rng.choice(["Oslo", "Lima", "Kyoto"], 300)
    lines = [f"{a},{c},{int(a > 40 or c == 'Lima')}" for a, c in zip(age, city)]
    (folder / "people.csv").write_text("\n".join(["age,city,label", *lines, ""]))


@pytest.mark.parametrize("page", [g for g in GUIDES if blocks(g)], ids=lambda p: p.name)
def test_guide(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    namespace: dict[str, object] = {"__name__": "guide"}
    for block in blocks(page):
        exec(compile(block, page.name, "exec"), namespace)


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.name)
def test_links_of_a_guide_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []
