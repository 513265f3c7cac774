"""Where audio comes from: each source turns what it gets into 16 kHz mono int16 blocks."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.config import InputSection
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.stop import StopSignals

Pcm = NDArray[np.int16]


class Source(Protocol):
    """A stream of audio. Its `with` block's end lets go of the device or file."""

    @property
    def live(self) -> bool:
        """Whether it comes at the speed of sound, so that its samples have a wall clock."""
        ...

    @property
    def stalled(self) -> str:
        """Why nothing is heard though it should; empty when all is well."""
        ...

    @property
    def overflows(self) -> int:
        """How often the sound system reported lost audio."""
        ...

    @property
    def dropped(self) -> int:
        """How many 16 kHz samples were lost and not heard."""
        ...

    @property
    def bad_samples(self) -> int:
        """How many samples were not numbers (NaN, infinite) and were taken as 0."""
        ...

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return the next samples, int16 [n] at 16 kHz; n = 0: nothing in that time; None: the stream is over.

        Returns early when a stop is asked for. Raises DaemonError when the stream is broken.
        """
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of the device or file."""
        ...


def check(section: InputSection) -> None:
    """Raise DaemonError when `input.source` names a file that cannot be played, before anything is started for it."""
    if section.source != "-" and section.source.partition(":")[0] != "mic":
        from inherentd.daemon.sources.container import refuse_incomplete

        refuse_incomplete(Path(section.source))


def open_source(section: InputSection, stop: StopSignals) -> Source:
    """Open what `input.source` names: mic, mic:NAME, a file, or - for raw PCM on stdin."""
    kind, _, name = section.source.partition(":")
    if section.source == "-":
        from inherentd.daemon.sources.stdin import StdinSource

        return StdinSource(stop)
    if kind == "mic":
        if section.speed == "max":
            raise DaemonError("input.speed: 'max' is for files; a microphone goes at the speed of sound")
        from inherentd.daemon.sources.microphone import Microphone

        return Microphone(name, section.block_ms, stop)
    from inherentd.daemon.sources.file import FileSource

    return FileSource(Path(section.source), section.speed, section.block_ms, stop)
