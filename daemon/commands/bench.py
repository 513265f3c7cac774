"""Measure what listening costs on this machine: CPU time per 20 ms hop in one thread, for talk and for a silent room.

Real-time factor: CPU seconds per second of audio; 0.01 is 1% of one core. The blocks are as long as the daemon's
(input.block_ms). Capture and ZeroMQ come on top: `inherentd listen --topic health` shows the cpu and memory of a
running daemon.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon import engine_setup, process_usage
from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration, seconds
from inherentd.daemon.cost import Cost, measure
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd bench`."""
    parser.add_argument("--input", type=Path, metavar="FILE", help="talk to measure with (default: the demo's clips)")
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, help="audio of each kind, repeated as needed (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, one for each kind of audio")
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    samples = round(arguments.seconds * SAMPLE_RATE_HZ)
    if samples < SAMPLE_RATE_HZ:
        raise DaemonError(f"--seconds: got {arguments.seconds:g}, expected 1 or more")
    talk = _talk(arguments.input)
    arguments.input = None  # it is no source for the daemon's configuration
    config = configuration(arguments)
    runtime = engine_setup.open_model(config.model)
    engine_config = engine_setup.engine_config(config, runtime.metadata)
    block_samples = config.input.block_ms * SAMPLE_RATE_HZ // 1000
    signals = {"talk": np.resize(talk, samples), "silence": _silent_room(samples)}
    if not arguments.json:
        print(runtime.processor)
        print(f"{'':<8}{'frontend':>10}{'model':>10}{'rest':>10}{'all':>10}   µs of CPU per 20 ms hop")
    for name, signal in signals.items():
        cost = measure(engine_config, runtime, signal, block_samples)
        print(
            json.dumps(_record(name, cost) | {"processor": str(runtime.processor)})
            if arguments.json
            else _readable(name, cost),
            flush=True,
        )
    if not arguments.json:
        peak_mb = process_usage.peak_resident_bytes() / 1e6
        print(f"peak resident memory {peak_mb:.0f} MB, blocks of {config.input.block_ms} ms")
    return 0


def _talk(path: Path | None) -> NDArray[np.int16]:
    return read_whole(path) if path is not None else concatenate(load_clips(BUNDLED))[0]


def _silent_room(samples: int) -> NDArray[np.int16]:
    return np.rint(np.random.default_rng(2).normal(0, 5.0, samples)).astype(np.int16)  # about -76 dBFS


def _readable(name: str, cost: Cost) -> str:
    columns = "".join(f"{value:>10.1f}" for value in (cost.frontend_us, cost.model_us, cost.rest_us, cost.total_us))
    return (
        f"{name:<8}{columns}   real-time factor {cost.real_time_factor:.5f}, "
        f"{cost.cpu_seconds_per_hour:.1f} CPU s per hour, awake {cost.awake_share:.0%}"
    )


def _record(name: str, cost: Cost) -> dict[str, object]:
    return {
        "signal": name,
        "seconds": cost.seconds,
        "us_per_hop": {
            "frontend": cost.frontend_us,
            "model": cost.model_us,
            "rest": cost.rest_us,
            "total": cost.total_us,
        },
        "real_time_factor": cost.real_time_factor,
        "cpu_seconds_per_hour": cost.cpu_seconds_per_hour,
        "awake_share": cost.awake_share,
        "peak_rss_bytes": process_usage.peak_resident_bytes(),
    }
