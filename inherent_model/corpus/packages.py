"""The audio files of an installed Debian package, also those inside a game's archive."""

from __future__ import annotations

import struct
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inherentd.inherent_model.errors import ModelError

_QUEEN_MAGIC = b"QTBL"
_QUEEN_TABLE = 13  # bytes before the table: the magic, six of version, two unused, one that says how it is compressed
_QUEEN_ENTRY = struct.Struct(">12sBII")  # name, bundle, offset, size


@dataclass(frozen=True)
class Member:
    """One file, or one member of an archive."""

    name: str
    """what globs match: the file's path, with the member's path after it where it is in an archive"""
    file: Path
    inside: str = ""
    """the member's name in a zip archive"""
    offset: int = 0
    size: int = -1
    """bytes from `offset` on, -1 to the end: where it lies in an archive that is no zip"""

    def read(self) -> bytes:
        """Return the bytes."""
        if self.inside:
            with zipfile.ZipFile(self.file) as archive:
                return archive.read(self.inside)
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def files_of(package: str) -> list[Path]:
    """Return the files of an installed package in a fixed order; none where it is not installed."""
    try:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # not a Debian machine
        return []
    paths = [Path(line) for line in listed.stdout.splitlines() if line.startswith("/")]
    return sorted(path for path in paths if path.is_file()) if listed.returncode == 0 else []


def members(path: Path) -> Iterator[Member]:
    """Yield what an archive holds: a zip (.wz, .pk3 and so on), or the table of Flight of the Amazon Queen."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if not name.endswith("/"):
                    yield Member(f"{path}/{name}", path, inside=name)
        return
    try:
        yield from _queen_members(path)
    except (OSError, struct.error, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}; expected a zip archive or queen.1c: install the package again") from error


def _queen_members(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        magic = file.read(len(_QUEEN_MAGIC))
        if magic != _QUEEN_MAGIC:
            raise ModelError(f"{path}: begins with {magic!r}; expected a zip archive or {_QUEEN_MAGIC!r} (queen.1c)")
        file.seek(_QUEEN_TABLE)
        (count,) = struct.unpack(">H", file.read(2))
        table = file.read(count * _QUEEN_ENTRY.size)
    for name, _, offset, size in _QUEEN_ENTRY.iter_unpack(table):
        plain = name.rstrip(b"\0").decode("ascii")
        yield Member(f"{path}/{plain}", path, offset=offset, size=size)
