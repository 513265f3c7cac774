"""The pages that are open: each gets every frame, and what a slow one costs is bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from inherentd.daemon.dashboard.live import Frame, Live

FRAME_SECONDS = 0.1
SILENCE_SECONDS = 1.0  # a frame without anything in it says that the dashboard is still there
MOST_PAGES = 16
MOST_WAITING = 100  # frames: a page that is 10 s behind is ended, and starts afresh by itself
WRITE_SECONDS = 10.0

_encoder = msgspec.json.Encoder()


class Pages:
    """Who watches."""

    def __init__(self, live: Live) -> None:
        """Nobody watches."""
        self._live = live
        self._queues = set[asyncio.Queue[bytes | None]]()

    def __len__(self) -> int:
        """Return how many watch."""
        return len(self._queues)

    async def tell(self) -> None:
        """Send what is new, until cancelled."""
        quiet = 0.0
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            quiet += FRAME_SECONDS
            frame = self._live.frame()
            if frame or quiet >= SILENCE_SECONDS:
                quiet = 0.0
                self._send(frame)

    def _send(self, frame: Frame) -> None:
        data = event(frame)
        for queue in tuple(self._queues):
            if queue.full():
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(data)

    async def frames(self) -> AsyncGenerator[bytes]:
        """Yield the whole, then each frame, until the page is too far behind."""
        queue = asyncio.Queue[bytes | None](MOST_WAITING)
        self._send(self._live.frame())  # to the others: for this page it is part of the whole
        queue.put_nowait(event(self._live.whole()))
        self._queues.add(queue)
        try:
            while (data := await queue.get()) is not None:
                yield data
        finally:
            self._queues.discard(queue)


class PatientStream(StreamingResponse):
    """Server-sent events to a page that has to take them in time, or else is let go."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        """Nothing is sent yet."""
        self._frames = frames
        super().__init__(frames, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either end leaves."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(WRITE_SECONDS):
                await send(message)

        try:
            with contextlib.suppress(TimeoutError):
                await super().__call__(scope, receive, send_in_time)
        finally:
            await self._frames.aclose()  # gives its place back at once


def event(frame: Frame) -> bytes:
    """Return a frame as a server-sent event."""
    return b"data: " + _encoder.encode(frame) + b"\n\n"
