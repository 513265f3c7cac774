"""Say what the model hears in audio files: the highest score of each head, and the events, without a daemon.

Same engine, gate and thresholds as the daemon's; each file from a fresh start. A file that cannot be read is reported,
the others are scored, and the exit code is 1. With --streams the files are heard side by side by one model, which takes a
step of all of them at a time: the same lines in the same order, for a fraction of the CPU (docs/scale.md).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec

from inherentd.client.messages import ModelIdentity
from inherentd.daemon import engine_setup
from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration, count
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.event_fields import fields
from inherentd.daemon.plot import names
from inherentd.daemon.plot.trace import Trace
from inherentd.daemon.score_line import ScoreLine
from inherentd.daemon.sources.decoding import AudioFile
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Event
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.together import Work, alone, together

BLOCK_SECONDS = 10.0
Scored = tuple[ScoreLine, tuple[Trace, Engine] | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd score`."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="WAV, FLAC or OGG, any rate and number of channels")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: path, seconds, scores, events")
    parser.add_argument(
        "--plot", type=Path, metavar="DIR", help="also draw each file: mel, gate and intents over time, as DIR/NAME.png"
    )
    parser.add_argument(
        "--streams", type=count, default=1, metavar="N", help="hear so many files side by side (default: %(default)s)"
    )
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score each file."""
    folder: Path | None = arguments.plot
    if folder is not None and importlib.util.find_spec("matplotlib") is None:
        print("inherentd score: --plot needs matplotlib: pip install 'inherentd[plot]'", file=sys.stderr)
        return 2
    config = configuration(arguments)
    batched = engine_setup.open_batched(config.model) if arguments.streams > 1 else None
    runtime = batched or engine_setup.open_model(config.model)
    if runtime.processor.reason:
        print(f"inherentd score: running by {runtime.processor}", file=sys.stderr)
    engine_config = engine_setup.engine_config(config, runtime.metadata)
    model = engine_setup.identity(runtime.metadata)
    works = (
        _reported(name, Engine(engine_config, runtime), model, drawn=folder is not None) for name in arguments.files
    )
    results = together(works, batched, arguments.streams) if batched else (alone(work, runtime) for work in works)
    exit_code = 0
    for result, picture in zip(results, names.pictures(arguments.files), strict=True):
        try:
            if isinstance(result, Exception):
                raise result
            line, drawing = result
            gate = engine_config.gate.heads[0]
            print(msgspec.json.encode(line).decode() if arguments.json else _readable(line, gate), flush=True)
            if folder is not None and drawing is not None:
                _draw(*drawing, line, folder / picture)
        except (DaemonError, PipelineError) as error:
            print(f"inherentd score: {error}", file=sys.stderr)
            exit_code = 1
    return exit_code


def score(name: str, engine: Engine, model: ModelIdentity, trace: Trace | None = None) -> ScoreLine:
    """Return the line of one file. `engine` must be fresh; `trace` gets what it hears and scores. Raises DaemonError when the
    file cannot be read whole."""
    return alone(scoring(name, engine, model, trace), engine.runtime)


def scoring(name: str, engine: Engine, model: ModelIdentity, trace: Trace | None = None) -> Work[ScoreLine]:
    """Do as `score`, with whoever drives this running the model's steps."""
    file = AudioFile(Path(name))
    engine.listener = trace.step if trace is not None else None
    events: list[Event] = []
    for block in file.blocks(BLOCK_SECONDS):
        if trace is not None:
            trace.hear(block)
        events += yield from engine.pushing(block)
    events += yield from engine.finishing()
    bad = file.bad_samples + engine.bad_samples
    if bad:
        print(f"inherentd score: {name}: {bad} samples were not numbers (NaN or infinite); taken as 0", file=sys.stderr)
    return ScoreLine(
        path=name,
        seconds=engine.samples / SAMPLE_RATE_HZ,
        scores=engine.peaks,
        events=[_record(event, model) for event in events],
    )


def _reported(name: str, engine: Engine, model: ModelIdentity, *, drawn: bool) -> Work[Scored | Exception]:
    """Return what came of one file, or why there is nothing: the others are scored all the same."""
    trace = Trace() if drawn else None
    try:
        line = yield from scoring(name, engine, model, trace)
    except (DaemonError, PipelineError) as error:
        return error
    return line, None if trace is None else (
        trace,
        engine,
    )  # an engine holds a megabyte: many files may wait for a slow one


def _draw(trace: Trace, engine: Engine, line: ScoreLine, path: Path) -> None:
    from inherentd.daemon.plot.figure import draw

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(trace, line, engine, path)
    except OSError as error:
        raise DaemonError(f"--plot: {path}: cannot be written: {error.strerror}") from None
    print(f"inherentd score: {line.path}: drawn as {path}", file=sys.stderr)


def _record(event: Event, model: ModelIdentity) -> dict[str, Any]:
    return {"topic": event.TOPIC, **fields(event, model)}


def _readable(line: ScoreLine, gate: str) -> str:
    heads = sorted(line.scores.items(), key=lambda item: item[0] == gate or item[1], reverse=True)
    lines = [f"{line.path}  {line.seconds:.1f} s"]
    lines += [f"  {head:<24} {peak:.2f}" for head, peak in heads]
    for event in line.events:
        at = f"{event['at_sample'] / SAMPLE_RATE_HZ:7.2f} s  {event['topic']:<12}"
        match event["topic"]:
            case "gate.opened":
                lines.append(f"  {at} score {event['score']:.2f}")
            case "intent" if event["final"]:
                lines.append(f"  {at} {event['head']} {event['score']:.2f}")
            case "gate.closed":
                lines.append(f"  {at} {event['reason']}")
            case _:
                pass
    return "\n".join(lines)
