"""Break what a daemon lives on, again and again, and see whether it notices, recovers, and counts what it lost.

    python -m benchmarks.faults [--faults 1000] [--at-once 4] [--quick] [--out faults.json]

Every rig is a PulseAudio server of its own with a null sink as microphone, a player, a real daemon and a real subscriber. The
player's samples count upwards (one more each, modulo 2^16), so that every sample that is heard tells its own number: what is
not contiguous was lost, and must have been counted (health: `dropped`). Told apart are crashes (the daemon ended by itself),
deafness that nobody was told of (health said "listening" for over 2 s, for zeros 5 s, while nothing came), and what was
lost and not counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from benchmarks.rig.daemon import Arrival, RunningDaemon
from benchmarks.rig.sound_server import RATE_HZ, Player, SoundServer

PATIENCE = 25.0
ALLOWED_SECONDS = {"zeros": 6.5}  # until it must be told; of all others:
ALLOWED = 2.5
RINGING_SAMPLES = 200
LONG_SILENCE_SAMPLES = RATE_HZ
NEW_PLAYER_SAMPLES = 4 * RATE_HZ  # until it plays for sure
TOLERANCE_SAMPLES = 480  # 30 ms: silence stands in by the clock, and blocks come some ms early or late
BUSY = "import time; end = time.time() + 2\nwhile time.time() < end: sum(range(100000))"


def counting(first: int, count: int) -> np.ndarray:
    """Return the player's samples: each is its number."""
    return (np.arange(first, first + count) & 0xFFFF).astype(np.uint16).view(np.int16)


@dataclass
class Fault:
    """What happened in one."""

    kind: str
    deaf: bool
    detected: float | None = None
    """seconds from the fault to the health message that tells it"""
    recovered: float | None = None
    """seconds from the repair to the health message that says "listening" again"""
    problem: str = ""


@dataclass
class Rig:
    """A server, a player, a daemon and what is wrong with them right now."""

    seed: int
    options: list[str]
    server: SoundServer = field(init=False)
    daemon: RunningDaemon = field(init=False)
    player: Player | None = None
    heard: list[np.ndarray] = field(default_factory=list)
    heard_to: int | None = None
    number: int = 0
    """of the player's first sample"""
    restarts: list[int] = field(default_factory=list)
    """positions in the daemon's stream at which another player began, whose numbers do not follow on"""
    heard_from: int = 0

    def __post_init__(self) -> None:
        """Start everything and wait until it listens."""
        self.random = random.Random(self.seed)
        self.server = SoundServer()
        self.config = self.server.folder / "config.yaml"
        self.config.write_text("log: {level: info}\n")
        self.daemon = RunningDaemon(
            ["--config", str(self.config), "--input", "mic", *self.options], environment=self.server.environment
        )
        self.play()
        if self.daemon.wait(listening, PATIENCE) is None:
            raise SystemExit(f"the daemon does not listen:\n{self.daemon.log}")

    def play(self) -> None:
        """Begin to play, or to play again."""
        if self.player is not None:
            self.player.close()
            self.restarts.append(self.daemon.ask("status")[0]["held"]["stop"])
            self.number += self.player.position + 20_000
            time.sleep(0.3)  # the server plays out what the old one left; mixed, no number could be read
        number = self.number
        self.player = Player(self.server, lambda first, count: counting(number + first, count))

    def fetch(self) -> None:
        """Get what was heard since the last time, from the daemon's ring."""
        held = self.daemon.ask("status")[0]["held"]
        if self.heard_to is None:
            self.heard_from = self.heard_to = held["start"]
        start = max(self.heard_to, held["start"])
        if start > self.heard_to:
            raise RuntimeError(f"the benchmark was too slow to fetch {start - self.heard_to} samples")
        _, pcm = self.daemon.ask("audio", start=start, stop=held["stop"])
        self.heard.append(np.frombuffer(pcm, np.int16))
        self.heard_to = held["stop"]

    def close(self) -> int:
        """End everything. Return the daemon's exit code."""
        if self.player is not None:
            self.player.close()
        code = self.daemon.close()
        self.server.close()
        return code


def listening(message: Arrival) -> bool:
    """Return whether it is health that says so."""
    return message.topic == "health" and message.header["state"] == "listening"


def not_listening(message: Arrival) -> bool:
    """Return whether it is health that says otherwise."""
    return message.topic == "health" and message.header["state"] not in ("listening", "starting")


# Each breaks something, gives control back while it is broken, and repairs it. Deaf: nothing can be heard meanwhile.


@contextmanager
def unplugged(rig: Rig) -> Iterator[None]:
    """The microphone is unplugged."""
    rig.server.unplug()
    yield
    rig.server.plug_in()
    rig.play()


@contextmanager
def server_killed(rig: Rig) -> Iterator[None]:
    """The sound server crashes."""
    rig.server.kill()
    yield
    rig.server.restart()
    rig.play()


@contextmanager
def server_frozen(rig: Rig) -> Iterator[None]:
    """The sound server hangs."""
    rig.server.freeze()
    yield
    rig.server.thaw()


@contextmanager
def zeros(rig: Rig) -> Iterator[None]:
    """The microphone gives digital zeros."""
    assert rig.player is not None
    rig.player.close()
    yield
    rig.play()


@contextmanager
def muted(rig: Rig) -> Iterator[None]:
    """Somebody mutes it."""
    rig.daemon.ask("mute")
    yield
    rig.daemon.ask("unmute")


@contextmanager
def daemon_stopped(rig: Rig) -> Iterator[None]:
    """The daemon gets no CPU at all for a while, as when a machine sleeps or is overloaded."""
    rig.daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(rig.random.choice([0.2, 1, 4, 12]))
    rig.daemon.process.send_signal(signal.SIGCONT)
    yield


@contextmanager
def cpu_taken(rig: Rig) -> Iterator[None]:
    """Other processes take all cores."""
    load = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for process in load:
        process.wait()


@contextmanager
def lazy_subscriber(rig: Rig) -> Iterator[None]:
    """A subscriber connects and never reads."""
    with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
        lazy.setsockopt(zmq.LINGER, 0)
        lazy.setsockopt(zmq.RCVHWM, 1)
        lazy.subscribe(b"")
        lazy.connect(rig.daemon.endpoint)
        time.sleep(1)
        yield


@contextmanager
def hostile_peer(rig: Rig) -> Iterator[None]:
    """Nonsense on both sockets."""
    for endpoint in (rig.daemon.endpoint, rig.daemon.control_endpoint):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(endpoint.removeprefix("ipc://"))
            raw.sendall(rig.random.randbytes(rig.random.randrange(1, 5000)))
    yield


@contextmanager
def bad_reload(rig: Rig) -> Iterator[None]:
    """The configuration is damaged and reloaded."""
    good = rig.config.read_text()
    rig.config.write_text(rig.random.choice(["gate: {hangover: 3}", "gate: [", "model: {path: none.onnx}", "\x00"]))
    rig.daemon.process.send_signal(signal.SIGHUP)
    time.sleep(0.7)
    rig.config.write_text(good)
    yield


@contextmanager
def good_reload(rig: Rig) -> Iterator[None]:
    """Configuration and model are reloaded."""
    rig.daemon.ask("reload")
    yield


DEAF: dict[str, Callable[[Rig], Any]] = {
    "microphone unplugged": unplugged,
    "sound server killed": server_killed,
    "sound server frozen": server_frozen,
    "digital zeros": zeros,
    "muted": muted,
}
HEARING: dict[str, Callable[[Rig], Any]] = {
    "daemon stopped": daemon_stopped,
    "cpu taken": cpu_taken,
    "subscriber that never reads": lazy_subscriber,
    "hostile bytes": hostile_peer,
    "broken configuration reloaded": bad_reload,
    "model reloaded": good_reload,
}


def inject(rig: Rig, kind: str) -> Fault:
    """Break, watch, repair, watch. Return what happened."""
    deaf = kind in DEAF
    fault = Fault(kind, deaf)
    mark, broken_at = len(rig.daemon.messages), time.monotonic()
    with (DEAF | HEARING)[kind](rig):
        if deaf:
            told = rig.daemon.wait(not_listening, PATIENCE, mark)
            fault.detected = None if told is None else told.at - broken_at
            allowed = ALLOWED_SECONDS.get("zeros" if kind == "digital zeros" else "", ALLOWED)
            if told is None or fault.detected is None or fault.detected > allowed:
                fault.problem = "undetected deafness"
            time.sleep(rig.random.uniform(0, 1.0))
        mark, repaired_at = len(rig.daemon.messages), time.monotonic()
    again = rig.daemon.wait(listening, PATIENCE, mark)
    if again is None:
        fault.problem = fault.problem or "it did not recover"
    elif deaf:
        fault.recovered = max(0.0, again.at - repaired_at)
    if rig.daemon.process.poll() is not None:
        fault.problem = f"crash: exit code {rig.daemon.process.returncode}"
    time.sleep(0.7)
    rig.fetch()
    return fault


def continuity(rig: Rig, dropped: int) -> dict[str, Any]:
    """Return how many samples were heard, and how many were lost for which no silence stands: two samples with n of silence
    between them should have numbers n + 1 apart. Silence of a player that came late is no loss. Where another player
    began, numbers tell nothing. Numbers repeat after 4.1 s: beside long silence, a player that was late looks like a loss that
    is longer still, and is taken for what it is; `stream_behind_clock_seconds` would tell such a loss."""
    heard = np.concatenate(rig.heard or [np.zeros(0, np.int16)])
    real = np.flatnonzero(heard)
    silence = np.diff(real) - 1
    step = (heard[real[1:]].astype(np.int32) - heard[real[:-1]].astype(np.int32)) & 0xFFFF
    lost = step - 1 - silence
    lost = _nearest(lost)  # numbers repeat after 2^16
    lost[(silence > 0) & (lost < 0)] = 0
    lost[(silence > LONG_SILENCE_SAMPLES) & (lost > LONG_SILENCE_SAMPLES)] = 0
    begins, ends = rig.heard_from + real[:-1] - NEW_PLAYER_SAMPLES, rig.heard_from + real[1:] + RATE_HZ // 2
    for restart in rig.restarts:
        lost = np.where((begins <= restart) & (restart <= ends), 0, lost)
    # Where the daemon opened at another rate, its resampler rings around each jump from the highest number to the lowest: what
    # is lost stays lost, the ringing is over after some samples.
    around = _nearest(np.convolve(lost, np.ones(2 * RINGING_SAMPLES + 1, np.int64), "same"))
    lost = lost[(lost > TOLERANCE_SAMPLES) & (around > TOLERANCE_SAMPLES)]
    return {"samples": len(heard), "dropped": dropped, "silence": int(len(heard) - len(real)),
            "losses_not_counted": len(lost), "samples_lost_and_not_counted": int(lost.sum()),
            "largest": [int(one) for one in sorted(lost, reverse=True)[:5]]}  # fmt: skip


def _nearest(numbers: np.ndarray) -> np.ndarray:
    """Return what is equal modulo 2^16 and nearest to 0."""
    return (numbers + 0x8000 & 0xFFFF) - 0x8000


def drive(
    rig_number: int, kinds: list[str], options: list[str], faults: list[Fault], summary: list[dict[str, Any]]
) -> None:
    """Run one rig through its faults."""
    rig = Rig(rig_number, options)
    first = rig.daemon.health
    started = next(m for m in reversed(rig.daemon.messages) if m.topic == "health")
    for kind in kinds:
        try:
            fault = inject(rig, kind)
        except Exception as error:  # what a fault does to the rig itself is told, and the next rig goes on
            fault = Fault(kind, deaf=False, problem=f"rig: {type(error).__name__}: {error}")
            code = rig.daemon.process.poll()
            if code is not None:
                fault.problem = f"crash: exit code {code}"
        faults.append(fault)
        if fault.problem:
            print(f"rig {rig_number}: {fault.kind}: {fault.problem}", file=sys.stderr)
        if rig.daemon.process.poll() is not None:
            break
    time.sleep(1.2)
    last = next(m for m in reversed(rig.daemon.messages) if m.topic == "health")
    elapsed = last.at - started.at
    streamed = (last.header["at_sample"] - first["at_sample"]) / RATE_HZ
    seqs: dict[str, list[int]] = defaultdict(list)
    for message in rig.daemon.messages:
        seqs[message.topic].append(message.header["seq"])
    summary.append(
        {
            "seconds": round(elapsed, 1),
            "stream_behind_clock_seconds": round(elapsed - streamed, 3),
            **continuity(rig, last.header["dropped"]),
            "gaps": last.header["gaps"],
            "overflows": last.header["overflows"],
            "rss_mb": [round(first["rss"] / 1e6, 1), round(last.header["rss"] / 1e6, 1)],
            "messages_lost": sum(found != list(range(found[0], found[0] + len(found))) for found in seqs.values()),
            "exit_code": rig.close(),
        }
    )


def main() -> int:
    """Run the rigs side by side and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=4, help="rigs side by side (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="each kind once, in two rigs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("run_options", nargs="*", help="further options of inherentd run, after --")
    arguments = parser.parse_args()
    kinds = [*DEAF, *HEARING]
    rigs = 2 if arguments.quick else arguments.at_once
    total = len(kinds) if arguments.quick else arguments.faults
    order = list(itertools.islice(itertools.cycle(kinds), total))
    random.Random(1).shuffle(order)
    faults: list[Fault] = []
    summary: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=drive, args=(number, order[number::rigs], arguments.run_options, faults, summary))
        for number in range(rigs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(table(faults))
    print(json.dumps(summary, indent=1))
    if arguments.out:
        document = {"faults": [vars(fault) for fault in faults], "rigs": summary}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    bad = any(fault.problem for fault in faults) or len(faults) != total or len(summary) != rigs
    wrong = any(rig["exit_code"] or rig["losses_not_counted"] or rig["messages_lost"] for rig in summary)
    return 1 if bad or wrong else 0


def table(faults: list[Fault]) -> str:
    """Return the Markdown table, a row for each kind."""
    lines = [
        "| fault | times | told after, s: p50, max | listening again after, s: p50, max | problems |",
        "|---|---|---|---|---|",
    ]
    for kind in [*DEAF, *HEARING]:
        mine = [fault for fault in faults if fault.kind == kind]
        detected = [fault.detected for fault in mine if fault.detected is not None]
        recovered = [fault.recovered for fault in mine if fault.recovered is not None]
        problems = [fault.problem for fault in mine if fault.problem]
        counted = ", ".join(f"{problems.count(name)} times {name}" for name in dict.fromkeys(problems)) or "none"
        lines.append(f"| {kind} | {len(mine)} | {_spread(detected)} | {_spread(recovered)} | {counted} |")
    return "\n".join(lines)


def _spread(seconds: list[float]) -> str:
    return f"{np.median(seconds):.2f}, {max(seconds):.2f}" if seconds else "-"


if __name__ == "__main__":
    sys.exit(main())
