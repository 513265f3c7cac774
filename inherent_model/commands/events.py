"""`inherent eval-events`: the gate as it runs: false accepts an hour, requests missed, and how late the events are."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from tqdm import tqdm

from inherentd.inherent_model.conditions import Conditions, Rendering, load_conditions, rendering
from inherentd.inherent_model.degrade import Condition
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import Utterance, is_real
from inherentd.inherent_model.streaming import delays, det, summary
from inherentd.inherent_model.streaming.clips import clips, in_training, only, unaddressed_rows
from inherentd.inherent_model.streaming.recording import gate_config, record
from inherentd.inherent_model.streaming.streams import PAUSES_S, Clip, Stream
from inherentd.inherent_model.streaming.sweep import HOUR_SAMPLES, Heard, run_sweep
from inherentd.inherent_model.training import load_recipe, utterances
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import Runtime, open_runtime

AS_RECORDED = Condition("levels", level_dbfs=(-42.0, -18.0))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent eval-events`."""
    parser.add_argument("--model", type=Path, required=True, help="artifact, e.g. models/inherent.onnx")
    parser.add_argument("--config", type=Path, required=True, help="the training recipe: its test split is used")
    parser.add_argument("--unaddressed-audio", type=Path, nargs="+", default=[], metavar="FOLDER|MANIFEST",
                        help="more audio in which nobody speaks to the assistant")  # fmt: skip
    parser.add_argument("--real", action="store_true",
                        help="of the test's unaddressed clips, real recordings only: no synthetic near misses")  # fmt: skip
    parser.add_argument("--hours", type=float, default=0.0,
                        help="go through the unaddressed audio again, as other takes, until there are so many hours")  # fmt: skip
    parser.add_argument("--conditions", type=Path, help="e.g. configs/eval/conditions.yaml; with --condition")
    parser.add_argument("--condition", help="the one under which all is heard (default: levels from -42 to -18 dBFS)")
    parser.add_argument("--limit", type=int, metavar="N", help="so many clips of either kind, for a trial")
    parser.add_argument("--out", type=Path, required=True, help="write the report as JSON here")
    parser.add_argument("--det", type=Path, help="draw the DET curve as PNG here")


def run(arguments: argparse.Namespace) -> int:
    """Stream both kinds of audio through the engine, sweep the gate's threshold, and report."""
    started = time.monotonic()
    if (arguments.conditions is None) != (arguments.condition is None):
        raise ModelError("--conditions and --condition: got one of them, expected both or neither")
    try:
        runtime = open_runtime(arguments.model)
    except PipelineError as error:
        raise ModelError(str(error)) from error
    every = utterances(load_recipe(arguments.config))
    test = [row for row in every if row.split == "test"]
    unaddressed = [row for row in test if not row.addressed and (is_real(row) or not arguments.real)]
    talk = only(unaddressed, arguments.limit, 0)
    talk += only(unaddressed_rows(arguments.unaddressed_audio), arguments.limit, 0)
    requests = only([row for row in test if row.addressed], arguments.limit, 0)
    if not talk or not requests:
        raise ModelError(
            f"{arguments.config}: {len(requests)} requests and {len(talk)} clips of talk to test with; expected some of both"
        )
    condition, how = _condition(arguments, test)
    spec = runtime.metadata.frontend or FrontendSpec()
    at_least = round(arguments.hours * HOUR_SAMPLES)
    takes = clips(talk, how, condition, spec, at_least_samples=at_least)
    heard = _hear(runtime, takes, "unaddressed", how.seed)
    addressed = _hear(runtime, clips(requests, how, condition, spec), "addressed", how.seed)
    config = gate_config(runtime)
    trained = len(in_training(talk, [row for row in every if row.split == "train"]))
    report = {
        "model": {"version": runtime.metadata.version, "training_hash": runtime.metadata.training_hash},
        "condition": msgspec.structs.asdict(condition),
        "gate": {key: value for key, value in dataclasses.asdict(config).items() if key != "heads"},
        "unaddressed": {**summary.unaddressed(config, heard), "clips_of_the_training_split": trained},
        "addressed": summary.addressed(addressed),
        **det.figures(run_sweep(config, heard, addressed), config.open_threshold),
        "delay": delays.figures(config, addressed),
        "seconds_taken": round(time.monotonic() - started, 1),
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.det:
        det.draw(report, arguments.det, f"inherent {runtime.metadata.version}, {condition.name}")
    print(summary.text(report), file=sys.stderr)
    return 0


def _condition(arguments: argparse.Namespace, rows: Sequence[Utterance]) -> tuple[Condition, Rendering]:
    if arguments.conditions is None:
        return AS_RECORDED, Rendering(0, {})
    known = load_conditions(arguments.conditions)
    condition = known.named(arguments.condition)
    return condition, rendering(Conditions(known.seed, known.noise_files, (condition,)), rows)


def _hear(runtime: Runtime, clips: Iterable[Clip], kind: str, seed: int) -> Heard:
    stream = Stream(
        tqdm(clips, desc=kind, unit="clip", file=sys.stderr, leave=False, disable=None), PAUSES_S[kind], seed
    )
    return Heard(record(runtime, stream), stream.segments)
