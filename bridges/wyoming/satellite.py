"""The satellite service: what a running daemon hears goes to Home Assistant, utterance by utterance, from before the gate
opened on. Its pipeline begins at speech-to-text, so the first word is never lost.
"""

from __future__ import annotations

import asyncio

import structlog
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.snd import Played
from wyoming.wake import Detection

from inherentd.bridges.wyoming.connection import Connection, Room
from inherentd.bridges.wyoming.service import GATE_NAME
from inherentd.client import AsyncSubscriber, Message
from inherentd.client.messages import (
    SAMPLE_RATE_HZ,
    AudioHeader,
    GateClosedHeader,
    GateOpenedHeader,
    HealthHeader,
)

WAITING_EVENTS = 2_000
"""a client that is behind by more is let go"""
QUIET_SECONDS = 10.0
"""without a message, of which there is one every second"""
TOPICS = ("gate", "audio", "health")


class SatelliteConnection(Connection):
    """From run-satellite to pause-satellite: detection, run-pipeline, audio-start, audio-chunk..., audio-stop each time."""

    def __init__(self, room: Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait to be run."""
        super().__init__(room, reader, writer)
        self._running = False
        self._open: int | None = None
        self._stream, self._at_sample = "", 0
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(WAITING_EVENTS)
        self._sending: asyncio.Task[None] | None = None

    async def handle_event(self, event: Event) -> bool:
        """Take one event. Spoken answers are not played: there is no loudspeaker, which is told as "played" at once."""
        if RunSatellite.is_type(event.type):
            self._running = True
            if self._sending is None:
                self._sending = asyncio.create_task(self._send())
            self.log.info("runs the satellite")
        elif PauseSatellite.is_type(event.type):
            self._running, self._open = False, None
        elif AudioStop.is_type(event.type):
            await self.write_event(Played().event())
        return True

    async def disconnect(self) -> None:
        """Send no more."""
        if self._sending is not None:
            self._sending.cancel()

    def forward(self, message: Message) -> None:
        """Send what this message is in Wyoming. An utterance that began before the client ran the satellite is left out."""
        over = [] if message.header.stream == self._stream else self._stop(self._at_sample)
        self._stream, self._at_sample = message.header.stream, message.header.at_sample
        if self._running:
            self._pass_on([*over, *self._events(message)])

    def silence(self) -> None:
        """End an open utterance: the daemon is gone, and no more of it will come."""
        if self._running:
            self._pass_on(self._stop(self._at_sample))

    def _pass_on(self, events: list[Event]) -> None:
        for event in events:
            try:
                self._waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.log.warning("closed a client that does not read", waiting=WAITING_EVENTS)
                self._running = False
                self.writer.transport.abort()
                return

    def _events(self, message: Message) -> list[Event]:
        header = message.header
        match header:
            case GateOpenedHeader():
                before = self._stop(header.at_sample)  # where the close was lost
                self._open = header.utterance
                begins_ms = _milliseconds(header.at_sample - header.preroll_samples)
                run = RunPipeline(PipelineStage.ASR, PipelineStage.HANDLE, wake_word_name=GATE_NAME)
                detection = Detection(name=GATE_NAME, timestamp=begins_ms)
                start = AudioStart(rate=SAMPLE_RATE_HZ, width=2, channels=1, timestamp=begins_ms)
                return [*before, detection.event(), run.event(), start.event()]
            case AudioHeader() if header.utterance == self._open and message.payload:
                begins_ms = _milliseconds(header.at_sample)
                return [AudioChunk(header.rate, 2, 1, message.payload, timestamp=begins_ms).event()]
            case GateClosedHeader() | HealthHeader(state="stopping"):
                return self._stop(header.at_sample)
            case _:
                return []

    def _stop(self, at_sample: int) -> list[Event]:
        was_open, self._open = self._open is not None, None
        return [AudioStop(timestamp=_milliseconds(at_sample)).event()] if was_open else []

    async def _send(self) -> None:
        try:
            while True:
                await self.write_event(await self._waiting.get())
        except (ConnectionError, TimeoutError):  # logged there; the reading side ends the connection
            self._running = False


async def forward_all(room: Room, subscriber: AsyncSubscriber) -> None:
    """Give every client what the daemon publishes, for ever. Raises ClientError for messages that are not a daemon's."""
    log = structlog.get_logger()
    heard = True
    while True:
        async for message in subscriber.messages(timeout_seconds=QUIET_SECONDS):
            if not heard:
                log.info("the daemon is heard again")
            heard = True
            if message.lost:
                log.warning("messages of the daemon were lost", topic=message.topic, lost=message.lost)
            for connection in list(room.connections):
                if isinstance(connection, SatelliteConnection):
                    connection.forward(message)
        for connection in list(room.connections):
            if isinstance(connection, SatelliteConnection):
                connection.silence()
        if heard:
            log.warning(
                "nothing comes from the daemon: does it run, and may this client hear it?", seconds=QUIET_SECONDS
            )
        heard = False


def _milliseconds(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE_HZ
