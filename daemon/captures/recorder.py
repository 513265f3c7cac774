"""Gathers what is worth keeping while the daemon listens, utterances and near misses, and hands it to the writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from inherentd.daemon.captures.bounds import Limits
from inherentd.daemon.captures.capture import Capture, Kind, Pcm, capture_id
from inherentd.daemon.captures.decider import Decider, decider_of
from inherentd.daemon.captures.ring import CaptureRing
from inherentd.daemon.captures.store import Store
from inherentd.daemon.captures.watch import Missed, Watch
from inherentd.daemon.captures.writer import Writer
from inherentd.daemon.config import CapturesSection
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

Clock = Callable[[int], int]
"""at_sample -> nanoseconds since 1970"""


class Output(Protocol):
    """Where captures go, e.g. a `Writer`. It never raises."""

    written: int
    dropped: int
    failed: int

    @property
    def waiting(self) -> int:
        """How many wait."""
        ...

    def put(self, capture: Capture, pcm: Pcm) -> None:
        """Take a capture, without waiting."""
        ...

    def close(self) -> None:
        """Finish what was taken."""
        ...


@dataclass(frozen=True)
class Counts:
    """How many captures were written, found the queue full, could not be written, or had audio that was gone."""

    written: int
    dropped: int
    failed: int
    lost: int


@dataclass
class Gathered:
    """An utterance so far."""

    decider: Decider
    start: int
    pieces: list[Pcm] = field(default_factory=list[Pcm])


class Recorder:
    """One stream. Give it what the engine tells: `scored` for every step, `heard` after every push, at last `close`."""

    def __init__(self, output: Output, engine: Engine, near_misses: float | None, stream: str, device: str) -> None:
        """near_misses: the share of the gate's threshold from which on a score is one; None: utterances only."""
        self._output, self._engine, self._stream, self._device = output, engine, stream, device
        self._watch = None if near_misses is None else Watch(engine, near_misses)
        self._near_misses = 0
        self._gathered: Gathered | None = None
        self._time_ns_of: Clock | None = None

    @property
    def waiting(self) -> int:
        """Return how many captures wait to be written."""
        return self._output.waiting

    @property
    def near_misses(self) -> int:
        """Return how many near misses there were."""
        return self._near_misses

    @property
    def counts(self) -> Counts:
        """Return what became of the captures so far."""
        output, lost = self._output, self._watch.lost if self._watch is not None else 0
        return Counts(output.written, output.dropped, output.failed, lost)

    def scored(self, at_sample: int, scores: NDArray[np.float32]) -> None:
        """Take the scores of a step; the engine's listener."""
        if self._watch is not None:
            self._watch.scored(at_sample, scores)

    def heard(self, events: list[Event], time_ns_of: Clock) -> None:
        """Take what the engine told with one call, also when that was nothing."""
        self._time_ns_of = time_ns_of
        self._tell_near_misses(self._watch.take() if self._watch is not None else [], time_ns_of)
        for event in events:
            match event:
                case GateOpened():
                    self._gathered = Gathered(decider_of(self._engine), event.at_sample - event.preroll_samples)
                case Audio() if self._gathered is not None:
                    self._gathered.pieces.append(event.pcm)
                case GateClosed() if self._gathered is not None:
                    self._tell_utterance(event, self._gathered, time_ns_of)
                    self._gathered = None
                case _:
                    pass

    def close(self) -> None:
        """End the stream, after `engine.finish()` was heard, and wait a little until everything is written."""
        if self._watch is not None and self._time_ns_of is not None:
            self._tell_near_misses(self._watch.finish(), self._time_ns_of)
        self._output.close()

    def _tell_near_misses(self, found: list[Missed], time_ns_of: Clock) -> None:
        for miss in found:
            self._near_misses += 1
            time_ns = time_ns_of(miss.start)
            self._put("near_miss", self._near_misses, time_ns, miss.pcm, decider=miss.decider, peaks=miss.peaks)

    def _tell_utterance(self, closed: GateClosed, gathered: Gathered, time_ns_of: Clock) -> None:
        time_ns = time_ns_of(gathered.start)
        pcm = np.concatenate([np.zeros(0, np.int16), *gathered.pieces])
        self._put("utterance", closed.utterance, time_ns, pcm, decider=gathered.decider, peaks=closed.peaks,
                  intents=closed.intents, reason=closed.reason)  # fmt: skip

    def _put(self, kind: Kind, number: int, time_ns: int, pcm: Pcm, *, decider: Decider, peaks: Mapping[str, float],
             intents: Sequence[str] = (), reason: str = "") -> None:  # fmt: skip
        capture = Capture(
            id=capture_id(time_ns, self._stream, kind, number),
            kind=kind,
            time_ns=time_ns,
            stream=self._stream,
            utterance=number if kind == "utterance" else None,
            device=self._device,
            model=decider.model,
            seconds=round(len(pcm) / SAMPLE_RATE_HZ, 3),
            heads=list(decider.thresholds),
            peaks={head: round(peak, 4) for head, peak in peaks.items()},
            thresholds=decider.thresholds,
            intents=list(intents),
            reason=reason,
        )
        self._output.put(capture, pcm)


def open_recorder(section: CapturesSection, engine: Engine, stream: str, device: str) -> Recorder | None:
    """Return what records the engine's stream from now on as its listener; None where no folder is set."""
    if section.folder is None:
        return None
    folder = Path(section.folder).expanduser()
    log = structlog.get_logger()
    log.info("keeping captures", folder=str(folder), hours=section.hours, megabytes=section.megabytes)
    writer = Writer(CaptureRing(Store(folder), Limits(section.hours, section.megabytes)))
    recorder = Recorder(writer, engine, section.near_misses, stream, device)
    engine.listener = recorder.scored
    return recorder
