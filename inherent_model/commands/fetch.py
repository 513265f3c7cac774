"""`inherent corpus fetch NAME`: get a public corpus by name, or check what is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from inherentd.inherent_model.corpus.check import Outcome, check
from inherentd.inherent_model.corpus.fetch import Options, fetch
from inherentd.inherent_model.corpus.fetched import verified_by
from inherentd.inherent_model.corpus.public import PublicCorpus, load_corpus, names, read_catalogue, select
from inherentd.inherent_model.errors import ModelError


def run(arguments: argparse.Namespace) -> int:
    """Fetch, check or list; return 1 when a required file is not there and right."""
    if arguments.list:
        return _list(arguments.name, arguments.catalogue)
    if arguments.name is None:
        raise ModelError(f"fetch: which corpus? known are {', '.join(names())}; --list says more of them")
    corpus = load_corpus(arguments.name, arguments.catalogue)
    folder = arguments.out or Path("corpora") / corpus.name
    files = select(corpus, arguments.groups, arguments.only)
    if arguments.check:
        return _tell(check(corpus, folder, files))
    _say(f"{corpus.name} {corpus.version}: {corpus.licence}; {corpus.homepage}")
    if not arguments.only and (left_out := [group for group in corpus.groups if group not in {f.group for f in files}]):
        _say(f"left out unless named with --groups: {', '.join(left_out)}")
    options = Options(jobs=arguments.jobs, replace=arguments.replace, unpack=arguments.unpack)
    return _tell(fetch(corpus, folder, files, options))


def _tell(outcomes: Iterable[Outcome]) -> int:
    missed = 0
    for outcome in outcomes:
        kind = "" if outcome.ok else "failed: " if outcome.file.required else "warning, optional: "
        missed += not outcome.ok and outcome.file.required
        _say(f"{kind}{outcome.file.path}: {outcome.message}")
    if missed:
        _say(f"{missed} required file{'s are' if missed > 1 else ' is'} not there as it should be")
    return 1 if missed else 0


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)  # above the bar, where there is one


def _list(name: str | None, catalogue: Path | None) -> int:
    if name is not None:
        _print_files(load_corpus(name, catalogue))
    elif catalogue is not None:
        _print_files(read_catalogue(catalogue))
    else:
        for known in map(load_corpus, names()):
            groups = f"; groups: {', '.join(known.groups)}" if known.groups else ""
            print(
                f"{known.name} {known.version}: {_size(sum(f.bytes or 0 for f in known.files))}, {known.licence}{groups}"
            )
    return 0


def _print_files(corpus: PublicCorpus) -> None:
    print(f"{corpus.name} {corpus.version}: {corpus.licence}; {corpus.homepage}")
    for file in corpus.files:
        group = f", group {file.group}" if file.group else ""
        kind = "required" if file.required else "optional"
        print(f"  {file.path}: {_size(file.bytes)}, {kind}{group}, held to {verified_by(file)}")
    if corpus.default_groups:
        print(f"  without --groups: {', '.join(corpus.default_groups)}")


def _size(count: float | None) -> str:
    """Return a size for reading: "6.39 GB"; sizes that nobody states are unknown."""
    if not count:
        return "size not stated"
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
