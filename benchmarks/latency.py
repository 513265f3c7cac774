"""How late a decision reaches a subscriber: from the end of the phrase, in real time, in one pass and in two.

    python -m benchmarks.latency [--manifest FILE…] [--clips 60] [--engines NAME…] [--out FOLDER] [--quick]

Each way hears the same clips, a quiet room of 4 s between them, block by block as a microphone gives them: a real daemon on its
standard input, whose events a real ZeroMQ subscriber receives; and the two-pass way as a subscriber of raw audio, whose decisions
come back over ZeroMQ. They run one after another. Every delay is split at the sample of which the event speaks: the sound that the
decision waited for comes before it, computing and transport after. `python -m benchmarks.live` measures through a sound server.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks import tables
from benchmarks.field import ENGINES, chosen, model_version, packages_of, pictures
from benchmarks.field.preparing import prepare
from benchmarks.field.subscriber import Subscriber
from benchmarks.field.texts import RECIPES
from benchmarks.live import LAST_WORD_SECONDS, PAUSE_SECONDS, laid_out
from benchmarks.rig.daemon import Arrival, RunningDaemon
from benchmarks.rig.pacing import RATE_HZ, play
from benchmarks.rig.scene import labelled_requests, speech_bounds

from inherentd.daemon.sources.decoding import read_whole
from inherentd.daemon.sources.microphone import LEAD_SAMPLES
from inherentd.inherent_model.heads import GATE

DAEMONS = {"inherentd-onnx": "onnx", "inherentd-litert": "litert", "inherentd-mlx": "mlx"}
AMONG = (*DAEMONS, *(name for name in ENGINES if ENGINES[name].module == "twopass"))
DEFAULT = ("inherentd-litert", "whisper-classifier")
RIGHT = "right intent"
EVENTS = {"gate.opened": "gate opened", "intent": "first intent", RIGHT: RIGHT, "gate.closed": "gate closed, all intents final",
          GATE: "gate and intents"}  # fmt: skip
"""topic, or what an engine names -> how it is called here"""
COLUMNS = ["way", "event", "came for", "ms after the end of the phrase: p50", "p95", "p99", "most",
           "of it sound waited for: p50", "p95", "of that the rest of a block: p50", "computing and transport: p50", "p95", "p99"]  # fmt: skip
QUICK_RECIPES = (Path("configs/corpus/quick.yaml"),)
P50_MS, P95_MS = 100, 150


@dataclass(frozen=True)
class Phrase:
    """A clip in the stream: where it begins, where its last speech ends, and until where an event belongs to it."""

    start: int
    speech_stop: int
    stop: int
    heads: frozenset[str] = frozenset()
    """the intents that it asks for, where that is labelled"""


@dataclass(frozen=True)
class Delay:
    """Of one event, in ms from the end of the phrase; negative before it."""

    waited_ms: float
    """until the block had sounded that has the sample of which the event speaks"""
    block_ms: float
    """of that: what of the block lay behind that sample"""
    transport_ms: float
    """from there to the subscriber: computing and transport"""

    @property
    def ms(self) -> float:
        """Return the whole."""
        return self.waited_ms + self.transport_ms


def main() -> int:
    """Measure, write and print."""
    arguments = _arguments()
    try:
        names, left_out = chosen(arguments.engines or DEFAULT, AMONG)
    except ValueError as error:
        print(f"benchmarks.latency: {error}", file=sys.stderr)
        return 2
    pause_seconds, count = (1.2, 2) if arguments.quick else (PAUSE_SECONDS, arguments.clips)
    requests = labelled_requests(arguments.manifest, count)
    clips = [read_whole(path) for path, _, _ in requests]
    starts, stream = laid_out(clips, pause_seconds)
    after = round(min(LAST_WORD_SECONDS, pause_seconds) * RATE_HZ)
    phrases = [Phrase(start, start + speech_bounds(clip)[1], start + len(clip) + after, frozenset(heads) - {GATE})
               for start, clip, (_, _, heads) in zip(starts, clips, requests, strict=True)]  # fmt: skip
    expected = dict.fromkeys(EVENTS.values(), len(phrases)) | {RIGHT: sum(bool(phrase.heads) for phrase in phrases)}
    found: dict[tuple[str, str], list[Delay]] = {}
    with tempfile.TemporaryDirectory() as folder:
        left_out += prepare(Path(folder), names, QUICK_RECIPES if arguments.quick else RECIPES)
        for name in names:
            hear = through_daemon if name in DAEMONS else through_subscriber
            started, messages = hear(name, Path(folder), stream, arguments.block_ms)
            for topic, event in EVENTS.items():
                if topic == RIGHT or (topic == GATE) != (name in DAEMONS):
                    found[name, event] = delays(topic, messages, phrases, started, arguments.block_ms)
    conditions = tables.machine() | tables.versions_of(packages_of(names, "pyzmq")) | model_version() | {
        "clips": f"{len(clips)} requests of " + (", ".join(p.parent.name for p in arguments.manifest) or "the demo"),
        "pause": f"{pause_seconds:g} s", "blocks": f"{arguments.block_ms} ms", "threads": "1",
    }  # fmt: skip
    table = tables.Table(
        "Latency: from the end of a phrase to a subscriber", tables.command_line("benchmarks.latency"), conditions, COLUMNS,
        [_row(*key, of, expected[key[1]]) for key, of in found.items()], [*aims(found, expected), *NOTES, *left_out],
    )  # fmt: skip
    series = {f"{name}: {event}": [delay.ms for delay in of] for (name, event), of in found.items()}
    tables.publish(
        arguments.out, "latency", table,
        lambda path: pictures.steps(path, series, "ms after the end of the phrase", "share of the events"),
    )  # fmt: skip
    return 0


NOTES = [
    (
        "The end of a phrase is its last 20 ms within 40 dB of its loudest. Sound waited for counts up to the end of the block in which "
        "the deciding sample came: a block is given when its last sample has sounded. Negative: before the phrase was over."
    ),
    "Each row counts the clips for which the event came; what did not come has no delay.",
    "The first intent may be the wrong one; the right intent is the first of those that the clip is labelled with.",
]


def through_daemon(name: str, _: Path, stream: np.ndarray, block_ms: int) -> tuple[float, list[Arrival]]:
    """Return when sample 0 sounded, and what a subscriber of a daemon heard."""
    daemon = RunningDaemon(["--input", "-", "--backend", DAEMONS[name]], stdin=subprocess.PIPE)
    pipe = daemon.process.stdin
    assert pipe is not None
    daemon.wait(lambda message: message.topic == "health")

    def send(pcm: bytes) -> None:
        pipe.write(pcm)
        pipe.flush()

    send(bytes(2 * LEAD_SAMPLES))  # as a microphone does, so that steps of 80 ms end with a block
    started = play(stream, send, block_ms)
    pipe.close()
    daemon.process.wait(20)
    health = daemon.health
    code, log = daemon.close(), daemon.log
    if code or health["dropped"]:
        raise SystemExit(
            f"benchmarks.latency: the daemon ended with {code}, {health['dropped']} samples dropped:\n{log}"
        )
    return started, [
        replace(message, header=message.header | {"at_sample": message.header["at_sample"] - LEAD_SAMPLES})
        for message in daemon.messages
    ]


def through_subscriber(name: str, prepared: Path, stream: np.ndarray, block_ms: int) -> tuple[float, list[Arrival]]:
    """Return when sample 0 sounded, and what came of an engine that subscribes to the audio."""
    subscriber = Subscriber(name, prepared)
    started = play(stream, subscriber.send, block_ms)
    subscriber.close()
    return started, subscriber.messages


def delays(
    topic: str, messages: Sequence[Arrival], phrases: Sequence[Phrase], started: float, block_ms: int
) -> list[Delay]:
    """Return the delay of the first event of this topic in each phrase that has one. `RIGHT` is an intent that the phrase asks for."""
    found = []
    block = block_ms * RATE_HZ // 1000
    for phrase in phrases:
        mine = (m for m in messages if phrase.start <= m.header["at_sample"] < phrase.stop)
        # An engine's message has its head as topic.
        first = next(
            (
                m
                for m in mine
                if (m.header.get("head", m.topic) in phrase.heads if topic == RIGHT else m.topic == topic)
            ),
            None,
        )
        if first is not None:
            at_sample = first.header["at_sample"]
            sounded = at_sample + -at_sample % block
            found.append(Delay((sounded - phrase.speech_stop) * 1000 / RATE_HZ, (sounded - at_sample) * 1000 / RATE_HZ,
                               (first.at - started - sounded / RATE_HZ) * 1000))  # fmt: skip
    return found


def aims(found: dict[tuple[str, str], list[Delay]], expected: dict[str, int]) -> list[str]:
    """Return how inherentd's gate and intents stand to the aim. expected: for how many clips each event should come."""
    told = []
    for (name, event), of in found.items():
        if name in DAEMONS and of and event != EVENTS["gate.closed"]:
            p50, p95 = (float(np.percentile([delay.ms for delay in of], share)) for share in (50, 95))
            verdict = "met" if p50 <= P50_MS and p95 <= P95_MS else "missed"
            told.append(
                f"Aim: p50 at most {P50_MS} ms, p95 at most {P95_MS} ms. {name}, {event}, came for {len(of)} of {expected[event]}: "
                f"{p50:.0f} and {p95:.0f} ms: {verdict}."
            )
    return told


def _row(name: str, event: str, of: Sequence[Delay], clips: int) -> list[tables.Cell]:
    came = f"{len(of)} of {clips}"
    if not of:
        return [name, event, came, *("-" for _ in COLUMNS[3:])]

    def shares(values: list[float], *wanted: int) -> list[tables.Cell]:
        return [round(float(np.percentile(values, share))) for share in wanted]

    return [name, event, came, *shares([delay.ms for delay in of], 50, 95, 99, 100),
            *shares([delay.waited_ms for delay in of], 50, 95),
            *shares([delay.block_ms for delay in of], 50), *shares([delay.transport_ms for delay in of], 50, 95, 99)]  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", nargs="+", type=Path, default=[],
                        help="clips: addressed lines of the split test (default: the demo's)")  # fmt: skip
    parser.add_argument("--clips", type=int, default=60, help="at most so many, evenly drawn (default: %(default)s)")
    parser.add_argument("--engines", nargs="+", default=[], metavar="NAME",
                        help=f"of {', '.join(AMONG)} (default: {', '.join(DEFAULT)})")  # fmt: skip
    parser.add_argument(
        "--block-ms", type=int, default=80, help="audio given at a time, as the daemon takes it (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write latency.json, latency.md and latency.png there"
    )
    parser.add_argument(
        "--quick", action="store_true", help="2 clips, 1.2 s between them, a classifier of few sentences"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
