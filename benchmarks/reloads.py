"""Does a reload lose anything? Reloads a listening daemon again and again, and compares what it publishes with a run without.

    python -m benchmarks.reloads [--reloads 100] [--quick] [--out reloads.json]

A file with talk is played in real time while other processes keep both cores busy; SIGHUP and the control socket take turns
in asking. The same file through a daemon that is left alone gives the reference. Exit code 1 when an event, a sample or a
number in a sequence differs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from benchmarks.rig.daemon import BUSY, Arrival, RunningDaemon

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate

TIMELESS = ("v", "stream", "device", "seq", "time_ns")


def main() -> int:
    """Print what differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="10 reloads of a shorter file")
    parser.add_argument("--out", type=Path)
    parser.add_argument("run_options", nargs="*", help="further options of inherentd run, after --")
    arguments = parser.parse_args()
    result = measure(10 if arguments.quick else arguments.reloads, 4 if arguments.quick else 16, arguments.run_options)
    print(json.dumps(result, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["problems"] else 0


def measure(reloads: int, clips: int, options: list[str]) -> dict[str, Any]:
    """Return what was found."""
    talk = concatenate(load_clips(BUNDLED)[:clips])[0]
    turns = max(1, round(reloads * 1.5 * 16_000 / len(talk)))  # a reload every 1.5 s
    samples = np.tile(talk, turns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.wav"
        soundfile.write(path, samples, 16_000)
        reference = played(path, 0, options, "max")
        load = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
        try:
            found = played(path, reloads, options, "realtime")
        finally:
            for process in load:
                process.kill()
    problems = [*_sequences(found[0]), *_differences(reference[0], found[0])]
    if found[1] != reloads:
        problems.append(f"{found[1]} of {reloads} reloads were done")
    return {"reloads": found[1], "seconds": len(samples) / 16_000, "events": len(comparable(found[0])),
            "slowest_reload_seconds": round(found[2], 3), "problems": problems}  # fmt: skip


def played(path: Path, reloads: int, options: list[str], speed: str) -> tuple[list[Arrival], int, float]:
    """Return the messages of a run over the file, how many reloads were done, and the seconds the slowest took."""
    given = ["--input", str(path), "--speed", speed, "--wait-for-subscriber", "20", *options]
    daemon, done, slowest = RunningDaemon(given), 0, 0.0
    daemon.wait(lambda message: message.topic == "health" and message.header["state"] == "listening")
    for turn in range(reloads):
        asked, before = time.monotonic(), daemon.log.count('"reloaded"')
        if turn % 2:
            daemon.ask("reload")
        else:
            daemon.process.send_signal(signal.SIGHUP)
            while daemon.log.count('"reloaded"') == before and time.monotonic() < asked + 20:
                time.sleep(0.05)
        done = daemon.log.count('"reloaded"')
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(max(0.0, asked + 1.2 - time.monotonic()))
    ended = daemon.wait(lambda m: m.topic == "health" and m.header["state"] == "stopping", seconds=3600)
    if ended is not None:
        daemon.process.wait(20)
    code = daemon.close()
    if ended is None or code:
        raise SystemExit(f"the daemon failed ({code}):\n{daemon.log}")
    return daemon.messages, done, slowest


def comparable(messages: list[Arrival]) -> list[tuple[str, dict[str, Any], bytes]]:
    """Return the events without what must differ between two runs; scores rounded, as backends are exact to 1e-4."""
    return [
        (
            message.topic,
            {key: _rounded(value) for key, value in message.header.items() if key not in TIMELESS},
            message.payload,
        )
        for message in messages
        if message.topic != "health"
    ]


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def _sequences(messages: list[Arrival]) -> list[str]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        numbers[message.topic].append(message.header["seq"])
    return [f"{topic}: {len(found)} messages, numbered to {found[-1]}" for topic, found in numbers.items()
            if found != list(range(len(found)))]  # fmt: skip


def _differences(expected: list[Arrival], found: list[Arrival]) -> list[str]:
    first, second = comparable(expected), comparable(found)
    problems = [f"{len(first)} events expected, {len(second)} came"] if len(first) != len(second) else []
    problems += [f"event {index}: expected {a[:2]}, got {b[:2]}" for index, (a, b) in enumerate(zip(first, second, strict=False))
                 if a != b][:5]  # fmt: skip
    return problems


if __name__ == "__main__":
    sys.exit(main())
