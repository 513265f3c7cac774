"""Markdown tables, and the line that says where a page comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WRITTEN = "*Written from `{}` by `inherentd contracts --references .`: change the texts there.*"
NONE = "–"  # noqa: RUF001 - a dash that is no minus


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, its columns not padded."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
