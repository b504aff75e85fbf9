"""The reference can be written: every public name of every package has a docstring, and a signature that reads well."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "api_pages.py"
_spec = importlib.util.spec_from_file_location("api_pages", SCRIPT)
assert _spec is not None and _spec.loader is not None
api_pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api_pages)


@pytest.mark.parametrize("family", api_pages.FAMILIES)
def test_page(family: str) -> None:
    text = api_pages.page(family)
    assert text.startswith(f"# estimax.{family}\n") and "object at 0x" not in text


@pytest.mark.parametrize("family", api_pages.FAMILIES)
def test_every_public_name_has_a_docstring(family: str) -> None:
    module = importlib.import_module(f"estimax.{family}")
    found = {n: getattr(module, n) for n in api_pages.public_names(module)}
    assert [n for n, v in found.items() if callable(v) and not (inspect.getdoc(v) or "").strip()] == []


def test_a_docstring_becomes_markdown() -> None:
    doc = "Adds.\n\nArgs:\n    x: a number.\n\nExample:\n    >>> 1 + 1\n    2\n"
    assert api_pages.as_markdown(doc) == "Adds.\n\n**Args**\n\n- `x`: a number.\n\n**Example**\n\n```pycon\n>>> 1 + 1\n2\n```"


def test_all_pages_are_written(tmp_path: Path) -> None:
    api_pages.main(tmp_path)
    assert {p.stem for p in tmp_path.glob("*.md")} == {*api_pages.FAMILIES, "index"}
