"""Closes a golden run with counts per family."""

from __future__ import annotations

from collections import Counter, defaultdict


def pytest_terminal_summary(terminalreporter):  # noqa: ANN001
    counts: dict[str, Counter] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "xfailed", "xpassed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            node = getattr(report, "nodeid", "")
            if "/golden/" in node and "[" in node:
                case = node.split("[", 1)[1]
                if case.startswith(("tf/", "keras/")):
                    counts["/".join(case.split("/")[:2])][outcome] += 1
    if counts:
        terminalreporter.section("golden cases")
        for family in sorted(counts):
            row = ", ".join(f"{n} {outcome}" for outcome, n in counts[family].items())
            terminalreporter.write_line(f"{family:32} {row}")
