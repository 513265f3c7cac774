"""`inherent corpus`: make the clips of a recipe, get public corpora and real speech, make them ours."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from inherentd.inherent_model.corpus.spread import SPREADS
from inherentd.inherent_model.corpus.voices import SMALL_ENGINES
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent corpus`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    # No abbreviations: --engine and --engines are two things.
    build = actions.add_parser("build", help="make every clip of a recipe that is not there yet", allow_abbrev=False)
    build.add_argument("--config", type=Path, required=True, help="corpus recipe, e.g. configs/corpus/first.yaml")
    build.add_argument(
        "--engines", nargs="+", choices=("kokoro", *SMALL_ENGINES), metavar="SYNTHESIZER",
        help="who speaks: make the clips of these synthesizers only, e.g. --engines flite espeak (default: all of the recipe)",
    )  # fmt: skip
    build.add_argument(
        "--splits", nargs="+", choices=SPLITS, metavar="SPLIT",
        help="make the clips of these splits only, e.g. --splits test for what `inherent eval` needs (default: all)",
    )  # fmt: skip
    build.add_argument(
        "--engine", choices=tuple(SPREADS), default="local",
        help="where the work runs: processes of this machine (local), or Ray's cluster at RAY_ADDRESS, or here (default: local)",
    )  # fmt: skip
    build.add_argument(
        "--workers", type=_positive, default=os.cpu_count() or 1,
        help="processes on this machine (default: one a core); a cluster at RAY_ADDRESS uses all of its cores",
    )  # fmt: skip

    fetch = actions.add_parser("fetch", help="get a public corpus by name")
    fetch.add_argument("name", nargs="?", help="e.g. slurp, massive, librispeech, musan; --list names them all")
    fetch.add_argument("--out", type=Path, help="folder (default: corpora/NAME)")
    fetch.add_argument("--groups", nargs="+", default=[], metavar="GROUP", help='parts of the corpus, or "all"')
    fetch.add_argument("--only", nargs="+", default=[], metavar="FILE", help="these files only")
    fetch.add_argument("--jobs", type=_positive, default=4, help="files at a time (default: 4)")
    fetch.add_argument("--unpack", action="store_true", help="unpack archives, each into a folder of its name")
    fetch.add_argument("--replace", action="store_true", help="throw away another version; trust changed files anew")
    fetch.add_argument("--catalogue", type=Path, metavar="FILE", help="your own catalogue file (docs/corpora.md)")
    fetch.add_argument("--check", action="store_true", help="verify what is there, fetch nothing")
    fetch.add_argument("--list", action="store_true", help="list the corpora, or the files of one")

    real = actions.add_parser("real", help="decode the real, unaddressed speech that comes inside Debian packages")
    real.add_argument("--config", type=Path, required=True, help="recipe, e.g. configs/corpus/real.yaml")
    real.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="at a time (default: one a core)")

    transcribe = actions.add_parser("transcribe", help="write down what real clips say, with Whisper, for training")
    transcribe.add_argument("--manifest", type=Path, required=True, help="e.g. corpora/real/manifest.jsonl")
    transcribe.add_argument("--model", required=True, help="folder in faster-whisper's form, or a name such as tiny.en")
    transcribe.add_argument("--language", default="en", help="clips in this language only (default: en)")
    transcribe.add_argument("--split", choices=SPLITS, default="train", help="clips of this split (default: train)")
    transcribe.add_argument(
        "--min-seconds", type=float, default=0.0, help="clips of at least this length only (default: all)"
    )
    transcribe.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="at a time (one a core)")

    convert = actions.add_parser("convert", help="turn a fetched corpus into what recipes read")
    convert.add_argument(
        "name", help="slurp, massive, clinc150, librispeech, musan, speech_commands or speech_commands_12"
    )
    convert.add_argument("folder", type=Path, help="where it was fetched and unpacked, e.g. corpora/slurp")
    convert.add_argument(
        "--out", type=Path, required=True, help="X.tsv: sentences; X.jsonl: recordings; else a folder of noise"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run one action and return its exit code."""
    if arguments.action == "build":
        return _build(arguments)
    try:
        module = importlib.import_module(f"inherentd.inherent_model.commands.{arguments.action}")
    except ImportError as error:
        raise ModelError(f"{error}: pip install 'inherentd[corpus]'") from error
    return int(module.run(arguments))


def _build(arguments: argparse.Namespace) -> int:
    """Build the corpus and print how many clips of each split and engine there are."""
    try:
        from inherentd.inherent_model.corpus.build import build, load_recipe
    except ImportError as error:
        raise ModelError(f"{error}: pip install 'inherentd[corpus]'") from error
    counts = build(
        load_recipe(arguments.config), workers=arguments.workers, engines=arguments.engines,
        splits=arguments.splits, spread_by=SPREADS[arguments.engine],
    )  # fmt: skip
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} clips", file=sys.stderr)
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number of files at a time: 1 or more")
    return value
