"""What a corpus folder holds against what it should hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.inherent_model.corpus import fetched
from inherentd.inherent_model.corpus.folder import refuse_other_version
from inherentd.inherent_model.corpus.part import Part
from inherentd.inherent_model.corpus.public import RECORD, PublicCorpus, RemoteFile


@dataclass(frozen=True)
class Outcome:
    """How it went with one file: whether it is there and right, and a line to show."""

    file: RemoteFile
    ok: bool
    message: str
    entry: fetched.FetchedFile | None = None
    """for the record, where it has none yet"""


def check(corpus: PublicCorpus, folder: Path, files: Sequence[RemoteFile]) -> Iterator[Outcome]:
    """Yield an outcome for each file, as it lies there, without fetching."""
    record = fetched.read(corpus, folder)
    refuse_other_version(corpus, folder, record)
    for file in files:
        path, known = folder / file.path, record.files.get(file.path)
        if not path.is_file():
            begun = Part(path).size
            yield Outcome(file, ok=False, message=f"missing; {begun} bytes of it are there" if begun else "missing")
        elif known is None and fetched.verified_by(file) == "first use":
            yield Outcome(file, ok=False, message=f"neither the catalogue nor {RECORD} has a digest to hold it to")
        else:
            wrong = fetched.problem(file, fetched.digests(path), known)
            yield Outcome(file, wrong is None, wrong or f"right by {fetched.verified_by(file)}")
