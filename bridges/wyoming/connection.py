"""One Wyoming client: who it is, what it may, and how it is answered. What is special to a service is in its subclass."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler

from inherentd.bridges.errors import BridgeError
from inherentd.bridges.wyoming.wire import PingText, data_of, read_event
from inherentd.pipeline.errors import PipelineError

WRITE_SECONDS = 10.0
IDLE_SECONDS = 300.0


class Room:
    """The connections that there are, and how many there may be."""

    def __init__(self, info: Info, max_clients: int) -> None:
        """`info` is what every client is told about the service."""
        self.info = info.event()
        self.max_clients = max_clients
        self.connections: set[Connection] = set()


class Connection(AsyncEventHandler):
    """Reads and answers until the client leaves, or does what it must not: then it is told, logged and closed."""

    def __init__(self, room: Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Belong to a room."""
        super().__init__(reader, writer)
        self._room = room
        peer = writer.get_extra_info("peername")
        self.log = structlog.get_logger().bind(client=f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local")
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Serve this client."""
        if len(self._room.connections) >= self._room.max_clients:
            await self._part(f"there are {self._room.max_clients} clients, the most that may be (--max-clients)")
            return
        self._room.connections.add(self)
        try:
            await self._converse()
        except (BridgeError, PipelineError) as error:
            await self._part(str(error))
        except (ConnectionError, TimeoutError):
            pass  # it left, or has been told why it is let go
        except Exception as error:  # one client must not end the service
            self.log.exception("a client's connection failed", error=str(error))
        finally:
            self._room.connections.discard(self)
            await self.disconnect()
            self.writer.close()

    async def _converse(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    event = await read_event(self.reader)
            except TimeoutError:
                raise BridgeError(f"nothing came for {IDLE_SECONDS:.0f} s") from None
            if event is None:
                return
            if Describe.is_type(event.type):
                await self.write_event(self._room.info)
            elif Ping.is_type(event.type):
                await self.write_event(Pong(data_of(event, PingText).text).event())
            else:
                await self.handle_event(event)

    async def write_event(self, event: Event) -> None:
        """Send. Raises TimeoutError when the client does not read; it is cut off then."""
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._writing:
                await async_write_event(event, self.writer)
        except TimeoutError:
            self.log.warning("closed a client that does not read", seconds=WRITE_SECONDS)
            self.writer.transport.abort()
            raise

    async def _part(self, why: str) -> None:
        self.log.warning("closed a client", why=why)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self.write_event(Error(text=why).event())
        self.writer.close()
