"""What front doors cost: CPU for an hour of audio, memory, disk, start; inherentd beside the field, the same audio for all.

    python -m benchmarks.cost [--out FOLDER] [--manifest FILE…] [--room FILE…] [--noise FOLDER] [--engines NAME…] [--seconds 3600] [--quick]

The hour: a room, quiet in its first half and humming in its second, 15% of it people talking to each other, and 60 requests. What
silence (that quiet room), hum, recorded noise and continuous talk cost is measured apart. Each engine runs in a process of its own, in one
thread; they take turns by slices of the stream, so that what else the machine does falls on all of them. It needs
`pip install '.[bench]'`; what is not installed is left out and said.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from benchmarks import tables
from benchmarks.field import (
    BLOCK_SAMPLES,
    ENGINES,
    ONE_THREAD,
    RATE_HZ,
    WAKE_WORDS,
    chosen,
    model_version,
    packages_of,
    pictures,
    streams,
)
from benchmarks.field.installed import fresh_bytes, installed_bytes
from benchmarks.field.preparing import prepare
from benchmarks.field.worker import Worker
from benchmarks.rig.scene import requests_of, talk_of, unaddressed_of

AMONG = tuple(name for name in ENGINES if not name.endswith("-classifier"))
HOUR = "hour"
PARTS = {HOUR: "CPU s per hour of the stream", "silence": "CPU s/h, quiet room", "hum": "CPU s/h, humming room",
         "noise": "CPU s/h, recorded noise", "talk": "CPU s/h, continuous talk"}  # fmt: skip
"""and the names of their columns; "noise" is left out where there are no recordings"""
NOISE = Path("corpora/noise")
COSTLIEST_SHARE = 1 / 20
SETTLING_SECONDS = 5.0
"""at the beginning of each part, not measured; a third of a shorter one"""


@dataclass
class Cost:
    """What an engine cost so far; `seconds` and `cpu_seconds` by part."""

    start_seconds: float
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    resident_bytes: int = 0
    model_bytes: int = 0
    openings: int = 0

    def an_hour(self, part: str) -> float:
        """Return CPU seconds per hour of this audio."""
        return self.cpu_seconds[part] / self.seconds[part] * 3600


def main() -> int:
    """Measure, write and print."""
    arguments = _arguments()
    try:
        names, left_out = chosen(arguments.engines, AMONG)
    except ValueError as error:
        print(f"benchmarks.cost: {error}", file=sys.stderr)
        return 2
    seconds, part_seconds = (15.0, 3.0) if arguments.quick else (arguments.seconds, min(600.0, arguments.seconds / 6))
    noises = talk_of(arguments.noise, "") if arguments.noise and arguments.noise.is_dir() else []
    if not noises:
        if arguments.noise:
            print(f"benchmarks.cost: --noise {arguments.noise}: no folder with recordings", file=sys.stderr)
            return 2
        left_out.append(f"Recorded noise is left out: no {NOISE} here; give --noise FOLDER.")
    requests = [path for path, _ in requests_of(arguments.manifest, max(1, round(seconds / 60)))]
    talk = unaddressed_of(arguments.manifest)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left_out += prepare(folder, names)
        try:
            files, count, in_talk = _streams(
                folder, seconds, part_seconds, requests, talk, room=arguments.room, noises=noises
            )
        except ValueError as error:
            print(f"benchmarks.cost: {error}", file=sys.stderr)
            return 2
        costs = measure(names, folder, files, arguments.slice_seconds)
    sizes = {each: (fresh_bytes if arguments.fresh else installed_bytes)(ENGINES[each].packages) for each in names}
    conditions = tables.machine() | tables.versions_of(packages_of(names)) | model_version() | {
        "stream": f"{seconds:g} s with {count} requests, its parts {part_seconds:g} s each",
        "clips": ", ".join(path.parent.name for path in arguments.manifest) or "the demo's",
        "rooms": f"{streams.QUIET_DBFS:g} and {streams.HUM_DBFS:g} dBFS, "
        + (f"of {len(arguments.room)} recordings" if arguments.room else "pink noise"),
        "noise": f"{len(noises)} recordings, each at {streams.HUM_DBFS:g} dBFS" if noises else "none",
        "blocks": f"{BLOCK_SAMPLES * 1000 // RATE_HZ} ms", "turns": f"slices of {arguments.slice_seconds:g} s",
        "threads": "1", "installed": "fresh environments" if arguments.fresh else "the packages' own lists of files",
    }  # fmt: skip
    table = tables.Table(
        "Cost: inherentd and the field", tables.command_line("benchmarks.cost"), conditions,
        ["engine", "decides", *(PARTS[part] for part in files), "memory MB", "start s", "model MB", "installed MB", "openings"],
        [_row(each, costs[each], sizes[each], files) for each in names],
        [*aims(costs), f"{in_talk} of the {count} requests lie in the middle of talk.", *NOTES, *left_out],
    )  # fmt: skip
    tables.publish(arguments.out, "cost", table, lambda path: _draw(path, costs, files))
    return 0


WHISPER_NOTE = "Whisper computes 30 s however short the piece."
NOTES = [
    ("CPU is that of the engine's calls, all threads; memory is resident at the end, with Python, numpy and the measurement (the row "
     '"nothing"); start is from the new process to the first block heard; installed is what pip brings for it, without Python itself.'),
    "Openings: of the gate, wake words, beginnings of speech, pieces that went to recognition, in the stream.",
    "inherentd here is the engine: the daemon's capture and sockets are not in it (README: the whole daemon).",
    ("inherentd sleeps in a quiet room (`sleep.below_dbfs`) and where only a steady hum is heard (`sleep.over_room_db`); this hum is "
     "perfectly steady. In rain, beside a ticking clock or a crackling fire of the same level it stays awake and costs what talk costs. "
     'The rows "-awake" show it without sleep.'),
    "The stream holds words of no wake word engine: these listen for nothing else.",
    ("By window: the last second, five times a second. It computes less often than streaming and knows 1 s instead of 6.2 s, so at the "
     "same threshold its gate hardly opens. The upstream network is run the same way."),
    WHISPER_NOTE,
    "Blocks follow each other without a pause; in real time, with cold caches, every engine takes more.",
    "The upstream network has random weights: its cost is that of its form, its decisions mean nothing.",
]  # fmt: skip


def measure(
    names: Sequence[str], prepared: Path, files: dict[str, tuple[Path, int]], slice_seconds: float
) -> dict[str, Cost]:
    """Return what each engine cost. files: by part a raw file of int16 samples, and how many."""
    environment = {**os.environ, **ONE_THREAD}
    workers = [Worker(name, prepared, environment) for name in names]
    costs = {worker.name: Cost(worker.start_seconds) for worker in workers}
    turn = 0
    for part, (path, samples) in files.items():
        # What the part before left behind, an utterance or being awake, is none of this one's cost.
        settled = 0 if part == HOUR else round(min(SETTLING_SECONDS, samples / RATE_HZ / 3) * RATE_HZ)
        for worker in workers:
            worker.hear(path, 0, settled)
        for start in range(settled, samples, round(slice_seconds * RATE_HZ)):
            stop = min(samples, start + round(slice_seconds * RATE_HZ))
            turn += 1
            for index in range(len(workers)):  # not always in the same order
                worker = workers[(index + turn) % len(workers)]
                found, cost = worker.hear(path, start, stop), costs[worker.name]
                cost.seconds[part] += (stop - start) / RATE_HZ
                cost.cpu_seconds[part] += found["cpu_seconds"]
                cost.resident_bytes, cost.model_bytes = found["resident_bytes"], found["model_bytes"]
                cost.openings += found["openings"] if part == HOUR else 0
            print(f"\r{part} {stop / RATE_HZ:.0f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for worker in workers:
        worker.close()
    return costs


def aims(costs: dict[str, Cost]) -> list[str]:
    """Return how inherentd stands to the aims: no dearer than the cheapest wake word engine, at most 1/20 of the two-pass way."""
    hours = {name: cost.an_hour(HOUR) for name, cost in costs.items()}
    ours = min((name for name in hours if name in _OURS), key=hours.__getitem__, default=None)
    words = min((name for name in hours if name in WAKE_WORDS), key=hours.__getitem__, default=None)
    told = []
    if ours and words:
        met = "met" if hours[ours] <= hours[words] else "missed"
        told.append(f"Aim: no more CPU than the cheapest wake word engine. {ours} {hours[ours]:.1f}, {words} {hours[words]:.1f} CPU s "
                    f"per hour of the stream: {met}.")  # fmt: skip
        talk = costs[ours].an_hour("talk"), costs[words].an_hour("talk")
        met = "met" if talk[0] <= talk[1] else f"missed, {talk[0] / talk[1]:.1f} times as much"
        told.append(
            f"In continuous talk, where nothing sleeps: {ours} {talk[0]:.1f}, {words} {talk[1]:.1f} CPU s per hour: {met}."
        )
    for two_pass in (name for name in hours if name.startswith(("whisper", "pocketsphinx"))):
        if ours:
            share = hours[ours] / hours[two_pass]
            met = "met" if share <= COSTLIEST_SHARE else "missed"
            told.append(f"Aim: at most 1/20 of the two-pass way. {ours} takes 1/{1 / share:.1f} of {two_pass}: {met}.")
    return told


_OURS = ("inherentd-onnx", "inherentd-litert", "inherentd-mlx")


def _row(name: str, cost: Cost, installed: int, parts: Iterable[str]) -> list[tables.Cell]:
    return [name, ENGINES[name].decides, *(round(cost.an_hour(part), 2) for part in parts), round(cost.resident_bytes / 1e6),
            round(cost.start_seconds, 2), round(cost.model_bytes / 1e6, 2), round(installed / 1e6), cost.openings]  # fmt: skip


def _streams(folder: Path, seconds: float, part_seconds: float, requests: Sequence[Path], talk: Sequence[Path],
             *, room: Sequence[Path], noises: Sequence[Path]) -> tuple[dict[str, tuple[Path, int]], int, int]:  # fmt: skip
    """Write the hour and its parts; return their files with their lengths, the number of requests in the hour, and in talk."""
    rng, recording = np.random.default_rng(7), streams.recorded_room(room)
    whole, count, in_talk = streams.hour(seconds, requests, talk, rng, recording)
    made = {
        HOUR: whole,
        "silence": streams.quiet(part_seconds, rng, recording),
        "hum": streams.humming(part_seconds, rng, recording),
    }
    if noises:
        made["noise"] = streams.recorded(part_seconds, noises, rng)
    made["talk"] = streams.talking(part_seconds, talk, rng, recording)
    files = {}
    for name, samples in made.items():
        path = folder / f"{name}.s16"
        streams.pcm(samples).tofile(path)
        files[name] = (path, len(samples))
    return files, count, in_talk


def _draw(path: Path, costs: dict[str, Cost], parts: Iterable[str]) -> None:
    values = {part: {name: cost.an_hour(part) for name, cost in costs.items()} for part in parts}
    pictures.bars(path, values, "CPU seconds per hour of audio")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write cost.json, cost.md and cost.png there")
    parser.add_argument("--manifest", nargs="+", type=Path, default=[],
                        help="clips to lay into the stream, of the split test (default: the demo's)")  # fmt: skip
    parser.add_argument("--room", nargs="+", type=Path, default=[], metavar="FILE",
                        help="recordings of a quiet room, for its noise (default: pink noise)")  # fmt: skip
    parser.add_argument("--noise", type=Path, metavar="FOLDER", default=NOISE if NOISE.is_dir() else None,
                        help=f"recorded noises (default: {NOISE} where it is there)")  # fmt: skip
    parser.add_argument("--engines", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(AMONG)}")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of the stream (default: %(default)s)")
    parser.add_argument("--slice-seconds", type=float, default=30.0, help="of a turn (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="measure what pip installs into a fresh environment; slow")
    parser.add_argument("--quick", action="store_true", help="15 s of the stream, 3 s of each part")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
