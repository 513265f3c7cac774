"""Listen for hours at real time beside other work: overflows, gaps, CPU, memory, descriptors, from the start to the end.

    python -m benchmarks.soak [--hours 1] [--quick] [--out soak.json] [-- OPTIONS OF inherentd run]
    make soak HOURS=24

A PulseAudio null sink is the microphone; the demo's clips are played into it, one every 20 s, a quiet room between them; another
process keeps the last core busy. Every minute a line: what health says. Exit code 1 when the daemon ended, lost a sample, or
was deaf.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.rig.daemon import BUSY, Arrival, RunningDaemon
from benchmarks.rig.sound_server import RATE_HZ, Player, SoundServer

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole

EVERY_SECONDS = 20


def main() -> int:
    """Run, and print a line a minute and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true", help="one minute")
    parser.add_argument("--out", type=Path)
    parser.add_argument("run_options", nargs="*", help="further options of inherentd run, after --")
    arguments = parser.parse_args()
    result = soak(60 if arguments.quick else arguments.hours * 3600, arguments.run_options)
    print(json.dumps({key: value for key, value in result.items() if key != "minutes"}, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if result["exit_code"] or result["dropped"] or result["not_listening_messages"] else 0


def signal() -> np.ndarray:
    """Return what is played, again and again."""
    clips = [read_whole(Path(clip.path)) for clip in load_clips(BUNDLED)]
    room = np.rint(np.random.default_rng(4).normal(0, 5, len(clips) * EVERY_SECONDS * RATE_HZ)).astype(np.int16)
    for index, clip in enumerate(clips):
        start = (index * EVERY_SECONDS + 5) * RATE_HZ
        room[start : start + len(clip)] = clip
    return room


class Minutes:
    """Keeps what is needed of hours of messages: a health message a minute, and counts."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.health: list[dict[str, Any]] = []
        self.last: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.next_seq: dict[str, int] = {}
        self.lost_messages = 0
        self.not_listening = 0
        self.cpu: list[float] = []

    def take(self, message: Arrival) -> None:
        """Count one message."""
        topic, header = message.topic, message.header
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.lost_messages += header["seq"] - self.next_seq.get(topic, header["seq"])
        self.next_seq[topic] = header["seq"] + 1
        if topic != "health":
            return
        self.last = header
        self.cpu.append(header["cpu"])
        self.not_listening += header["state"] not in ("starting", "listening", "stopping")


def soak(seconds: float, options: list[str]) -> dict[str, Any]:
    """Return the summary, and under "minutes" a line for each."""
    server, minutes, played = SoundServer(), Minutes(), signal()
    player = Player(server, lambda first, count: np.take(played, range(first, first + count), mode="wrap"))
    daemon = RunningDaemon(["--input", "mic", *options], environment=server.environment, on_message=minutes.take)
    load = subprocess.Popen(["taskset", "-c", str((os.cpu_count() or 1) - 1), sys.executable, "-c", BUSY])
    lines: list[dict[str, Any]] = []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and daemon.process.poll() is None:
            time.sleep(min(60.0, max(1.0, end - time.monotonic())) if lines else 15.0)
            lines.append(_line(minutes, daemon.process.pid))
            print(json.dumps(lines[-1]), file=sys.stderr, flush=True)
    finally:
        load.kill()
        code = daemon.close()
        player.close()
        server.close()
    hours = max(1e-9, (lines[-1]["uptime"] - lines[0]["uptime"]) / 3600)
    last = minutes.last
    return {
        "hours": round(hours, 3), "exit_code": code, "overflows": last["overflows"], "gaps": last["gaps"],
        "dropped": last["dropped"], "messages_lost": minutes.lost_messages, "not_listening_messages": minutes.not_listening,
        "messages": minutes.counts, "cpu_mean": round(float(np.mean(minutes.cpu)), 4),
        "cpu_p99": round(float(np.percentile(minutes.cpu, 99)), 4), "jitter_ms_max": max(line["jitter_ms"] for line in lines),
        "drift_ppm": last["drift_ppm"], "rss_mb_start": lines[0]["rss_mb"], "rss_mb_end": lines[-1]["rss_mb"],
        "rss_mb_per_hour": round((lines[-1]["rss_mb"] - lines[0]["rss_mb"]) / hours, 2),
        "descriptors": [lines[0]["descriptors"], lines[-1]["descriptors"]],
        "threads": [lines[0]["threads"], lines[-1]["threads"]], "minutes": lines,
    }  # fmt: skip


def _line(minutes: Minutes, pid: int) -> dict[str, Any]:
    health = minutes.last
    return {
        "uptime": health["uptime"], "state": health["state"], "cpu": health["cpu"], "rss_mb": round(health["rss"] / 1e6, 2),
        "overflows": health["overflows"], "gaps": health["gaps"], "dropped": health["dropped"],
        "jitter_ms": health["jitter_ms"], "drift_ppm": health["drift_ppm"],
        **in_process(pid),
    }  # fmt: skip


def in_process(pid: int) -> dict[str, int]:
    """Return how many descriptors and threads a process has; 0 where it has ended."""
    process = Path(f"/proc/{pid}")
    return {
        "descriptors": len(list((process / "fd").iterdir())) if process.exists() else 0,
        "threads": len(list((process / "task").iterdir())) if process.exists() else 0,
    }


if __name__ == "__main__":
    sys.exit(main())
