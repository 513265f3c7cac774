"""An audio file, as it would be heard or as fast as it goes."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from inherentd.daemon.config import Speed
from inherentd.daemon.sources import SAMPLE_RATE_HZ, Pcm
from inherentd.daemon.sources.decoding import AudioFile
from inherentd.daemon.stop import StopSignals

MAX_SPEED_BLOCK_SECONDS = 0.5
NOTHING_YET = np.zeros(0, np.int16)


class FileSource:
    """A file as a `Source`."""

    stalled = ""
    overflows = 0
    dropped = 0

    def __init__(self, path: Path, speed: Speed, block_ms: int, stop: StopSignals) -> None:
        """Open the file. Raises DaemonError for one that is missing, empty, cut off or no audio."""
        self.live = speed == "realtime"
        self._file = AudioFile(path)
        self._blocks = self._file.blocks(block_ms / 1000 if self.live else MAX_SPEED_BLOCK_SECONDS)
        self._block: Pcm | None = NOTHING_YET  # decoded, and given out once its last sample would have been heard
        self._stop = stop
        self._started: float | None = None
        self._samples = 0

    @property
    def bad_samples(self) -> int:
        """How many samples were NaN or infinite and were taken as 0."""
        return self._file.bad_samples

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return the next block when its time has come; see `Source.read`."""
        if self._block is not None and len(self._block) == 0:
            self._block = next(self._blocks, None)
        if self._block is None:
            return None
        if self.live:
            now = time.monotonic()
            self._started = now if self._started is None else self._started
            due = self._started + (self._samples + len(self._block)) / SAMPLE_RATE_HZ
            if due > now + timeout_seconds:
                self._stop.wait(timeout_seconds)
                return NOTHING_YET
            if due > now and self._stop.wait(due - now):
                return NOTHING_YET
        block, self._block = self._block, NOTHING_YET
        self._samples += len(block)
        return block

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self._blocks.close()
