"""What a step costs in the browser against the daemon's engine, and what a visitor downloads. Needs `make web` and Chromium.

    python -m benchmarks.browser [--rounds 3] [--out browser.json]

The same clips, the daemon's demo one after the other, go through the daemon's engine (ONNX Runtime, one thread, blocks of 80 ms, as fast
as they go) and through the demo in headless Chromium (chosen as a file, at full speed), taking turns. A step is 80 ms of sound (of the
windowed form 200 ms); its time is wall-clock time over everything: frontend, model, gate. Told are the least of the rounds
and the median, and the median for a second of sound.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.runtimes import open_runtime

WEB = Path(__file__).parents[1] / "web"
FORMS = {
    "browser, audio form": "models/inherent-audio.onnx",
    "browser, streaming form": "models/inherent.onnx",
    "browser, windowed form": "models/inherent-windowed.onnx",
}
DAEMON = "daemon"
STEP_MS = {DAEMON: 80, "browser, windowed form": 200}
"""of sound; the other forms step as the daemon does"""
BLOCK_SAMPLES = 1_280


def main() -> int:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    signal = np.concatenate([read_whole(Path(clip.path)) for clip in load_clips(BUNDLED)])
    taken: dict[str, list[float]] = {name: [] for name in (DAEMON, *FORMS)}
    words, downloads = "", []
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "talk.wav"
        soundfile.write(wav, signal, SAMPLE_RATE_HZ)
        for _ in range(arguments.rounds):
            taken[DAEMON].append(daemon_step_us(signal))
            for name, form in FORMS.items():
                # Twice: the first time the browser still compiles.
                opened, _, run = node("drive/score.mjs", "--processor", "wasm", "--form", form, wav, wav)
                taken[name].append(run["milliseconds"] * 1000 / run["steps"])
                if form == FORMS["browser, audio form"]:
                    words, downloads = opened["words"], opened["downloads"]
    sizes = node("drive/sizes.mjs", *downloads)
    record = {"seconds": len(signal) / SAMPLE_RATE_HZ, "step_us": taken, "words": words, "downloads": sizes}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    print(table(taken))
    print(download_table(sizes))
    return 0


def daemon_step_us(signal: np.ndarray) -> float:
    """Return the microseconds of a step of the daemon's engine."""
    runtime = open_runtime(engine_setup.SHIPPED_MODELS["onnx"])
    engine = Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)
    started = time.perf_counter()
    for position in range(0, len(signal), BLOCK_SAMPLES):
        engine.push(signal[position : position + BLOCK_SAMPLES])
    engine.finish()
    return (time.perf_counter() - started) * 1e6 / engine.steps


def node(*arguments: object) -> list[dict[str, Any]]:
    """Return the JSON lines that a script of web/ prints. Exits where it fails."""
    done = subprocess.run(["node", *map(str, arguments)], cwd=WEB, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"benchmarks.browser: node {arguments[0]} failed: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(taken: dict[str, list[float]]) -> str:
    """Return the time of a step, least and median, and against the daemon's."""
    rows = [
        "| | µs a step, least | median | ms a second of sound | of the daemon's |",
        "| --- | --- | --- | --- | --- |",
    ]
    daemon = statistics.median(taken[DAEMON]) / STEP_MS[DAEMON]
    for name, values in taken.items():
        median = statistics.median(values)
        per_second = median / STEP_MS.get(name, STEP_MS[DAEMON])
        rows.append(f"| {name} | {min(values):.0f} | {median:.0f} | {per_second:.1f} | {per_second / daemon:.1f} |")
    return "\n".join(rows) + "\n"


def download_table(sizes: list[dict[str, Any]]) -> str:
    """Return what is downloaded on the first visit."""
    groups = {"runtime": ".wasm", "model": ".onnx", "the rest": ""}
    rows = ["| first visit, MB | as it is | gzip | Brotli |", "| --- | --- | --- | --- |"]
    left = list(sizes)
    for name, suffix in groups.items():
        chosen = [one for one in left if one["file"].endswith(suffix)]
        left = [one for one in left if one not in chosen]
        rows.append(f"| {name} | {' | '.join(_megabytes(chosen, kind) for kind in ('raw', 'gzip', 'brotli'))} |")
    rows.append(f"| all | {' | '.join(_megabytes(sizes, kind) for kind in ('raw', 'gzip', 'brotli'))} |")
    return "\n".join(rows) + "\n"


def _megabytes(files: list[dict[str, Any]], kind: str) -> str:
    return f"{sum(one[kind] for one in files) / 1e6:.2f}"


if __name__ == "__main__":
    sys.exit(main())
