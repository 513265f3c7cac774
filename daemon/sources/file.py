"""An audio file, as it would be heard or as fast as it goes."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from inherentd.daemon.condition import LISTENING, MUTED, Condition
from inherentd.daemon.config import Speed
from inherentd.daemon.sources import Pcm
from inherentd.daemon.sources.decoding import AudioFile
from inherentd.daemon.sources.vitals import Vitals
from inherentd.daemon.stop import StopSignals
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

DECODED_SECONDS = 1.0  # at a time: decoding every block on its own would cost more than all the rest in silence
NOTHING_YET = np.zeros(0, np.int16)


class FileSource:
    """A file as a `Source`."""

    muted = False

    def __init__(self, path: Path, speed: Speed, block_ms: int, stop: StopSignals) -> None:
        """Open the file. Raises DaemonError for one that is missing, empty, cut off or no audio."""
        self.live = speed == "realtime"
        self._file = AudioFile(path)
        self._decoded = self._file.blocks(DECODED_SECONDS)
        self._pending: Pcm = NOTHING_YET  # decoded, not given out yet
        self._block_samples = (
            SAMPLE_RATE_HZ * block_ms // 1000 if self.live else round(DECODED_SECONDS * SAMPLE_RATE_HZ)
        )
        self._stop = stop
        self._started: float | None = None
        self._samples = 0

    @property
    def condition(self) -> Condition:
        """A file is never deaf."""
        return MUTED if self.muted else LISTENING

    @property
    def vitals(self) -> Vitals:
        """See `Source.vitals`."""
        return Vitals(bad_samples=self._file.bad_samples)

    def forget_jitter(self) -> None:
        """There is none."""

    def mute(self, *, on: bool) -> None:
        """See `Source.mute`."""
        self.muted = on

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return the next block once its last sample would have been heard; see `Source.read`."""
        while len(self._pending) == 0:
            decoded = next(self._decoded, None)
            if decoded is None:
                return None
            self._pending = decoded
        block = self._pending[: self._block_samples]
        if self.live:
            now = time.monotonic()
            self._started = now if self._started is None else self._started
            wait = self._started + (self._samples + len(block)) / SAMPLE_RATE_HZ - now
            if wait > 0 and (self._stop.wait(min(wait, timeout_seconds)) or wait > timeout_seconds):
                return NOTHING_YET
        self._pending = self._pending[len(block) :]
        self._samples += len(block)
        return np.zeros_like(block) if self.muted else block

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self._decoded.close()
