"""Writes the reference: one Markdown page for each package of public names, from the docstrings, which run as tests.

python scripts/api_pages.py FOLDER
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FAMILIES = (
    "estimator", "estimator.experimental", "estimator.export", "feature_columns", "data", "datasets", "models", "layers", "losses", "metrics",
    "optimizers", "optimizers.schedules", "initializers", "regularizers", "constraints", "activations", "callbacks", "training", "export",
    "summary", "distribution", "core", "testing",
    "ops", "ops.image", "random", "utils", "saving", "config",
)  # fmt: skip
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example", "Examples", "Reference", "References")
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):(.*)$")


def public_names(module: Any) -> list[str]:
    """The names of a package's list, or those of functions and classes that it defines."""
    if hasattr(module, "__all__"):
        return [n for n in module.__all__ if not inspect.ismodule(getattr(module, n)) and n != "__version__"]
    return sorted(n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__)


def signature_of(name: str, thing: Any) -> str:
    """`name(arguments)`, without annotations; the name alone for what cannot be called."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return name
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return name + re.sub(r"<([\w.]+) [^>]*>", r"\1", str(inspect.Signature(plain)))


def sections_of(doc: str) -> Iterator[tuple[str, list[str]]]:
    """`(title, lines)` of a docstring's parts, dedented; the first has no title."""
    title, lines = "", []
    for line in inspect.cleandoc(doc).splitlines():
        found = _SECTION.match(line)
        if found:
            yield title, lines
            title, lines = found.group(1), [found.group(2).strip()] if found.group(2).strip() else []
        else:
            lines.append(line.removeprefix("    ") if title else line)
    yield title, lines


def as_markdown(doc: str) -> str:
    """A docstring as Markdown: its text, lists of arguments, examples as code."""
    parts = []
    for title, lines in sections_of(doc):
        text = "\n".join(lines).strip("\n")
        if not text:
            continue
        if title.startswith("Example") and ">>>" in text:
            text = f"```pycon\n{text}\n```"
        elif title in ("Args", "Attributes", "Raises"):
            text = re.sub(r"^(\*{0,2}[\w., *]+):", r"- `\1`:", text, flags=re.MULTILINE)
        parts.append(f"**{title}**\n\n{text}" if title else text)
    return "\n\n".join(parts)


def methods_of(thing: Any) -> Iterator[tuple[str, str]]:
    """Name and first sentence of the public methods and properties that a class defines itself."""
    for name, value in vars(thing).items() if inspect.isclass(thing) else ():
        value = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if name[0] != "_" and (inspect.isfunction(value) or isinstance(value, property)) and value.__doc__:
            first = inspect.cleandoc(value.__doc__).split("\n\n")[0].replace("\n", " ")
            yield (
                (
                    name
                    if isinstance(value, property)
                    else signature_of(name, value).replace("(self, ", "(").replace("(self)", "()")
                ),
                first,
            )


def page(family: str) -> str:
    """The page of a package."""
    module = importlib.import_module(f"estimax.{family}")
    parts = [f"# estimax.{family}", as_markdown(module.__doc__ or "")]
    for name in public_names(module):
        thing = getattr(module, name)
        parts.append(f"## {name}")
        if callable(thing):
            parts.append(f"```python\n{signature_of(name, thing)}\n```")
            parts.append(as_markdown(inspect.getdoc(thing) or ""))
            rows = [f"- `{method}`: {text}" for method, text in methods_of(thing)]
            parts.append("**Methods**\n\n" + "\n".join(rows) if rows else "")
        else:
            parts.append(f"`{thing!r}`")
    return "\n\n".join(p for p in parts if p) + "\n"


def main(folder: Path) -> None:
    """Writes all pages and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        (folder / f"{family}.md").write_text(page(family))
    index = [f"- [estimax.{f}]({f}.md)" for f in FAMILIES]
    (folder / "index.md").write_text("# Reference\n\n" + "\n".join(index) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
