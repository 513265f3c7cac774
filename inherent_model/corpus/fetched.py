"""`fetched.json`: what a corpus folder holds, and the digests that later fetches are held to."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from inherentd.inherent_model.corpus.public import RECORD, PublicCorpus, RemoteFile, is_safe_path
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was fetched and verified."""

    url: str
    bytes: int
    sha256: str
    licence: str
    time: str
    """UTC, ISO 8601"""
    verified_by: str
    """"sha256" or "md5" of the catalogue, or "first use" where it had no digest"""


class Fetched(msgspec.Struct, kw_only=True):
    """The record of one folder: `files` by path."""

    name: str
    version: str
    homepage: str
    files: dict[str, FetchedFile] = {}


class Digests(NamedTuple):
    """Size and digests of a file as it lies on the disk."""

    bytes: int
    sha256: str
    md5: str


def digests(path: Path) -> Digests:
    """Return size, SHA-256 and MD5 of a file, read once."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digests(size, sha256.hexdigest(), md5.hexdigest())


def problem(file: RemoteFile, found: Digests, known: FetchedFile | None) -> str | None:
    """Return what is wrong with a file of these digests, or None. The catalogue counts before the record."""
    if file.bytes is not None and found.bytes != file.bytes:
        return f"{found.bytes} bytes, expected {file.bytes} (catalogue)"
    for kind, got, expected in (("sha256", found.sha256, file.sha256), ("md5", found.md5, file.md5)):
        if expected and got != expected:
            return f"{kind} {got}, expected {expected} (catalogue)"
    if verified_by(file) == "first use" and known and found.sha256 != known.sha256:
        return f"sha256 {found.sha256}, expected {known.sha256} (what was first fetched, {known.time}; {RECORD})"
    return None


def verified_by(file: RemoteFile) -> str:
    """Return what vouches for the content: the strongest digest of the catalogue, or "first use"."""
    return "sha256" if file.sha256 else "md5" if file.md5 else "first use"


def entry(corpus: PublicCorpus, file: RemoteFile, found: Digests) -> FetchedFile:
    """Return the record's line for a file that has just been verified."""
    return FetchedFile(
        url=file.url,
        bytes=found.bytes,
        sha256=found.sha256,
        licence=file.licence or corpus.licence,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        verified_by=verified_by(file),
    )


def read(corpus: PublicCorpus, folder: Path) -> Fetched:
    """Return the folder's record, empty where there is none; one that cannot be read is a ModelError."""
    path = folder / RECORD
    if not path.is_file():
        return Fetched(name=corpus.name, version=corpus.version, homepage=corpus.homepage)
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Fetched)
    except msgspec.DecodeError as error:
        raise ModelError(f"{path}: {error}; move it away to fetch anew") from error
    if record.name != corpus.name:
        raise ModelError(f"{folder} holds the corpus {record.name!r}, not {corpus.name!r}; choose another --out")
    unsafe = [name for name in record.files if not is_safe_path(name)]
    if unsafe:
        raise ModelError(f"{path}: path {unsafe[0]!r} leads out of the folder; move the record away to fetch anew")
    return record


def write(folder: Path, record: Fetched) -> None:
    """Write the record, whole or not at all."""
    with whole(folder / RECORD) as unfinished:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
