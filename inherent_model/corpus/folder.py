"""The folder of a public corpus: one fetch at a time, one version, room enough."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from inherentd.inherent_model.corpus import fetched
from inherentd.inherent_model.corpus.part import Part, size_of
from inherentd.inherent_model.corpus.public import PublicCorpus, RemoteFile
from inherentd.inherent_model.corpus.unpack import is_archive, is_ours, unpacked_folder
from inherentd.inherent_model.errors import ModelError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other fetches out of the folder: two that write the same file would spoil it."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(
                f"{folder}: another fetch is at work there; wait for it, or choose another --out"
            ) from error
        yield


def refuse_other_version(corpus: PublicCorpus, folder: Path, record: fetched.Fetched) -> None:
    """Raise ModelError when the folder holds another version than the catalogue names."""
    if record.version != corpus.version:
        raise ModelError(
            f"{folder} holds {record.name} {record.version}, the catalogue says {corpus.version}: choose another --out "
            "to have both, or --replace to throw the old one away"
        )


def renewed(
    corpus: PublicCorpus, folder: Path, record: fetched.Fetched, files: Sequence[RemoteFile]
) -> fetched.Fetched:
    """Return the record to go on with under --replace.

    Of another version everything goes, but for files that the new one has too; of the same, what was trusted on first
    use is forgotten, so that it is fetched and trusted anew.
    """
    if record.version == corpus.version:
        for file in files:
            record.files.pop(file.path, None)
        return record
    expected = {file.path: file.sha256 for file in corpus.files}
    for path, entry in record.files.items():
        if expected.get(path) != entry.sha256:
            (folder / path).unlink(missing_ok=True)
            if is_archive(path) and is_ours(unpacked_folder(folder / path)):
                shutil.rmtree(unpacked_folder(folder / path))
    fresh = fetched.Fetched(name=corpus.name, version=corpus.version, homepage=corpus.homepage)
    fetched.write(folder, fresh)
    return fresh


def refuse_full_disk(folder: Path, files: Sequence[RemoteFile], *, unpacking: bool) -> None:
    """Raise ModelError when what is still to come, as far as its size is known, does not fit on the disk."""
    needed = 0
    for file in files:
        there = size_of(folder / file.path) or Part(folder / file.path).size
        needed += max((file.bytes or 0) - there, 0)
        if unpacking and is_archive(file.path) and not is_ours(unpacked_folder(folder / file.path)):
            needed += file.bytes or 0  # at least so much: what is in an archive is rarely smaller
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError(
            f"{folder}: {needed / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free; make room, take fewer --groups, "
            "or choose another --out"
        )
