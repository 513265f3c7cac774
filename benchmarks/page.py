"""The page of all benchmarks, from what they wrote: one section a table, nothing typed by hand.

    python -m benchmarks.page FOLDER… docs/benchmarks.md

A FOLDER is what a benchmark's --out names. Sections stand in the order of the folders, in each by file name. Pictures are copied
beside the page, as benchmarks-NAME.png.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import tables

INTRODUCTION = """\
# Benchmarks

Each table was written by the command above it; `python -m benchmarks.page` made this page of their files. Machine, versions and audio
stand below each. Another machine gives other figures: run the command.
"""


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("page", type=Path, metavar="PAGE.md")
    arguments = parser.parse_args()
    if arguments.page.suffix != ".md":
        parser.error(f"{arguments.page}: the last argument is the page to write, NAME.md")
    try:
        files = [path for folder in arguments.folders for path in found_in(folder)]
        sections = [section(path, arguments.page.parent) for path in files]
    except (OSError, ValueError) as error:
        print(f"benchmarks.page: {error}", file=sys.stderr)
        return 1
    contents = [f"- [{title}](#{anchor(title)})" for title, _ in sections]
    parts = [INTRODUCTION, "\n".join(contents) + "\n", *(text for _, text in sections)]
    arguments.page.write_text("\n".join(parts).rstrip("\n") + "\n")
    print(f"{arguments.page}: {len(sections)} tables")
    return 0


def found_in(folder: Path) -> list[Path]:
    """Return the tables of a folder. ValueError where it has none."""
    files = sorted(folder.glob("*.json"), key=lambda path: path.stem)
    if not files:
        raise ValueError(f"{folder}: no table there; give a folder that a benchmark wrote with --out")
    return files


def section(path: Path, beside: Path) -> tuple[str, str]:
    """Return title and text of a table's section; its picture is copied into the folder `beside`."""
    table = tables.read(path)
    if table.picture:
        name = f"benchmarks-{path.stem}.png"
        shutil.copyfile(path.parent / table.picture, beside / name)
        table = replace(table, picture=name)
    return table.title, tables.markdown(table, "##")


def anchor(title: str) -> str:
    """Return what a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
