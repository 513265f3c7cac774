"""`inherent eval-state`: a day of sound through an artifact, then its scores against those of a fresh start."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from inherentd.inherent_model.degrade import RATE_HZ
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.streaming.clips import unaddressed_rows
from inherentd.inherent_model.streaming.endurance import endure
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import open_runtime

TOLERANCE = 1e-4
QUICK_SECONDS = 120
CLIPS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent eval-state`."""
    parser.add_argument("--model", type=Path, required=True, help="artifact, e.g. models/inherent.onnx")
    parser.add_argument("--hours", type=float, default=24.0, help="of audio (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="two minutes of audio instead")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], metavar="FOLDER|MANIFEST",
                        help="recordings to hear besides noise, tones, chirps, clicks, silence and overload")  # fmt: skip
    parser.add_argument("--settle-seconds", type=float, default=10.0,
                        help="of noise that both hear before they are compared (%(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the report as JSON here")


def run(arguments: argparse.Namespace) -> int:
    """Run the audio through the artifact, print what came out; ModelError when the state drifted."""
    try:
        runtime = open_runtime(arguments.model)
    except PipelineError as error:
        raise ModelError(str(error)) from error
    clips = [read_audio(row.path, RATE_HZ) for row in unaddressed_rows(arguments.clips)[:CLIPS]]
    seconds = QUICK_SECONDS if arguments.quick else arguments.hours * 3600
    found = endure(runtime, seconds, clips, arguments.seed, arguments.settle_seconds)
    print(
        f"{found.hours:g} h of audio, {found.steps} steps in {found.seconds_taken} s "
        f"({found.hours * 3600 / max(found.seconds_taken, 1e-9):.0f} times real time); largest state {found.largest_state:.3g}, "
        f"scores differ from a fresh start by {found.largest_difference:.2g}",
        file=sys.stderr,
    )
    if arguments.out:
        model = {"version": runtime.metadata.version, "training_hash": runtime.metadata.training_hash}
        report = {"model": model, **dataclasses.asdict(found)}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    if not found.largest_difference <= TOLERANCE:
        raise ModelError(
            f"{arguments.model}: after {found.hours:g} h it scores {found.largest_difference:.2g} off a fresh start, expected "
            f"at most {TOLERANCE}: its state drifts; bound its memory, or raise --settle-seconds over its receptive field"
        )
    return 0
