"""An engine in a process of its own, told over pipes what to hear next: its memory and its start are nobody else's.

    python -m benchmarks.field.worker ENGINE PREPARED

A line in, `FILE START STOP` (int16 samples of a raw file); a line of JSON out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Worker:
    """The other end."""

    def __init__(self, name: str, prepared: Path, environment: dict[str, str]) -> None:
        """Start it, and wait until it has opened its engine and heard a first block: `start_seconds`."""
        began = time.monotonic()
        command = [sys.executable, "-m", __name__, name, str(prepared)]
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._answer()
        self.start_seconds = time.monotonic() - began

    def hear(self, path: Path, start: int, stop: int) -> dict[str, Any]:
        """Return cpu_seconds, resident_bytes, openings (how many) and the model's bytes, after these samples."""
        assert self._process.stdin is not None
        print(path, start, stop, sep="\t", file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"engine {self.name} ended ({self._process.wait()}): its messages stand above")
        return json.loads(line)


def main() -> int:
    """Hear what is asked for until stdin ends."""
    import numpy as np
    from benchmarks.field import BLOCK_SAMPLES, Decision, open_engine

    from inherentd.daemon import process_usage

    engine = open_engine(sys.argv[1], Path(sys.argv[2]))
    engine.feed(np.zeros(BLOCK_SAMPLES, np.int16))  # some make up for a beginning in their first block
    model_bytes = sum(path.stat().st_size for path in engine.model_files)
    print("{}", flush=True)
    for line in sys.stdin:
        path, start, stop = line.rstrip("\n").split("\t")
        samples = np.fromfile(path, np.int16, int(stop) - int(start), offset=2 * int(start))
        decisions: list[Decision] = []
        began = time.process_time()
        for place in range(0, len(samples), BLOCK_SAMPLES):
            decisions += engine.feed(samples[place : place + BLOCK_SAMPLES])
        answer = {"cpu_seconds": time.process_time() - began, "openings": sum(each.opening for each in decisions),
                  "model_bytes": model_bytes, "resident_bytes": process_usage.resident_bytes()}  # fmt: skip
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
