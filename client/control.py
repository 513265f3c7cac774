"""Ask a running daemon; in asyncio too."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import zmq

from inherentd.client.closing import AsyncClosing, Closing
from inherentd.client.connecting import AsyncConnection, Connection
from inherentd.client.errors import ClientError, one_line
from inherentd.client.keys import ClientKeys
from inherentd.client.places import own_control_endpoint
from inherentd.client.requests import Reply

ANSWER_SECONDS = 5.0
RELOAD_SECONDS = 60.0  # a model is opened
Answer = tuple[dict[str, Any], bytes]
Thresholds = Mapping[str, float | None]

_numbers = itertools.count(1)


class Control(Connection[zmq.Socket[bytes]], Closing):
    """A connection to a daemon's control socket; connects again by itself. For one thread."""

    def __init__(self, endpoint: str = "auto", keys: ClientKeys | None = None) -> None:
        """Connect; nobody need be there yet. "auto": the daemon of this user on this machine.

        Raises ClientError for an endpoint that makes no sense, and where "auto" could be somebody else's.
        """
        where = own_control_endpoint(endpoint)
        super().__init__(zmq.Context(), zmq.DEALER, where, keys)

    def ask(self, request: str, *, timeout_seconds: float = ANSWER_SECONDS, **fields: object) -> Answer:
        """Return the result of a request (`inherentd.client.requests` lists them) and its payload (of `audio`).

        Raises ClientError when it was refused, and when nobody answers in time.
        """
        identity, until = next(_numbers), time.monotonic() + timeout_seconds
        try:
            self._socket.send(_encoded(request, identity, fields))
            while self._socket.poll(_left_ms(until)):
                answer = _answer(self._socket.recv_multipart(), identity)
                if answer is not None:
                    return answer
            raise _nobody(self._endpoint)
        except BaseException:
            self._connect_again()
            raise

    def status(self) -> dict[str, Any]:
        """Return how the daemon is: state, counts, model, thresholds, context, what is open."""
        return self.ask("status")[0]

    def mute(self) -> None:
        """From now on no sample leaves the capture; an open utterance is closed."""
        self.ask("mute")

    def unmute(self) -> None:
        """Hear again."""
        self.ask("unmute")

    def thresholds(self) -> dict[str, float]:
        """Return the thresholds by key, as they are now."""
        return self.ask("thresholds.get")[0]["thresholds"]

    def set_thresholds(self, thresholds: Thresholds, *, keep: bool = False) -> dict[str, float]:
        """Set some (None: again as configured; `keep`: also after a restart, for this model). Return all as they are now."""
        return self.ask("thresholds.set", thresholds=dict(thresholds), keep=keep)[0]["thresholds"]

    def set_context(
        self, *, assistant_speaking: bool | None = None, expecting_reply_ms: int | None = None
    ) -> dict[str, Any]:
        """Tell what the assistant is doing; None leaves it. Return both as they are now."""
        return self.ask("context.set", **_context(assistant_speaking, expecting_reply_ms))[0]

    def audio(self, start: int, stop: int) -> bytes:
        """Return samples [start, stop) of the stream, s16le at 16 kHz; the last 30 s are held."""
        return _samples(self.ask("audio", start=start, stop=stop)[1], start, stop)

    def reload(self) -> dict[str, Any]:
        """Read configuration and model again. Return the model's version, and which settings need a restart."""
        return self.ask("reload", timeout_seconds=RELOAD_SECONDS)[0]

    def mark(self, utterance: int, *, addressed: bool, heads: Sequence[str] = (), note: str = "") -> dict[str, Any]:
        """Say what an utterance really was. Return what was done with it."""
        return self.ask("mark", utterance=utterance, addressed=addressed, heads=list(heads), note=note)[0]

    def stop(self) -> None:
        """End the daemon, as SIGTERM does."""
        self.ask("stop")


class AsyncControl(AsyncConnection, AsyncClosing):
    """The same for asyncio; several tasks may ask, one is answered after the other."""

    def __init__(self, endpoint: str = "auto", keys: ClientKeys | None = None) -> None:
        """Connect as `Control` does."""
        import asyncio  # only for those who use it

        import zmq.asyncio

        where = own_control_endpoint(endpoint)
        super().__init__(zmq.asyncio.Context(), zmq.DEALER, where, keys)
        self._turn = asyncio.Lock()

    async def ask(self, request: str, *, timeout_seconds: float = ANSWER_SECONDS, **fields: object) -> Answer:
        """Return the result of a request and its payload, as `Control.ask` does."""
        async with self._turn:
            identity, until = next(_numbers), time.monotonic() + timeout_seconds
            try:
                await self._socket.send(_encoded(request, identity, fields))
                while await self._socket.poll(_left_ms(until)):
                    answer = _answer(await self._socket.recv_multipart(), identity)
                    if answer is not None:
                        return answer
                raise _nobody(self._endpoint)
            except BaseException:
                self._connect_again()
                raise

    async def status(self) -> dict[str, Any]:
        """Return how the daemon is: state, counts, model, thresholds, context, what is open."""
        return (await self.ask("status"))[0]

    async def mute(self) -> None:
        """From now on no sample leaves the capture; an open utterance is closed."""
        await self.ask("mute")

    async def unmute(self) -> None:
        """Hear again."""
        await self.ask("unmute")

    async def thresholds(self) -> dict[str, float]:
        """Return the thresholds by key, as they are now."""
        return (await self.ask("thresholds.get"))[0]["thresholds"]

    async def set_thresholds(self, thresholds: Thresholds, *, keep: bool = False) -> dict[str, float]:
        """Set some (None: again as configured; `keep`: also after a restart, for this model). Return all as they are now."""
        return (await self.ask("thresholds.set", thresholds=dict(thresholds), keep=keep))[0]["thresholds"]

    async def set_context(
        self, *, assistant_speaking: bool | None = None, expecting_reply_ms: int | None = None
    ) -> dict[str, Any]:
        """Tell what the assistant is doing; None leaves it. Return both as they are now."""
        return (await self.ask("context.set", **_context(assistant_speaking, expecting_reply_ms)))[0]

    async def audio(self, start: int, stop: int) -> bytes:
        """Return samples [start, stop) of the stream, s16le at 16 kHz; the last 30 s are held."""
        return _samples((await self.ask("audio", start=start, stop=stop))[1], start, stop)

    async def reload(self) -> dict[str, Any]:
        """Read configuration and model again. Return the model's version, and which settings need a restart."""
        return (await self.ask("reload", timeout_seconds=RELOAD_SECONDS))[0]

    async def mark(
        self, utterance: int, *, addressed: bool, heads: Sequence[str] = (), note: str = ""
    ) -> dict[str, Any]:
        """Say what an utterance really was. Return what was done with it."""
        return (await self.ask("mark", utterance=utterance, addressed=addressed, heads=list(heads), note=note))[0]

    async def stop(self) -> None:
        """End the daemon, as SIGTERM does."""
        await self.ask("stop")


def _encoded(request: str, identity: int, fields: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"request": request, "id": identity, **fields})


def _context(assistant_speaking: bool | None, expecting_reply_ms: int | None) -> dict[str, Any]:  # noqa: FBT001
    given = {"assistant_speaking": assistant_speaking, "expecting_reply_ms": expecting_reply_ms}
    return {name: value for name, value in given.items() if value is not None}


def _left_ms(until: float) -> int:
    return max(0, round((until - time.monotonic()) * 1000))


def _answer(parts: Sequence[bytes], identity: int) -> Answer | None:
    """Return what was answered; None when it answers a question before, whose time was over."""
    try:
        reply = msgspec.json.decode(parts[0], type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientError(f"got an answer that is not from inherentd: {one_line(error)}; wrong endpoint?") from None
    if reply.id is not None and reply.id != identity:
        return None
    if not reply.ok:
        raise ClientError(one_line(reply.error or "the daemon refused and said no reason"))
    return reply.result or {}, parts[1] if len(parts) > 1 else b""


def _samples(payload: bytes, start: int, stop: int) -> bytes:
    if len(payload) != 2 * (stop - start):
        raise ClientError(f"got {len(payload)} bytes of audio, expected {2 * (stop - start)}; is that inherentd?")
    return payload


def _nobody(endpoint: str) -> ClientError:
    return ClientError(f"nobody answers at {endpoint}: does the daemon run there? (see inherentd doctor)")
