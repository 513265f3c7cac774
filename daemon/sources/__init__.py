"""Where audio comes from: each source turns what it gets into 16 kHz mono int16 blocks."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.condition import Condition
from inherentd.daemon.config import InputSection
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.vitals import Vitals
from inherentd.daemon.stop import StopSignals

Pcm = NDArray[np.int16]


class Source(Protocol):
    """A stream of audio. Its `with` block's end lets go of the device or file."""

    @property
    def live(self) -> bool:
        """Whether it comes at the speed of sound, so that its samples have a wall clock."""
        ...

    @property
    def condition(self) -> Condition:
        """Whether something is heard, and why not."""
        ...

    @property
    def vitals(self) -> Vitals:
        """What was counted."""
        ...

    def forget_jitter(self) -> None:
        """Begin `vitals.jitter_ms` anew: it was told."""
        ...

    @property
    def muted(self) -> bool:
        """Whether samples are replaced by silence where they come in."""
        ...

    def mute(self, *, on: bool) -> None:
        """Replace samples by silence where they come in, or stop doing so."""
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
    """Raise DaemonError when `input.source` or `input.fallback` cannot be meant so, or names a file that cannot be played,
    before anything is started for it."""
    microphone = is_microphone(section.source)
    if not microphone and (section.fallback is not None or section.channel is not None):
        raise DaemonError(f"input.fallback, input.channel: are for microphones, the source is {section.source!r}")
    if section.fallback is not None and not is_microphone(section.fallback):
        raise DaemonError(f"input.fallback: got {section.fallback!r}, expected mic or mic:NAME")
    if microphone and section.speed == "max":
        raise DaemonError("input.speed: 'max' is for files; a microphone goes at the speed of sound")
    if section.source != "-" and not microphone:
        from inherentd.daemon.sources.container import refuse_incomplete

        refuse_incomplete(Path(section.source))


def is_microphone(source: str) -> bool:
    """Return whether a source is mic or mic:NAME."""
    return source.partition(":")[0] == "mic"


def open_source(section: InputSection, stop: StopSignals) -> Source:
    """Open what `input.source` names: mic, mic:NAME, a file, or - for raw PCM on stdin."""
    if section.source == "-":
        from inherentd.daemon.sources.stdin import StdinSource

        return StdinSource(stop)
    if is_microphone(section.source):
        from inherentd.daemon.sources.microphone import Microphone

        return Microphone(section, stop)
    from inherentd.daemon.sources.file import FileSource

    return FileSource(Path(section.source), section.speed, section.block_ms, stop)
