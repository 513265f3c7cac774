"""What the pictures of files are called."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path


def pictures(files: Sequence[str]) -> list[str]:
    """Return a file name for each: that of the file with .png, numbered where another one has it (also on a file system
    that takes A and a for the same)."""
    names: list[str] = []
    taken = set[str]()
    for file in files:
        stem = Path(file).stem
        numbered = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        name = next(name for name in numbered if name.casefold() not in taken)
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names
