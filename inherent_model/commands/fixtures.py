"""`inherent fixtures`: speak the sentences of an index, label them, and score them where a model is given."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from inherentd.inherent_model import labels
from inherentd.inherent_model.corpus.voices import Voice
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.fixture_scores import Scorer, artifact_scorer, checkpoint_scorer, report
from inherentd.inherent_model.fixtures import default_voice, read_index, speak
from inherentd.inherent_model.heads import SHIPPED_HEADS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent fixtures`."""
    parser.add_argument("--index", type=Path, required=True, help='JSON: [{"text", "heads": [], "addressed"?}, ...]')
    parser.add_argument("--out", type=Path, default=Path("fixtures"),
                        help="folder for audio/, labels.csv and report.json (%(default)s)")  # fmt: skip
    parser.add_argument("--engine", default="say" if sys.platform == "darwin" else "espeak",
                        help="espeak, flite, festival, pico, hibari, kokoro, or say on macOS (%(default)s)")  # fmt: skip
    parser.add_argument("--voice", help="one of the engine's voices (default: its first, or the system's)")
    parser.add_argument("--speed", type=float, default=1.0, help="of speech, as a factor (%(default)s)")
    parser.add_argument("--kokoro-voices", type=Path, help="folder of Kokoro's style vectors, for --engine kokoro")
    parser.add_argument("--heads", nargs="+", metavar="HEAD", help="yours, the gate first (default: the model's or 13)")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--checkpoint", type=Path, help="score with what `inherent train` wrote")
    model.add_argument("--model", type=Path, help="score with an artifact, e.g. models/inherent.onnx")
    parser.add_argument("--thresholds", type=Path, help="calibration for --checkpoint (default: 0.5 everywhere)")


def run(arguments: argparse.Namespace) -> int:
    """Write the recordings, the CSV and the report, and print where they are."""
    scorer = _scorer(arguments)
    heads = tuple(arguments.heads or (scorer.heads if scorer else SHIPPED_HEADS))
    if scorer and heads != scorer.heads:
        raise ModelError(f"--heads {', '.join(heads)}: the model has {', '.join(scorer.heads)}; leave --heads out")
    voice = Voice(arguments.engine, arguments.voice or default_voice(arguments.engine), arguments.speed)
    spoken = speak(read_index(arguments.index, heads), voice, heads, arguments.out, arguments.kokoro_voices)
    labels.write(arguments.out / "labels.csv", spoken)
    print(arguments.out / "labels.csv")
    if scorer:
        document = {"engine": voice.engine, "voice": voice.name, **report(spoken, scorer)}
        (arguments.out / "report.json").write_text(json.dumps(document, indent=1) + "\n")
        print(_readable(document), file=sys.stderr)
        print(arguments.out / "report.json")
    return 0


def _scorer(arguments: argparse.Namespace) -> Scorer | None:
    if arguments.thresholds and not arguments.checkpoint:
        raise ModelError("--thresholds goes with --checkpoint; an artifact has its own")
    if arguments.model:
        return artifact_scorer(arguments.model)
    return checkpoint_scorer(arguments.checkpoint, arguments.thresholds) if arguments.checkpoint else None


def _readable(document: dict[str, Any]) -> str:
    lines = [
        f"{'right' if row['right'] else 'WRONG':6} {row['text']}"
        + ("" if row["right"] else f"  (expected {_list(row['expected'])}, heard {_list(row['heard'])})")
        for row in document["sentences"]
    ]
    totals = document["totals"]
    gate, *_ = totals["heads"]
    lines.append(f"{totals['all_right']} of {totals['sentences']} sentences all right; the gate in "
                 f"{totals['heads'][gate]['right']}")  # fmt: skip
    return "\n".join(lines)


def _list(heads: list[str]) -> str:
    return ", ".join(heads) or "nothing"
