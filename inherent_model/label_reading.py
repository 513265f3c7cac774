"""A labels CSV -> rows, with everything that is wrong in its form, line by line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.heads import threshold_key
from inherentd.inherent_model.labels import FIXED_COLUMNS, Label, Labels, Problem


def read(path: Path) -> Labels:
    """Return the rows of a labels CSV with every problem of its form. ModelError when it cannot be read at all.

    A row with a wrong number of cells is left out; a cell that is no 0, 1 or number counts as empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
        if "\0" in text:
            raise ValueError("it holds NUL characters")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read ({error}); expected a CSV in UTF-8, see `inherent labels template`"
        ) from error
    problems: list[Problem] = []
    lines = _cells(text, problems)
    _, header = next(lines, (1, []))
    header = [name.strip() for name in header]
    heads = _heads(header, problems)
    rows = []
    for line, cells in lines:
        if len(cells) != len(header):
            problems.append(
                Problem(line, f"{len(cells)} cells, expected {len(header)}; a cell with a comma in it needs quotes")
            )
            continue
        rows.append(_label(line, dict(zip(header, map(str.strip, cells), strict=True)), heads, problems))
    return Labels(path.parent, heads, tuple(rows), tuple(problems))


def _cells(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty with the line it begins on."""
    reader = csv.reader(io.StringIO(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(line, f"not CSV from here on ({error}); a quote in a cell is written twice"))
            return
        if any(map(str.strip, cells)):
            yield line, cells


def _heads(header: list[str], problems: list[Problem]) -> tuple[str, ...]:
    """Return the names after the fixed columns."""
    missing = [name for name in FIXED_COLUMNS if name not in header]
    if missing:
        hint = "; write it with commas, not semicolons" if len(header) == 1 and ";" in header[0] else ""
        problems.append(
            Problem(1, f"columns missing: {', '.join(missing)}; got {', '.join(header) or 'nothing'}{hint}")
        )
    first = max((header.index(name) for name in FIXED_COLUMNS if name in header), default=-1) + 1
    unknown = [name for name in header[:first] if name not in FIXED_COLUMNS]
    if unknown:
        problems.append(Problem(1, f"columns unknown: {', '.join(unknown)}; after {header[first - 1]} come only heads"))
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        problems.append(Problem(1, f"columns twice: {', '.join(repeated)}; expected each once"))
    heads = tuple(header[first:])
    wrong = [name for name in heads if not re.fullmatch(r"[A-Za-z]\w*", name)]
    if wrong:
        problems.append(Problem(1, f"not names of heads: {wrong}; expected letters, digits and underscores"))
    elif len({threshold_key(name) for name in heads}) < len(set(heads)):
        problems.append(Problem(1, f"heads {list(heads)}: two share a threshold key; rename one"))
    if not heads:
        problems.append(Problem(1, "no head columns; expected the gate (isInteresting) after the fixed columns"))
    return heads


def _label(line: int, cells: dict[str, str], heads: Sequence[str], problems: list[Problem]) -> Label:
    wrong = [head for head in heads if cells[head] not in ("0", "1")]
    problems += (Problem(line, f"{head}: got {cells[head]!r}, expected 0 or 1") for head in wrong)
    fixed = {name: cells.get(name, "") for name in FIXED_COLUMNS}
    written = fixed.pop("duration_s")
    duration_s = _number(written)
    if written and duration_s is None:
        problems.append(Problem(line, f"duration_s: got {written!r}, expected seconds above 0, like 2.4"))
    return Label(line=line, duration_s=duration_s, fired=tuple(head for head in heads if cells[head] == "1"), **fixed)


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
