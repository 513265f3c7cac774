"""Whose decisions are better: the gate and the kinds of request, from sound in one pass, or from words in two.

    python -m benchmarks.quality --manifest corpora/*/manifest.jsonl [--out FOLDER] [--engines NAME…] [--clips N] [--quick]
    python -m benchmarks.quality --synthesize 60

The clips are those of the split test. The two-pass ways cut speech out with a VAD, make words of it and judge the words, by rules or
by a text classifier that was trained on the very sentences that our training speaks; that judge is given the written words as well,
as if hearing were perfect. Scores of a clip are the highest over all that an engine said of it. Needs `pip install '.[bench]'`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks import tables
from benchmarks.field import (
    ENGINES,
    chosen,
    clips,
    model_version,
    one_thread,
    open_engine,
    packages_of,
    pictures,
)
from benchmarks.field.classifier import load
from benchmarks.field.hearing import Heard, by_rules, hear, read, ruled
from benchmarks.field.preparing import classifier, prepare
from benchmarks.field.texts import RECIPES

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import HeadFigures, head_figures
from inherentd.inherent_model.heads import GATE, SHIPPED_HEADS
from inherentd.inherent_model.manifest import Utterance

AMONG = tuple(name for name in ENGINES if ENGINES[name].decides.endswith("12 intents") or name == "inherentd-windowed")
DEFAULT = ("inherentd-onnx", "inherentd-litert", "whisper-classifier")
QUICK = ("inherentd-litert", "whisper-classifier")
QUICK_RECIPES = (Path("configs/corpus/quick.yaml"),)
COLUMNS = ["way", "gate AUC (95%)", "gate EER, % (95%)", "mean AUC of the intents", "the same among requests", "gate opens for, % of requests",
           "gate opens for, % of the others",
           "end of phrase to decision, ms: median", "95%", "CPU s a clip"]  # fmt: skip
Figures = list[HeadFigures]


def main() -> int:
    """Measure, write and print."""
    arguments = _arguments()
    one_thread()
    try:
        names, left_out = chosen(arguments.engines or (QUICK if arguments.quick else DEFAULT), AMONG)
        with tempfile.TemporaryDirectory() as folder:
            return _measured(arguments, names, left_out, Path(folder))
    except (ModelError, ValueError) as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _measured(arguments: argparse.Namespace, names: list[str], left_out: list[str], folder: Path) -> int:
    manifests: list[Path] = arguments.manifest
    if not manifests:
        manifests = [clips.synthesized(folder / "spoken", 10 if arguments.quick else arguments.synthesize)]
    rows = clips.labelled(manifests, arguments.clips)
    if len({row.addressed for row in rows}) < 2:
        raise ModelError(f"{len(rows)} test clips with words; expected addressed ones and others: give more manifests")
    others = clips.unlabelled(manifests, arguments.real_clips)
    sources = arguments.texts or (QUICK_RECIPES if arguments.quick else RECIPES)
    told = prepare(folder, names, sources) or classifier(folder, sources)
    heard = hear({name: open_engine(name, folder) for name in names}, [*rows, *others])
    for name in [name for name in names if name.endswith("-classifier")]:
        heard.setdefault(name.replace("-classifier", "-rules"), by_rules(heard[name]))
    judges = read(load(folder).scores, rows), read(ruled, rows)
    perfect = dict(zip(("written words, classifier", "written words, rules"), judges, strict=True))
    heard |= perfect
    figures = {
        name: head_figures(SHIPPED_HEADS, rows, found.scores[: len(rows)], intervals=True)
        for name, found in heard.items()
    }
    conditions = tables.machine() | tables.versions_of(packages_of(names, "scikit-learn")) | model_version() | {
        "clips": f"{len(rows)} ({sum(row.addressed for row in rows)} addressed) of {len({row.speaker for row in rows})} voices, "
        + (", ".join(path.parent.name for path in manifests) if arguments.manifest else "synthesized here"),
        "room": f"{clips.BEFORE_SECONDS:g} s before and {clips.AFTER_SECONDS:g} s after each clip", "threads": "1",
    }  # fmt: skip
    count = len(rows) + len(others)
    clip_seconds = {
        name: found.cpu_seconds / (len(rows) if name in perfect else count) for name, found in heard.items()
    }
    table = tables.Table(
        "Decisions: one pass over sound and two passes over words", tables.command_line("benchmarks.quality"), conditions, COLUMNS,
        [_row(name, figures[name], found, rows, clip_seconds[name]) for name, found in heard.items()],
        [*aims(figures), *NOTES, *told, *left_out],
    )  # fmt: skip
    tables.publish(arguments.out, "quality", table, lambda path: _draw(path, figures, clip_seconds))
    sets = _by_set(rows, manifests, {name: found.scores for name, found in heard.items()}, conditions)
    tables.publish(arguments.out, "quality-sets", sets)
    if others:
        tables.publish(
            arguments.out,
            "quality-real",
            _real(rows, others, {name: each for name, each in heard.items() if name not in perfect}, conditions),
        )
    return 0


NOTES = [
    (
        "AUC is 0.5 and EER 50% by chance; in parentheses 95% intervals by a bootstrap over voices, where there are enough. Thresholds: "
        "the model's own, and 0.5 of the classifier."
    ),
    (
        "The delay counts the sound that had to be heard and the computing of the last block, without capture and transport; negative: "
        "before the phrase was over. Whisper's way waits for 0.7 s of silence, PocketSphinx for its own endpointer (a window of 0.3 s)."
    ),
    "Whisper computes 30 s however short the piece.",
    "The classifier is trained on written words, not on what Whisper makes of them.",
    "PocketSphinx adapts to the channel over the clips: its first ones are worse.",
    "CPU is for clip and room together; what hearing cost is not in the rows of written words.",
]


def aims(figures: dict[str, Figures]) -> list[str]:
    """Return how inherentd's decisions stand to those of the two-pass way by Whisper and the classifier."""
    ours = next((name for name in figures if name.startswith("inherentd")), None)
    theirs = "whisper-classifier"
    if ours is None or theirs not in figures:
        return []
    told = []
    for what, value, wanted in (
        ("gate AUC", lambda f: f[0].auc, 1),
        ("gate EER", lambda f: f[0].eer, -1),
        ("mean AUC of the intents", lambda f: _mean(f, "auc"), 1),
    ):
        pair = value(figures[ours]), value(figures[theirs])
        if pair[0] is not None and pair[1] is not None:
            gap = (pair[0] - pair[1]) * wanted
            verdict = "met" if gap >= 0 else f"missed by {-gap:.3f}"
            told.append(
                f"Aim: decisions at least as good as those of {theirs}. {what}: {ours} {pair[0]:.3f}, {theirs} {pair[1]:.3f}: {verdict}."
            )
    return told


def _row(name: str, figures: Figures, heard: Heard, rows: Sequence[Utterance], cpu_seconds: float) -> list[tables.Cell]:
    requests = [index for index, row in enumerate(rows) if row.addressed]
    late = [heard.late_ms[index] for index in requests if index in heard.late_ms]
    median, slowest = (round(float(np.percentile(late, share))) if late else "-" for share in (50, 95))
    others = [index for index, row in enumerate(rows) if not row.addressed]
    opened: list[tables.Cell] = [
        "-" if name.startswith("written") else round(100 * sum(index in heard.late_ms for index in some) / len(some), 1)
        for some in (requests, others)
    ]
    return [name, _figure(figures[0], "auc", 1, 3), _figure(figures[0], "eer", 100, 0), _shown(_mean(figures, "auc")),
            _shown(_mean(figures, "auc_addressed")), *opened, median, slowest, round(cpu_seconds, 4)]  # fmt: skip


def _by_set(rows: Sequence[Utterance], manifests: Sequence[Path], ways: dict[str, np.ndarray],
            conditions: dict[str, str]) -> tables.Table:  # fmt: skip
    found: list[list[tables.Cell]] = []
    for manifest in manifests:
        mine = [index for index, row in enumerate(rows) if Path(row.path).is_relative_to(manifest.parent)]
        some = [rows[index] for index in mine]
        if len({row.addressed for row in some}) == 2:
            cells = [
                _figure(head_figures([GATE], some, scores[mine, :1])[0], "eer", 100, 0) for scores in ways.values()
            ]
            found.append(
                [
                    manifest.parent.name,
                    sum(row.addressed for row in some),
                    sum(not row.addressed for row in some),
                    *cells,
                ]
            )
    return tables.Table("Decisions by set: EER of the gate in percent", tables.command_line("benchmarks.quality"), conditions,
                        ["set", "addressed", "others", *ways], found)  # fmt: skip


def _real(rows: Sequence[Utterance], others: Sequence[Utterance], heard: dict[str, Heard],
          conditions: dict[str, str]) -> tables.Table:  # fmt: skip
    """Return how the gate tells requests from real talk that nobody wrote down."""
    mine = [index for index, row in enumerate(rows) if row.addressed] + list(range(len(rows), len(rows) + len(others)))
    some = [*(row for row in rows if row.addressed), *others]
    found: list[list[tables.Cell]] = []
    for name, engine in heard.items():
        figures = head_figures([GATE], some, engine.scores[mine, :1], intervals=True)[0]
        opened = sum(index in engine.late_ms for index in range(len(rows), len(rows) + len(others)))
        found.append(
            [name, _figure(figures, "auc", 1, 3), _figure(figures, "eer", 100, 0), round(100 * opened / len(others), 1)]
        )
    return tables.Table(
        "Decisions: requests against real talk to nobody", tables.command_line("benchmarks.quality"),
        conditions | {"real talk": f"{len(others)} clips of {', '.join(sorted({row.source for row in others}))}"},
        ["way", "gate AUC (95%)", "gate EER, % (95%)", "gate opens for, % of the real clips"], found,
        ["Requests are synthetic here and the talk is not: how they sound tells some of them apart."],
    )  # fmt: skip


def _mean(figures: Figures, name: str) -> float | None:
    known = [value for each in figures[1:] if (value := getattr(each, name)) is not None]
    return float(np.mean(known)) if known else None


def _figure(figures: HeadFigures, name: str, scale: int, digits: int) -> str:
    value, spread = getattr(figures, name), (figures.intervals or {}).get(name)
    if value is None:
        return "-"
    low_high = f" ({spread[0] * scale:.{digits}f} to {spread[1] * scale:.{digits}f})" if spread else ""
    return f"{value * scale:.{digits}f}{low_high}"


def _shown(value: float | None) -> tables.Cell:
    return "-" if value is None else round(value, 3)


def _draw(path: Path, figures: dict[str, Figures], clip_seconds: dict[str, float]) -> None:
    found = []
    for name, each in figures.items():
        if each[0].auc is not None:
            low, high = (each[0].intervals or {}).get("auc") or (None, None)
            found.append(pictures.Point(name, clip_seconds[name], each[0].auc, low, high))
    pictures.points(path, found, "CPU seconds a clip", "gate AUC, 95% intervals over voices")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", nargs="+", type=Path, default=[], help="clips: lines of the split test")
    parser.add_argument("--synthesize", type=int, default=60, metavar="N",
                        help="without manifests: speak so many test sentences here (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--clips", type=int, metavar="N", help="so many of the clips with words, evenly drawn (default: all)"
    )
    parser.add_argument("--real-clips", type=int, default=500, metavar="N",
                        help="at most so many of the clips without words (default: %(default)s)")  # fmt: skip
    parser.add_argument("--texts", nargs="+", type=Path, default=[], metavar="FILE",
                        help="training sentences of the classifier: manifests or corpus recipes (default: the shipped model's recipes)")  # fmt: skip
    parser.add_argument("--engines", nargs="+", default=[], metavar="NAME",
                        help=f"of {', '.join(AMONG)} (default: {', '.join(DEFAULT)})")  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write quality.json, .md, .png and the other tables there"
    )
    parser.add_argument("--quick", action="store_true", help="10 synthesized clips, a classifier of few sentences")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
