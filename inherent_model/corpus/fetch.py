"""`inherent corpus fetch`: the files of a public corpus, in parallel, each verified before it takes its place."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from inherentd.inherent_model.corpus import fetched
from inherentd.inherent_model.corpus.check import Outcome
from inherentd.inherent_model.corpus.download import Download, Patience, open_client
from inherentd.inherent_model.corpus.folder import locked, refuse_full_disk, refuse_other_version, renewed
from inherentd.inherent_model.corpus.part import Part, size_of
from inherentd.inherent_model.corpus.public import PublicCorpus, RemoteFile
from inherentd.inherent_model.corpus.unpack import is_archive, unpack
from inherentd.inherent_model.errors import ModelError


@dataclass(frozen=True)
class Options:
    """How to fetch."""

    jobs: int = 4
    """files at a time"""
    replace: bool = False
    """throw away another version, and trust anew what was trusted on first use"""
    unpack: bool = False
    patience: Patience = field(default_factory=Patience)


def fetch(
    corpus: PublicCorpus, folder: Path, files: Sequence[RemoteFile], options: Options | None = None
) -> Iterator[Outcome]:
    """Yield an outcome for each file as it comes: fetched, there already, or why not. The record is kept up to date."""
    options = options or Options()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        record = fetched.read(corpus, folder)
        if options.replace:
            record = renewed(corpus, folder, record, files)
        refuse_other_version(corpus, folder, record)
        refuse_full_disk(folder, files, unpacking=options.unpack)
        for outcome in _in_parallel(corpus, folder, files, record, options):
            if outcome.entry:
                record.files[outcome.file.path] = outcome.entry
                fetched.write(folder, record)
            if outcome.ok and options.unpack and is_archive(outcome.file.path):
                yield _unpacked(folder, record.files[outcome.file.path].sha256, outcome)
            else:
                yield outcome


class _Bar:
    """A bar over the bytes of all files, with the time left. A file that begins again takes its bytes back."""

    def __init__(self, name: str, folder: Path, files: Sequence[RemoteFile]) -> None:
        # What is there from before counts as done, but not for the speed.
        there = {file.path: size_of(folder / file.path) or Part(folder / file.path).size for file in files}
        self.seen = {file.path: (there[file.path], max(file.bytes or 0, there[file.path])) for file in files}
        total = sum(total for _, total in self.seen.values())
        self.tqdm = tqdm(
            total=total, initial=sum(there.values()), desc=name, unit="B", unit_scale=True, file=sys.stderr
        )
        self.lock = threading.Lock()

    def report(self, path: str, position: int, total: int | None) -> None:
        """Say that `position` bytes of a file are there."""
        with self.lock:
            before, known = self.seen[path]
            self.seen[path] = (position, max(known, total or 0, position))
            self.tqdm.total += self.seen[path][1] - known
            self.tqdm.update(position - before)


def _in_parallel(
    corpus: PublicCorpus, folder: Path, files: Sequence[RemoteFile], record: fetched.Fetched, options: Options
) -> Iterator[Outcome]:
    stop, bar, pool = threading.Event(), _Bar(corpus.name, folder, files), ThreadPoolExecutor(options.jobs)
    with bar.tqdm, open_client(options.patience, options.jobs) as client:
        try:
            tasks = []
            for file in files:
                part, report = Part(folder / file.path), partial(bar.report, file.path)
                download = Download(client, file, part, options.patience, report, stop)
                tasks.append(pool.submit(_one, corpus, download, record.files.get(file.path)))
            for task in as_completed(tasks):
                yield task.result()
        finally:  # also on Ctrl-C: the threads end at their next piece, and the parts stay for the next fetch
            stop.set()
            pool.shutdown(cancel_futures=True)


def _one(corpus: PublicCorpus, download: Download, known: fetched.FetchedFile | None) -> Outcome:
    """Return the outcome of one file; runs in a thread of its own."""
    file, part = download.file, download.part
    by = fetched.verified_by(file)
    try:
        if part.target.is_file() and (known or by != "first use"):
            found = fetched.digests(part.target)
            if fetched.problem(file, found, known) is None:
                download.report(found.bytes, found.bytes)
                same = known is not None and known.sha256 == found.sha256
                entry = None if same else fetched.entry(corpus, file, found)
                return Outcome(file, ok=True, message=f"there already, right by {by}", entry=entry)
        pieced = download.run()
        wrong = fetched.problem(file, found := fetched.digests(part.path), known)
        if wrong and pieced:  # the pieces may be of two versions: once more in one
            part.discard()
            download.run()
            wrong = fetched.problem(file, found := fetched.digests(part.path), known)
        if wrong:
            part.discard()
            mend = "if its publisher changed it, --replace trusts the new one" if by == "first use" else "not kept"
            return Outcome(file, ok=False, message=f"{file.url}: {wrong}; {mend}")
        part.finish()
    except (ModelError, OSError) as error:
        return Outcome(file, ok=False, message=str(error))
    entry = fetched.entry(corpus, file, found)
    how = f"right by {by}"
    if by == "first use":
        how = f"as at first: sha256 {found.sha256}" if known else (
            f"nobody's digest of it is known, so this one is trusted: later fetches are held to sha256 {found.sha256}"
        )  # fmt: skip
    return Outcome(file, ok=True, message=f"fetched, {how}; licence {entry.licence}", entry=entry)


def _unpacked(folder: Path, sha256: str, outcome: Outcome) -> Outcome:
    try:
        place = unpack(folder / outcome.file.path, sha256)
    except ModelError as error:
        return replace(outcome, ok=False, message=str(error))
    return replace(outcome, message=f"{outcome.message}; unpacked in {place}")
