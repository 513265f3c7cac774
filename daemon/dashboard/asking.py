"""The daemon's control socket: asked every second how the daemon is, and for what a page wants."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq

from inherentd.client import AsyncControl, ClientError, ClientKeys
from inherentd.daemon.dashboard.live import Live

EVERY_SECONDS = 1.0
ANSWER_SECONDS = 2.0
OTHER = "requests go to another daemon than the one that is heard: say where with --control"


class Asking:
    """One question after the other."""

    def __init__(self, live: Live, endpoint: str | None, keys: ClientKeys | None) -> None:
        """Take where to ask; None where the configuration says that no requests are taken."""
        self._live, self._endpoint, self._keys = live, endpoint, keys
        self._control: AsyncControl | None = None
        self._why = "the daemon was not reached yet"

    async def keep_asking(self) -> None:
        """Ask how the daemon is, until cancelled."""
        if self._endpoint is None:
            self._unanswered("control.endpoint is null: the daemon takes no requests")
            await asyncio.Event().wait()
            return
        while True:
            try:
                # A connection of its own for each time that the daemon is there: what nobody answered must not be
                # done when it comes back.
                async with AsyncControl(self._endpoint, self._keys) as control:
                    others = 0  # answers in a row of another run than is heard
                    while True:
                        status, _ = await control.ask("status", timeout_seconds=ANSWER_SECONDS)
                        others = 0 if self._live.stream in ("", status["stream"]) else others + 1
                        self._control = None if others else control
                        if not others:
                            self._live.answered(status)
                        elif others > 2:  # a daemon that was started anew answers before it is heard
                            self._unanswered(OTHER)
                        await asyncio.sleep(EVERY_SECONDS)
            except ClientError as error:
                self._control = None
                self._unanswered(str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def ask(self, request: str, **fields: object) -> dict[str, Any]:
        """Return what the daemon answers. Raises ClientError when it refuses, or is not there."""
        if self._control is None:
            raise ClientError(self._why)
        try:
            return (await self._control.ask(request, timeout_seconds=ANSWER_SECONDS, **fields))[0]
        except zmq.ZMQError:  # it went away in between
            raise ClientError(self._why) from None

    def _unanswered(self, why: str) -> None:
        self._why = why
        self._live.unanswered(why)
