"""What every benchmark writes: a table with the command that made it and the conditions it was made under, as JSON and Markdown.

`python -m benchmarks.page FOLDER… docs/benchmarks.md` makes a page of such files; nothing on it is typed by hand.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Cell = str | float


@dataclass(frozen=True)
class Table:
    """One table. A cell is text, or a number where something was measured; "-" stands for what does not apply."""

    title: str
    command: str
    """that makes it again"""
    conditions: dict[str, str]
    """machine and versions (`machine()`, `versions_of()`), the audio, whatever the figures depend on"""
    columns: list[str]
    """with the unit in the name"""
    rows: list[list[Cell]]
    """each as long as `columns`"""
    notes: list[str] = field(default_factory=list)
    """what the reader must know, the aim among it; a sentence each"""
    picture: str | None = None
    """a PNG in the same folder"""

    def __post_init__(self) -> None:
        """Refuse what would be a crooked table."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: a row has {len(row)} cells, expected {len(self.columns)}: {row}"
                )


def machine() -> dict[str, str]:
    """Return what the figures were made on, and how busy it was: date (UTC), cpu, cores, os, python, load."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "os": _os(),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()) + " (1, 5, 15 minutes)",
    }


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package; those that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def command_line(module: str, arguments: Sequence[str] | None = None) -> str:
    """Return the command as a user types it, `python -m benchmarks.NAME …`, without where its files went; paths in the working
    directory without its name. arguments: the process's own when not given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--out" in given:
        place = given.index("--out")
        del given[place : place + 2]
    return " ".join(["python -m", module, *(shlex.quote(each.removeprefix(f"{Path.cwd()}/")) for each in given)])


def write(folder: Path, name: str, table: Table) -> None:
    """Write NAME.json and NAME.md into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(asdict(table), indent=1, ensure_ascii=False) + "\n")
    (folder / f"{name}.md").write_text(markdown(table))


def publish(folder: Path | None, name: str, table: Table, draw: Callable[[Path], None] | None = None) -> None:
    """Print a table, and write it where a folder is given, with the picture NAME.png that `draw` makes."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if draw is not None:
            draw(folder / f"{name}.png")
            table = replace(table, picture=f"{name}.png")
        write(folder, name, table)
    print(markdown(table))


def read(path: Path) -> Table:
    """Return a table from its JSON file. ValueError, in one line, where it is something else."""
    try:
        return Table(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: no table of a benchmark: {error}") from error


def markdown(table: Table, heading: str = "#", picture_folder: str = "") -> str:
    """Return the table for people: heading, command, table, notes, picture, conditions."""
    lines = [f"{heading} {table.title}", "", f"    {table.command}", "", *grid(table.columns, table.rows), ""]
    lines += [f"- {note}" for note in table.notes]
    if table.notes:
        lines.append("")
    if table.picture:
        lines += [f"![{table.title}]({picture_folder}{table.picture})", ""]
    lines += ["Conditions: " + "; ".join(f"{name} {value}" for name, value in table.conditions.items()) + ".", ""]
    return "\n".join(lines)


def grid(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = [[_shown(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [list(columns), ["---"] * len(columns), *cells]]


def _shown(cell: Cell) -> str:
    """Return a number with three digits that matter, and text as it is."""
    if isinstance(cell, str):
        return cell.replace("|", "\\|").replace("\n", " ")
    if isinstance(cell, int) or abs(cell) >= 100:
        return f"{cell:.0f}"
    return f"{cell:.3g}"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return models[0].split(":", 1)[1].strip() if models else platform.processor() or platform.machine()


def _os() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"
