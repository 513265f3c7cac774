"""The wake word service: a client streams audio, and is told when somebody in it speaks to the assistant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.wake import Detect, Detection, NotDetected

from inherentd.bridges.errors import BridgeError
from inherentd.bridges.pcm import PcmFormat
from inherentd.bridges.wyoming.connection import Connection, Room
from inherentd.bridges.wyoming.service import GATE_NAME
from inherentd.bridges.wyoming.wire import AudioFormat, DetectRequest, data_of
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import Event as Heard
from inherentd.pipeline.events import GateOpened, Intent
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ, Resampler

PIECE_SECONDS = 0.5
"""what is computed at a time, so that one client's long chunks do not keep the others waiting"""


@dataclass(frozen=True)
class Ear:
    """What all connections share: how to begin a stream, and the thread that opened the model and computes.

    One thread, since some runtimes answer only the thread that opened them; it can hear some hundred live streams.
    """

    new_engine: Callable[[], Engine]
    heads: tuple[str, ...]
    """the intents that may be asked for by name"""
    thread: ThreadPoolExecutor


class WakeStream:
    """From audio-start to audio-stop. Computes where it is called."""

    def __init__(self, engine: Engine, audio: PcmFormat, names: frozenset[str], begins_ms: int) -> None:
        """Begin a stream whose first sample has the client's time `begins_ms`."""
        self._engine, self._names, self._begins_ms = engine, names, begins_ms
        self.format = audio
        self._resampler = Resampler(audio.rate_hz)
        self._utterance_ms = 0
        self._told: set[tuple[int, str]] = set()

    def push(self, pcm: bytes) -> list[Detection]:
        """Return what was detected in these samples."""
        return self._detections(self._engine.push(self._resampler.push(self.format.mono(pcm))))

    def finish(self) -> list[Detection]:
        """Return what was detected in the last samples, once the stream has ended."""
        return self._detections([*self._engine.push(self._resampler.flush()), *self._engine.finish()])

    def _detections(self, events: list[Heard]) -> list[Detection]:
        detections: list[Detection] = []
        for event in events:
            if isinstance(event, GateOpened):
                begins = event.at_sample - event.preroll_samples
                self._utterance_ms = self._begins_ms + begins * 1000 // SAMPLE_RATE_HZ
                name = GATE_NAME
            elif isinstance(event, Intent):
                name = event.head
            else:
                continue
            if name in self._names and (event.utterance, name) not in self._told:  # an intent comes again at the close
                self._told.add((event.utterance, name))
                detections.append(Detection(name=name, timestamp=self._utterance_ms))
        return detections


class WakeConnection(Connection):
    """detect, audio-start, audio-chunk..., audio-stop → detection..., or not-detected."""

    def __init__(self, ear: Ear, room: Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listen for the gate, unless asked for other names."""
        super().__init__(room, reader, writer)
        self._ear = ear
        self._names = frozenset([GATE_NAME])
        self._stream: WakeStream | None = None
        self._begins_ms: int | None = None
        self._detected = False

    async def handle_event(self, event: Event) -> bool:
        """Take one event; others than these are no business of a wake word service."""
        if Detect.is_type(event.type):
            self._names = self._asked_for(data_of(event, DetectRequest).names)
        elif AudioStart.is_type(event.type):
            self._begins_ms = data_of(event, AudioFormat).timestamp
            self._stream, self._detected = None, False
        elif AudioChunk.is_type(event.type):
            await self._hear(data_of(event, AudioFormat), event.payload or b"")
        elif AudioStop.is_type(event.type):
            await self._stop()
        return True

    def _asked_for(self, names: list[str] | None) -> frozenset[str]:
        known = (GATE_NAME, *self._ear.heads)
        for name in names or ():
            if name not in known:
                raise BridgeError(f"detect: got the unknown name {name!r}, expected some of {', '.join(known)}")
        return frozenset(names or [GATE_NAME])

    async def _hear(self, chunk: AudioFormat, pcm: bytes) -> None:
        audio = PcmFormat(chunk.rate, chunk.channels, chunk.width)
        if self._stream is None:
            begins_ms = self._begins_ms if chunk.timestamp is None else chunk.timestamp
            engine = await asyncio.get_running_loop().run_in_executor(self._ear.thread, self._ear.new_engine)
            self._stream = WakeStream(engine, audio, self._names, begins_ms or 0)
        elif audio != self._stream.format:
            raise BridgeError(f"audio-chunk: got {audio} after {self._stream.format}; send audio-stop between them")
        piece_bytes = max(1, round(PIECE_SECONDS * audio.rate_hz)) * audio.frame_bytes
        for start in range(0, len(pcm), piece_bytes):
            await self._tell(self._stream.push, pcm[start : start + piece_bytes])

    async def _stop(self) -> None:
        if self._stream is not None:
            await self._tell(self._stream.finish)
        if not self._detected:
            await self.write_event(NotDetected().event())
        self._stream, self._begins_ms, self._detected = None, None, False

    async def _tell(self, compute: Callable[..., list[Detection]], *arguments: bytes) -> None:
        for detection in await asyncio.get_running_loop().run_in_executor(self._ear.thread, compute, *arguments):
            self._detected = True
            self.log.info("detected", name=detection.name, timestamp_ms=detection.timestamp)
            await self.write_event(detection.event())
