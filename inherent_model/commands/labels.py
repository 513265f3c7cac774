"""`inherent labels`: check a CSV of recordings, decide its splits, turn it into a manifest, or begin one."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from inherentd.inherent_model import label_checks, label_reading, label_splits, labels
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.labels import Labels
from inherentd.inherent_model.manifest import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `inherent labels`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    validate = actions.add_parser("validate", help="report every problem of a CSV and its recordings")
    validate.add_argument("file", type=Path, metavar="FILE", help="the labels CSV")
    split = actions.add_parser("split", help="fill in the splits; speakers and sessions stay whole")
    split.add_argument("file", type=Path, metavar="FILE", help="the labels CSV")
    split.add_argument("--out", type=Path, required=True, help="CSV to write; may be FILE itself")
    add_split_arguments(split)
    manifest = actions.add_parser("manifest", help="write what a training recipe names under `manifests`")
    manifest.add_argument("file", type=Path, metavar="FILE", help="the labels CSV, with splits")
    manifest.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    template = actions.add_parser("template", help="write an empty CSV with its header")
    template.add_argument("--out", type=Path, help="file to write (default: standard output)")
    template.add_argument("--example", action="store_true", help="with one row that shows what belongs where")
    template.add_argument("--heads", nargs="+", default=SHIPPED_HEADS, metavar="HEAD", help="yours, the gate first")


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides the splits."""
    parser.add_argument("--seed", type=int, default=0, help="another seed, another choice among equals (%(default)s)")
    parser.add_argument("--validation", type=float, default=0.1, help="share of the clips, about (%(default)s)")
    parser.add_argument("--test", type=float, default=0.15, help="share of the clips, about (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Run the action; 1 when `validate` found a problem."""
    if arguments.action == "validate":
        return _validate(arguments.file)
    if arguments.action == "template":
        empty = labels.template(arguments.heads, example=arguments.example)
        if arguments.out:
            labels.write(arguments.out, empty)
        else:
            print(labels.to_csv(empty, empty.folder), end="")
        return 0
    if arguments.action == "manifest":
        labels.write_manifest(arguments.out, label_checks.load(arguments.file, audio=True))
        return 0
    shares = {"validation": arguments.validation, "test": arguments.test}
    decided = label_splits.assign(label_checks.load(arguments.file, audio=False), seed=arguments.seed, **shares)
    labels.write(arguments.out, decided)
    print(summary(decided), file=sys.stderr)
    return 0


def _validate(path: Path) -> int:
    found = label_reading.read(path)
    problems = label_checks.check(found)
    for problem in problems:
        print(f"{path}:{problem.line}: {problem.text}", file=sys.stderr)
    print(summary(found))
    print(f"{len(found.rows)} rows, {len(problems)} problems")
    return 1 if problems else 0


def summary(found: Labels) -> str:
    """Return a table: clips, speakers and how many have each head, by split; below it, texts that several splits share."""
    columns = {split or "undecided": [row for row in found.rows if row.split == split] for split in (*SPLITS, "")}
    table = {
        "clips": {name: len(rows) for name, rows in columns.items()},
        "speakers": {name: len({row.speaker_id for row in rows} - {""}) for name, rows in columns.items()},
        **{
            head: {name: sum(head in row.fired for row in rows) for name, rows in columns.items()}
            for head in found.heads
        },
    }
    lines = [f"{'':28}" + "".join(f"{name:>12}" for name in columns)]
    lines += [f"{name:28}" + "".join(f"{count:>12}" for count in row.values()) for name, row in table.items()]
    splits_of: dict[str, set[str]] = defaultdict(set)
    for row in found.rows:
        if row.transcript and row.split:
            splits_of[row.transcript].add(row.split)
    shared = sum(len(splits) > 1 for splits in splits_of.values())
    if shared:
        lines.append(
            f"note: {shared} transcripts are in more than one split: the figures will be of new voices, not of new words"
        )
    return "\n".join(lines)
