"""A file that is being fetched: its bytes so far (`X.part`) and what the server said of it (`X.part.json`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec

from inherentd.inherent_model.corpus.public import NOTES, PART


class Notes(msgspec.Struct, frozen=True):
    """What tells one version of a file on a server from another."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None
    """bytes of the whole file"""

    def contradict(self, other: Notes) -> bool:
        """Return whether both say something of the same thing, and not the same."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return any(mine is not None and its is not None and mine != its for mine, its in pairs)


def notes_of(url: str, response: httpx2.Response) -> Notes:
    """Return what an answer says of the file it is, or (206) is a part of."""
    size = response.headers.get("content-length", "")
    if response.status_code == 206:
        size = response.headers.get("content-range", "").rpartition("/")[2]
    total = int(size) if size.isdigit() else None
    return Notes(url, response.headers.get("etag"), response.headers.get("last-modified"), total)


def range_start(response: httpx2.Response) -> int | None:
    """Return the first byte of a partial answer, or None where it does not say."""
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(found[1]) if found else None


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


@dataclass(frozen=True)
class Part:
    """What lies beside `target` until it is whole and verified."""

    target: Path

    @property
    def path(self) -> Path:
        """The bytes so far."""
        return self.target.with_name(self.target.name + PART)

    @property
    def _notes_path(self) -> Path:
        return self.target.with_name(self.target.name + NOTES)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return size_of(self.path)

    def notes(self, url: str, *, has_digest: bool) -> Notes | None:
        """Return the notes of a part that may be gone on with, else None."""
        try:
            notes = msgspec.json.decode(self._notes_path.read_bytes(), type=Notes)
        except (OSError, msgspec.DecodeError):
            return None
        # Without a digest to expect and without the server's word nothing would tell two versions apart.
        told_apart = has_digest or notes.etag or notes.modified
        return notes if notes.url == url and told_apart and self.path.is_file() else None

    def begin(self, notes: Notes) -> None:
        """Begin from the first byte. The old bytes go first: they must never lie beside the new notes."""
        self.path.unlink(missing_ok=True)
        self._notes_path.write_bytes(msgspec.json.encode(notes))

    def discard(self) -> None:
        """Throw away the bytes and the notes."""
        self.path.unlink(missing_ok=True)
        self._notes_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the verified bytes in their place, whole or not at all."""
        self.path.replace(self.target)
        self._notes_path.unlink(missing_ok=True)
