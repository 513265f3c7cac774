"""What one process pays to gate N streams: each stream with a run of the model of its own, against all of them in one run.

    python -m benchmarks.streams [--streams 1 2 4 …] [--rounds 3] [--quick] [--out FOLDER]

The engine, gate and thresholds of the daemon, without sockets, on one thread. Streams are the demo's clips without pauses, each
begun elsewhere, in blocks of 80 ms, that is a step each, as a server would get them; nobody sleeps, so that every step is computed. Both ways of
every N are measured in turn, each in a process of its own: CPU time after two seconds of warming up, memory after 30 s of audio, when
each stream's ring is full. A row of a silent room tells what streams cost that sleep.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks import tables

from inherentd.daemon import engine_setup, process_usage
from inherentd.daemon.config import Config, ModelSection
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.together import together

STREAMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
QUICK_STREAMS = (1, 4)
BLOCK_SAMPLES = 1_280
"""a step of the model, 80 ms"""
WARM_UP_BLOCKS = 25
FEWEST_STEPS = 2_000
"""measured, of all streams together"""
RING_SECONDS = 32
WAYS = ("apart", "together")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Once = Callable[[int], None]


def main() -> int:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=list(STREAMS), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="two sizes, a few seconds")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "AUDIO", "SECONDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        way, audio, seconds = arguments.one
        print(json.dumps(measure(way, audio, arguments.streams[0], float(seconds))))
        return 0
    table = compare(
        QUICK_STREAMS if arguments.quick else arguments.streams,
        1 if arguments.quick else arguments.rounds,
        4 if arguments.quick else RING_SECONDS,
    )
    tables.publish(arguments.out, "streams", table, lambda path: draw(table, path))
    return 0


def compare(streams: list[int] | tuple[int, ...], rounds: int, seconds: float) -> tables.Table:
    """Return the table: a row for every number of streams, and one of as many silent ones as there were most."""
    rows: list[list[tables.Cell]] = []
    for audio, sizes in (("talk", streams), ("silence", (max(streams),))):
        for size in sizes:
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way in WAYS:
                    found[way].append(_apart(way, audio, size, seconds))
            apart, joint = (median(one["step_us"] for one in found[way]) for way in WAYS)
            rows.append([
                audio, size, round(apart, 2), round(joint, 2), round(apart / joint, 2),
                int(_per_core(apart)), int(_per_core(joint)),
                *(round(median(one["stream_mb"] for one in found[way]), 2) for way in WAYS),
            ])  # fmt: skip
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return tables.Table(
        title="Streams that one core gates",
        command=tables.command_line("benchmarks.streams"),
        conditions=tables.machine() | tables.versions_of(["inherentd", "onnxruntime", "numpy"]) | {
            "audio": f"the demo's clips without pauses, {seconds:g} s a stream or more, blocks of 80 ms; nobody sleeps but in silence",
            "model": "inherent.onnx apart, inherent-batched.onnx together, float32, one thread",
            "figures": f"CPU time of the whole engine a step of 80 ms, median of {rounds} rounds taken in turn",
        },
        columns=["audio", "streams", "µs a step, apart", "µs a step, together", "times cheaper", "streams a core, apart",
                 "streams a core, together", "MB a stream, apart", "MB a stream, together"],
        rows=rows,
        notes=["Streams a core: 80 ms over the CPU time of a step; a server needs room on top for the network and for bursts.",
               "MB a stream: growth of resident memory over the process that opened the model; most of it is the ring of 30 s."],
    )  # fmt: skip


def _per_core(step_us: float) -> float:
    return BLOCK_SAMPLES / SAMPLE_RATE_HZ * 1e6 / step_us


def _apart(way: str, audio: str, streams: int, seconds: float) -> dict[str, float]:
    """Return what a process of its own measured: memory must not be that of the measurement before."""
    command = [sys.executable, "-m", "benchmarks.streams", "--streams", str(streams), "--one", way, audio, str(seconds)]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    return json.loads(done.stdout)


def measure(way: str, audio: str, streams: int, seconds: float) -> dict[str, float]:
    """Return µs of CPU a step and MB a stream, of `streams` engines that hear `seconds` each, or longer where that is few steps."""
    signal = sound(audio)
    blocks = max(round(seconds * SAMPLE_RATE_HZ / BLOCK_SAMPLES), -(-FEWEST_STEPS // streams))
    once, resident = prepared(way, audio, streams, signal)
    for turn in range(WARM_UP_BLOCKS):
        once(turn)
    started = time.process_time()
    for turn in range(WARM_UP_BLOCKS, blocks):
        once(turn)
    spent = time.process_time() - started
    return {
        "step_us": spent * 1e6 / (blocks - WARM_UP_BLOCKS) / streams,
        "stream_mb": (process_usage.resident_bytes() - resident) / streams / 1e6,
    }


def sound(audio: str) -> np.ndarray:
    """Return what all streams hear, each from elsewhere on: int16 at 16 kHz, whole blocks."""
    if audio == "silence":
        room = np.random.default_rng(0).normal(0, 5, 100 * SAMPLE_RATE_HZ)
        return np.rint(room).astype(np.int16)
    talk = np.concatenate([read_whole(Path(clip.path)) for clip in load_clips(BUNDLED)])
    return talk[: len(talk) // BLOCK_SAMPLES * BLOCK_SAMPLES]


def prepared(way: str, audio: str, streams: int, signal: np.ndarray) -> tuple[Once, int]:
    """Return what gives every stream its next block, and the resident bytes before there were any streams."""
    config = Config(model=ModelSection(backend="onnx"))
    blocks = signal.reshape(-1, BLOCK_SAMPLES)
    begin = np.random.default_rng(1).integers(0, len(blocks), streams)
    batched = engine_setup.open_batched(config.model)
    runtime = batched if way == "together" else engine_setup.open_model(config.model)
    setup = engine_setup.engine_config(config, runtime.metadata)
    if audio == "talk":
        setup = replace(setup, sleep_below_dbfs=None)
    resident = process_usage.resident_bytes()
    engines = [Engine(setup, runtime) for _ in range(streams)]

    def apart(turn: int) -> None:
        for engine, first in zip(engines, begin, strict=True):
            engine.push(blocks[(first + turn) % len(blocks)])

    def joint(turn: int) -> None:
        works = (
            engine.pushing(blocks[(first + turn) % len(blocks)]) for engine, first in zip(engines, begin, strict=True)
        )
        for _ in together(works, batched, streams):
            pass

    return joint if way == "together" else apart, resident


def draw(table: tables.Table, path: Path) -> None:
    """Draw µs a step over the number of streams."""
    from matplotlib.figure import Figure

    talk = [row for row in table.rows if row[0] == "talk"]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for column, label in ((2, "a run each"), (3, "all in one run")):
        axes.plot([float(row[1]) for row in talk], [float(row[column]) for row in talk], marker="o", label=label)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("streams in one process")
    axes.set_ylabel("µs of CPU a step of 80 ms")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
