"""Checks that imports point down the ranks of docs/architecture.md only; prints each one that does not."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

RANKS = {
    "core": 0,
    **dict.fromkeys(("activations", "initializers", "regularizers", "constraints"), 1),
    **dict.fromkeys(("losses", "metrics", "optimizers", "data", "distribution"), 1),
    "layers": 2,
    **dict.fromkeys(("feature_columns", "training", "introspect", "ops"), 3),
    "models": 4,
    "export": 5,
    "estimator": 6,
}
TOP = 7  # modules directly below estimax/, and its other packages


def rank(package: str) -> int:
    """The rank of a package or top-level module."""
    return RANKS.get(package, TOP)


def imported(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and package of every import of estimax in a module, also of those inside functions."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name.split(".")[1]) for a in node.names if a.name.startswith("estimax.")]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] == "estimax":
                found += [(node.lineno, parts[1])] if len(parts) > 1 else [(node.lineno, a.name) for a in node.names]
    return found


def violations(root: Path) -> list[str]:
    """Imports that point up or sideways, as lines to print."""
    rows = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        own = parts[0] if len(parts) > 1 else "estimax"
        for line, other in imported(ast.parse(file.read_text())):
            if other in (own, "_version"):
                continue
            if rank(own) == TOP or rank(other) < rank(own):
                continue
            # Activations and their like are one rank but know nothing of each other either.
            rows.append(f"{file.relative_to(root.parent)}:{line}: {own} (rank {rank(own)}) imports {other} (rank {rank(other)})")
    return rows


if __name__ == "__main__":
    found = violations(Path(__file__).resolve().parents[1] / "estimax")
    print("\n".join(found) if found else "import ranks: fine")
    sys.exit(bool(found))
