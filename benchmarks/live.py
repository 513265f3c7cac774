"""From the air to the subscriber: are the decisions of the live path those of `inherentd score`, and how late do they come?

    python -m benchmarks.live CLIP… | --manifest FILE [--clips 60] [--quick] [--out live.json]

Clips are played into a PulseAudio null sink; a real daemon captures its monitor through PortAudio; a real subscriber notes when
each message comes. Four seconds of a quiet room stand between clips, so that the model begins each afresh, as `score` does.

Two files are scored of each clip. The clip itself: live it begins anywhere between two hops, in the file at the first, so scores
differ a little and those near a threshold may decide otherwise. And what was played, cut on the hops on which the daemon heard it:
there every decision must be the same.

Delays are from the moment when the last speech of a phrase (over -40 dB of its loudest 20 ms) was due at the player; the
player's 40 ms of buffer in the sound server, and that server's own, are in them. Which sample a message speaks of is found by the audio itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from benchmarks.rig.daemon import PROGRAM, Arrival, RunningDaemon
from benchmarks.rig.sound_server import RATE_HZ, Player, SoundServer

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole

PAUSE_SECONDS = 4.0
GRID_SAMPLES = 40 * 320  # whole hops and whole steps of the model
LAST_WORD_SECONDS = 2.5  # of the pause: until then an event belongs to the clip before


def main() -> int:
    """Play, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="CLIP", help="audio files (default: the demo's addressed clips)"
    )
    parser.add_argument(
        "--manifest", type=Path, help="JSON lines with path, split and heads: addressed clips of the test split"
    )
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="4 clips")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--block-ms", type=int, default=80, help="input.block_ms of the daemon (default: %(default)s)")
    arguments = parser.parse_args()
    files = chosen(arguments.files, arguments.manifest, 4 if arguments.quick else arguments.clips)
    result = measure(files, ["--set", f"input.block_ms={arguments.block_ms}"])
    print(json.dumps({key: value for key, value in result.items() if key != "clips"}, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    # A machine that is busy leaves holes, in the player too: they are counted and told, and fail nothing here.
    deaf = result["opened_in_file"] and not result["opened_live"]
    return 1 if deaf or result["heard_whole_and_decided_otherwise"] else 0


def chosen(files: list[Path], manifest: Path | None, count: int) -> list[Path]:
    """Return the clips: those given, those of a manifest (evenly drawn from the addressed test clips), or the demo's."""
    if manifest is not None:
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        files = [manifest.parent / row["path"] for row in rows if row.get("split") == "test" and row["heads"]]
        files = [files[round(index)] for index in np.linspace(0, len(files) - 1, min(count, len(files)))]
    if not files:
        files = [Path(clip.path) for clip in load_clips(BUNDLED) if clip.addressed]
    return files[:count]


def measure(files: list[Path], options: list[str]) -> dict[str, Any]:
    """Return decisions and delays."""
    with tempfile.TemporaryDirectory() as folder:
        clips = [read_whole(path) for path in files]
        starts, stream = laid_out(clips)
        # With the room behind it, so that the gate can close.
        alone = [(start, start + len(clip) + 2 * RATE_HZ) for start, clip in zip(starts, clips, strict=True)]
        scored = score(alone, stream, Path(folder))
        server = SoundServer()
        daemon = RunningDaemon(["--input", "mic", *options], environment=server.environment)
        daemon.wait(lambda message: message.topic == "health" and message.header["frames"] > 50)
        player = Player(
            server, lambda first, count: np.pad(stream[first : first + count], (0, max(0, first + count - len(stream))))
        )
        time.sleep(len(stream) / RATE_HZ + 2)
        player.close()
        health = daemon.health
        code = daemon.close()
        server.close()
        if code:
            raise SystemExit(f"the daemon failed ({code}):\n{daemon.log}")
        rows = [compared(index, clips[index], starts[index], scored[index], daemon.messages, player, stream)
                for index in range(len(clips))]  # fmt: skip
        # A clip that opened nothing tells no place: it has that of its neighbour, unless audio was lost between them.
        places = {index: row["place"] for index, row in enumerate(rows) if row["exact"]} or {0: 0}
        spans = []
        for index, (start, clip) in enumerate(zip(starts, clips, strict=True)):
            begin = start - 3 * RATE_HZ  # in the quiet room, where the daemon began a hop and a step
            place = places[min(places, key=lambda other: abs(other - index))]
            spans.append((begin - (begin - place) % GRID_SAMPLES, start + len(clip) + 2 * RATE_HZ))
        for row, again in zip(rows, score(spans, stream, Path(folder)), strict=True):
            row["played"] = decided(again)
    live = [row for row in rows if row["live"]["opened"]]

    def delays(name: str) -> list[float]:
        return [row[name] for row in live if row.get(name) is not None]

    return {
        "clips_played": len(rows),
        "opened_in_file": sum(row["file"]["opened"] for row in rows),
        "opened_live": len(live),
        "same_gate": sum(row["live"]["opened"] == row["file"]["opened"] for row in rows),
        "same_gate_and_intents": sum(row["live"] == row["file"] for row in rows),
        "same_gate_on_the_same_hops": sum(row["live"]["opened"] == row["played"]["opened"] for row in rows),
        "same_gate_and_intents_on_the_same_hops": sum(row["live"] == row["played"] for row in rows),
        "heard_whole_and_decided_otherwise": sum(row["live"] != row["played"] for row in live if row["exact"]),
        "heard_sample_for_sample": sum(row["exact"] for row in live),
        "ms_from_phrase_end_to_gate": spread(delays("gate_ms")),
        "ms_from_phrase_end_to_first_intent": spread(delays("intent_ms")),
        "ms_from_the_sample_that_decided_to_the_subscriber": spread(delays("transport_ms")),
        "dropped": health["dropped"], "overflows": health["overflows"], "gaps": health["gaps"],
        "cpu": health["cpu"], "clips": rows,
    }  # fmt: skip


def score(spans: list[tuple[int, int]], stream: np.ndarray, folder: Path) -> list[dict[str, Any]]:
    """Return what `inherentd score` says of pieces of the stream."""
    paths = [folder / f"{index}.wav" for index in range(len(spans))]
    for path, (start, stop) in zip(paths, spans, strict=True):
        soundfile.write(path, stream[start:stop], RATE_HZ)
    command = [*PROGRAM, "score", "--json", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def decided(scored: dict[str, Any]) -> dict[str, Any]:
    """Return whether the gate opened in a scored file, and the heads that fired."""
    return {"opened": any(event["topic"] == "gate.opened" for event in scored["events"]),
            "intents": intents(event for event in scored["events"] if event["topic"] == "gate.closed")}  # fmt: skip


def laid_out(clips: list[np.ndarray], pause_seconds: float = PAUSE_SECONDS) -> tuple[list[int], np.ndarray]:
    """Return where each clip begins, and all of them with a quiet room before, between and after."""
    room = np.random.default_rng(3)
    pieces, starts, position = [], [], 0
    for clip in clips:
        pause = np.rint(room.normal(0, 5, round(pause_seconds * RATE_HZ))).astype(np.int16)
        pieces += [pause, clip]
        starts.append(position + len(pause))
        position += len(pause) + len(clip)
    return starts, np.concatenate(
        [*pieces, np.rint(room.normal(0, 5, round(pause_seconds * RATE_HZ))).astype(np.int16)]
    )


def compared(index: int, clip: np.ndarray, start: int, scored: dict[str, Any], messages: list[Arrival],  # noqa: PLR0917
             player: Player, stream: np.ndarray) -> dict[str, Any]:  # fmt: skip
    """Return what was decided of a clip in the file and live, and how late."""
    begins = player.left_at(start)
    ends = player.left_at(start + len(clip))
    mine = [m for m in messages if begins - 0.1 <= m.at < ends + LAST_WORD_SECONDS]
    opened = next((m for m in mine if m.topic == "gate.opened"), None)
    closed = [m.header for m in mine if m.topic == "gate.closed"]
    row: dict[str, Any] = {
        "clip": index,
        "file": decided(scored),
        "played": None,
        "live": {"opened": opened is not None, "intents": intents(closed)},
        "exact": False,
    }  # fmt: skip
    if opened is None:
        return row
    utterance = opened.header["utterance"]
    pieces = [m for m in messages if m.topic == "audio" and m.header["utterance"] == utterance]
    heard = np.frombuffer(b"".join(m.payload for m in pieces), np.int16)
    shift = offset_of(heard, stream, start)
    if shift is None:
        return row
    loud = np.abs(clip.astype(np.float64)).reshape(-1)[: len(clip) // 320 * 320].reshape(-1, 320).max(axis=1)
    phrase_end = start + int(np.flatnonzero(loud > loud.max() * 0.01)[-1] + 1) * 320
    # Of a sample of the daemon's stream, its place in the player's.
    row["exact"], row["place"] = True, shift - pieces[0].header["at_sample"]
    left = player.left_at(phrase_end)
    row["gate_ms"] = (opened.at - left) * 1000
    row["transport_ms"] = (opened.at - player.left_at(opened.header["at_sample"] + row["place"])) * 1000
    intent = next((m for m in mine if m.topic == "intent"), None)
    row["intent_ms"] = None if intent is None else (intent.at - left) * 1000
    return row


def offset_of(heard: np.ndarray, stream: np.ndarray, near: int) -> int | None:
    """Return where in the player's stream the heard samples lie, when all of them are there unbroken."""
    middle = len(heard) // 2
    needle = heard[middle : middle + 800].tobytes()
    region = stream[max(0, near - 5 * RATE_HZ) : near + 20 * RATE_HZ].tobytes()
    found = region.find(needle)
    while found >= 0 and found % 2:
        found = region.find(needle, found + 1)
    if found < 0:
        return None
    begin = max(0, near - 5 * RATE_HZ) + found // 2 - middle
    return begin if begin >= 0 and np.array_equal(stream[begin : begin + len(heard)], heard) else None


def intents(closings: Any) -> list[str]:
    """Return the heads that fired, of all utterances of a clip."""
    return sorted({head for closing in closings for head in closing["intents"]})


def spread(values: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and the worst."""
    if not values:
        return {}
    return {"n": len(values), "p50": round(float(np.median(values))), "p95": round(float(np.percentile(values, 95))),
            "max": round(max(values))}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
