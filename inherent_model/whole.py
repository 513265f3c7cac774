"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block has ended without an error."""
    unfinished = path.with_name(f"{path.name}.part")
    yield unfinished
    unfinished.rename(path)
