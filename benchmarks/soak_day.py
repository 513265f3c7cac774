"""A day of audio through a real daemon as fast as it goes, into a real subscriber: is every sample there, and does anything grow?

    python -m benchmarks.soak_day [--hours 24] [--quick] [--out FOLDER] [-- OPTIONS OF inherentd run]

`inherentd run --input -` is given raw samples; a subscriber takes every message. Every hour begins with the demo's recording, the same
each time: whatever is published of it must be the same in the last hour as in the first, to the last digit and sample. The rest of an
hour is speech, noises, tones, clicks, overload and offsets, drawn anew, with pauses of up to two minutes in which the daemon sleeps.
Every payload is compared with the samples that were given. benchmarks/soak.py is the same question at real time, with a microphone.
Exit code 1 when a sample or message was lost, the recording was decided otherwise, or memory grew by more than 1 MB an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from benchmarks import tables
from benchmarks.rig.daemon import Arrival, RunningDaemon
from benchmarks.soak import in_process

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.stream import concatenate
from inherentd.daemon.sources.decoding import read_whole
from inherentd.inherent_model.sounds import KINDS, PIECE_SAMPLES, pieces_of_sound
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.ring import Ring

BLOCK_SAMPLES = SAMPLE_RATE_HZ
POOL_ROUNDS = 5
"""of every kind of sound, each at another level"""
QUIET_SECONDS = 10
"""around the recording: the gate closes, and the daemon sleeps"""
PAUSE_SECONDS = (30, 120)
PIECES = (6, 18)
"""of sound between two pauses"""
KEPT_SECONDS = 2_400
"""of what was given, for the comparison: more than any message comes late"""
QUEUE_MESSAGES = 100_000
MOST_MB_AN_HOUR = 1.0
DRIFT_TOPICS = ("gate.opened", "intent", "gate.closed", "audio")


def main() -> int:
    """Run, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24, help="of audio (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="three hours of three minutes, whose memory is not judged")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("run_options", nargs="*", help="further options of inherentd run, after --")
    arguments = parser.parse_args()
    hours, hour_seconds = (3, 180) if arguments.quick else (arguments.hours, 3600)
    result = soak(hours, hour_seconds, arguments.run_options)
    tables.publish(arguments.out, "soak-day", tabled(result))
    if arguments.out:
        lines = [{name: value for name, value in result.items() if name != "hours"}, *result["hours"]]
        (arguments.out / "soak-day-hours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return 1 if failures(result, judge_memory=not arguments.quick) else 0


class Given:
    """What the daemon is given, hour by hour, and the last minutes of it to compare with."""

    def __init__(self, hours: int, hour_seconds: int) -> None:
        self.recording, _ = concatenate(load_clips(BUNDLED))
        self.ring = Ring(KEPT_SECONDS * SAMPLE_RATE_HZ)
        self.hour_samples = hour_seconds * SAMPLE_RATE_HZ
        self._hours = hours
        self._rng = np.random.default_rng(8)
        clips = [read_whole(Path(clip.path)).astype(np.float32) / 32768 for clip in load_clips(BUNDLED)]
        sounds = pieces_of_sound(self._rng, clips)
        self._pool = [np.rint(next(sounds)[1] * 32767).astype(np.int16) for _ in range(POOL_ROUNDS * len(KINDS))]
        said = np.concatenate([clips[index] for index in self._rng.permutation(np.tile(np.arange(len(clips)), 6))])
        self._pool += [
            np.rint(piece * self._rng.uniform(0.2, 1.0) * 32767).astype(np.int16)
            for piece in said[: len(said) // PIECE_SAMPLES * PIECE_SAMPLES].reshape(-1, PIECE_SAMPLES)
        ]

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield every sample, int16, a second at a time or less."""
        for _ in range(self._hours):
            left = self.hour_samples
            for piece in self._hour():
                part = piece[:left]
                left -= len(part)
                for start in range(0, len(part), BLOCK_SAMPLES):
                    block = part[start : start + BLOCK_SAMPLES]
                    self.ring.write(block)
                    yield block
                if not left:
                    break

    def _hour(self) -> Iterator[np.ndarray]:
        yield self._quiet(QUIET_SECONDS)
        yield self.recording
        yield self._quiet(QUIET_SECONDS)
        # The hour's end is quiet, too: the next one's recording is heard by who slept.
        body = self.hour_samples - 3 * QUIET_SECONDS * SAMPLE_RATE_HZ - len(self.recording)
        while body > 0:
            chosen = self._rng.integers(0, len(self._pool), self._rng.integers(*PIECES))
            for piece in (
                *(self._pool[index] for index in chosen),
                self._quiet(int(self._rng.integers(*PAUSE_SECONDS))),
            ):
                yield piece[:body]
                body -= len(piece[:body])
        yield self._quiet(QUIET_SECONDS)

    def _quiet(self, seconds: int) -> np.ndarray:
        return np.rint(self._rng.normal(0, 5, seconds * SAMPLE_RATE_HZ)).astype(np.int16)


class Received:
    """Counts and compares what the subscriber gets, as it comes."""

    def __init__(self, given: Given) -> None:
        self.counts: dict[str, int] = {}
        self.lost_messages = 0
        self.wrong_samples = 0
        self.missing_samples = 0
        self.audio_samples = 0
        self.open_utterances = 0
        self.health: list[dict[str, Any]] = []
        self.recordings: dict[int, list[str]] = {}
        """by hour, a digest of each message about its recording"""
        self._given = given
        self._next_seq: dict[str, int] = {}
        self._next_sample = 0
        self._hour, self._of_recording = 0, False
        self._first_utterance: dict[int, int] = {}

    def take(self, message: Arrival) -> None:
        """Take one message."""
        topic, header = message.topic, message.header
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.lost_messages += header["seq"] - self._next_seq.get(topic, 0)
        self._next_seq[topic] = header["seq"] + 1
        if topic == "health":
            self.health.append(header)
        elif topic == "gate.opened":
            self.open_utterances += 1
            self._next_sample = header["at_sample"] - header["preroll_samples"]
        elif topic == "gate.closed":
            self.open_utterances -= 1
        elif topic == "audio":
            self._compare(header, message.payload)
        if topic in DRIFT_TOPICS:
            self._note(topic, header, message.payload)

    def _compare(self, header: dict[str, Any], payload: bytes) -> None:
        """Compare a payload with what was given, and its place with the payload before."""
        begin = header["at_sample"]
        self.missing_samples += abs(begin - self._next_sample)
        self._next_sample = begin + header["samples"]
        heard = np.frombuffer(payload, "<i2")
        self.audio_samples += len(heard)
        self.wrong_samples += int(np.count_nonzero(self._given.ring.read(begin, self._next_sample) != heard))

    def _note(self, topic: str, header: dict[str, Any], payload: bytes) -> None:
        """Keep what was published of the utterances of an hour's recording, with times counted from the hour's beginning."""
        if topic == "gate.opened":
            self._hour, opened_at = divmod(header["at_sample"], self._given.hour_samples)
            self._of_recording = opened_at < QUIET_SECONDS * SAMPLE_RATE_HZ + len(self._given.recording)
        if not self._of_recording:
            return
        hour = self._hour
        first = self._first_utterance.setdefault(hour, header["utterance"])
        same = {key: value for key, value in header.items() if key not in ("stream", "device", "seq", "time_ns")}
        same |= {
            "at_sample": header["at_sample"] - hour * self._given.hour_samples,
            "utterance": header["utterance"] - first,
            "topic": topic,
        }
        digest = hashlib.sha256(msgspec.json.encode(same, order="sorted") + payload).hexdigest()
        self.recordings.setdefault(hour, []).append(digest)


def soak(hours: int, hour_seconds: int, options: list[str]) -> dict[str, Any]:
    """Return what became of every sample, and under "hours" the process at the end of each."""
    given = Given(hours, hour_seconds)
    received = Received(given)
    settings = ["--set", f"publish.queue_messages={QUEUE_MESSAGES}", "--wait-for-subscriber", "20"]
    daemon = RunningDaemon(["--input", "-", *settings, *options], on_message=received.take, stdin=subprocess.PIPE)
    pipe, pid = daemon.process.stdin, daemon.process.pid
    assert pipe is not None
    fed, started, before = 0, time.monotonic(), _cpu_of_children()
    lines: list[dict[str, Any]] = []
    try:
        for block in given.blocks():
            pipe.write(block.tobytes())
            fed += len(block)
            if fed % given.hour_samples == 0:
                lines.append({"hour": fed // given.hour_samples, **in_process(pid)})
                print(json.dumps(lines[-1]), file=sys.stderr, flush=True)
        pipe.close()
        code = daemon.process.wait(120)
    except BrokenPipeError:
        code = daemon.process.wait(120)
    finally:
        seconds = time.monotonic() - started
        daemon.close()
    last = received.health[-1]
    hour_samples = 3600 * SAMPLE_RATE_HZ
    points = np.array([(header["at_sample"] / hour_samples, header["rss"] / 1e6) for header in received.health])
    settled = points[points[:, 0] >= points[-1, 0] / 12]
    first, *later = [received.recordings.get(hour, []) for hour in range(hours)]
    return {
        "exit_code": code, "audio_hours": fed / hour_samples, "wall_seconds": round(seconds, 1),
        "cpu_seconds": round(_cpu_of_children() - before, 1),
        "samples_given": fed, "samples_heard": last["at_sample"], "samples_dropped": last["dropped"],
        "audio_samples": received.audio_samples, "audio_samples_missing": received.missing_samples,
        "audio_samples_wrong": received.wrong_samples, "utterances": received.counts.get("gate.opened", 0),
        "utterances_not_closed": received.open_utterances, "messages": sum(received.counts.values()),
        "messages_lost": received.lost_messages, "recording_messages": len(first),
        "hours_decided_otherwise": sum(other != first for other in later) + (not first),
        "rss_mb_start": round(float(settled[0, 1]), 2), "rss_mb_end": round(float(settled[-1, 1]), 2),
        "rss_mb_per_hour": round(float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0]), 3) if len(settled) > 2 else 0.0,
        "descriptors": [lines[0]["descriptors"], lines[-1]["descriptors"]] if lines else [],
        "threads": [lines[0]["threads"], lines[-1]["threads"]] if lines else [], "log": daemon.log[-2000:] if code else "",
        "hours": lines,
    }  # fmt: skip


def _cpu_of_children() -> float:
    """Return the CPU seconds of the processes that this one started and that have ended: of the daemon."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def failures(result: dict[str, Any], *, judge_memory: bool) -> list[str]:
    """Return the names of what is not as it must be."""
    none = ("exit_code", "samples_dropped", "audio_samples_missing", "audio_samples_wrong", "utterances_not_closed",
            "messages_lost", "hours_decided_otherwise")  # fmt: skip
    found = [name for name in none if result[name]]
    if result["samples_given"] != result["samples_heard"]:
        found.append("samples_heard")
    if not result["utterances"]:
        found.append("utterances")
    if len(set(result["descriptors"])) != 1 or len(set(result["threads"])) != 1:
        found.append("descriptors")
    if judge_memory and result["rss_mb_per_hour"] > MOST_MB_AN_HOUR:
        found.append("rss_mb_per_hour")
    for name in found:
        print(f"soak_day: {name}: {result[name]}", file=sys.stderr)
    return found


def tabled(result: dict[str, Any]) -> tables.Table:
    """Return the table."""
    aims = {"samples_dropped": "0", "audio_samples_missing": "0", "audio_samples_wrong": "0", "messages_lost": "0",
            "hours_decided_otherwise": "0", "rss_mb_per_hour": f"< {MOST_MB_AN_HOUR:g}", "descriptors": "no more at the end",
            "threads": "no more at the end", "samples_heard": "as given"}  # fmt: skip
    rows: list[list[tables.Cell]] = []
    for name, value in result.items():
        if name not in ("hours", "log"):
            shown = (
                " → ".join(map(str, value))
                if isinstance(value, list)
                else f"{value:,}"
                if isinstance(value, int)
                else value
            )
            rows.append([name.replace("_", " "), shown, aims.get(name, "-")])
    return tables.Table(
        title="A day of audio through the daemon",
        command=tables.command_line("benchmarks.soak_day"),
        conditions=tables.machine() | tables.versions_of(["inherentd", "onnxruntime", "numpy"]) | {
            "audio": "the demo's recording at the beginning of every hour, then half speech, half noises, tones, clicks, overload and "
            "offset in pieces of 10 s with pauses of 30 to 120 s, as fast as the daemon takes it",
        },
        columns=["what", "found", "aim"],
        rows=rows,
        notes=["Memory: slope of a line through what health told, without the first twelfth of the day.",
               "Decided otherwise: hours whose events, scores and audio of the recording differ from the first hour's in any digit."],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
