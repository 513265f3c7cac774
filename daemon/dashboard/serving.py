"""The dashboard: listen to a daemon, and show it to whoever opens the page."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from inherentd.client import AsyncControl, AsyncSubscriber, ClientError, ClientKeys
from inherentd.daemon.dashboard.access import Access
from inherentd.daemon.dashboard.app import application
from inherentd.daemon.dashboard.asking import Asking
from inherentd.daemon.dashboard.live import Live
from inherentd.daemon.dashboard.pages import Pages
from inherentd.daemon.errors import DaemonError

MOST_CONNECTIONS = 64
REQUEST_SECONDS = 5
AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Daemon:
    """Where the daemon publishes and takes requests, and who asks."""

    endpoint: str
    control: str | None
    keys: ClientKeys | None


class Impatient(H11Protocol):
    """Ends a connection over which nothing is asked: uvicorn waits for the first request for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(REQUEST_SECONDS, self.timeout_keep_alive_handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises DaemonError when that cannot be."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise DaemonError(f"--listen: {where} is already in use; choose another, e.g. 127.0.0.1:0") from None
        why = os.strerror(error.errno) if error.errno else str(error)
        raise DaemonError(f"--listen: cannot bind {where} ({why}); expected HOST:PORT of this machine") from None
    return found


async def serve(
    daemon: Daemon, listening: socket.socket, key: str, *, own_names_only: bool, ready: Callable[[], None]
) -> None:
    """Show the daemon until SIGINT or SIGTERM; `ready` is called when pages can be opened.

    Raises ClientError for an endpoint that makes no sense.
    """
    live = Live(daemon.endpoint)
    pages, asking = Pages(live), Asking(live, daemon.control, daemon.keys)
    app = Access(application(live, pages, asking), key, own_names_only=own_names_only)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Impatient,
            log_config=None,  # what peers do is not to be logged, nor repeated
            log_level="critical",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=REQUEST_SECONDS,
            timeout_graceful_shutdown=1,  # pages that are open stay connected
        )
    )
    if daemon.control is not None:
        AsyncControl(daemon.control, daemon.keys).close()  # says now what could never be reached
    async with AsyncSubscriber(daemon.endpoint, keys=daemon.keys) as hearing:
        work = [_hear(live, hearing), asking.keep_asking(), pages.tell(), server.serve(sockets=[listening])]
        tasks = [asyncio.create_task(task) for task in work]
        try:
            listening.listen(128)
            ready()
            # The server ends when it is told to; the others only when something is wrong with them.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _hear(live: Live, hearing: AsyncSubscriber) -> None:
    while True:
        try:
            async for message in hearing.messages():
                live.take(message)
        except ClientError as error:
            live.disturbed(str(error))
            await asyncio.sleep(AGAIN_SECONDS)
