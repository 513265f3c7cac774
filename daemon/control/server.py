"""The ROUTER socket: bytes in, requests out; replies back to who asked. Malformed requests get an error, never a crash."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import zmq

from inherentd.client.requests import AnyRequest, AudioGet, Reply
from inherentd.daemon.security.connections import of_frame
from inherentd.daemon.security.sockets import LINGER_MS, ServerSockets

SETTING = "control.endpoint"
REQUEST_BYTES = 64 * 1024
SECONDS_AT_A_TIME = 0.01  # of a flood, so that the audio goes on
MOST_AT_ONCE = 200  # requests of one peer between two blocks of audio; who sends more is disconnected
QUEUE_MESSAGES = 64  # replies kept for a peer that does not read


@dataclass(frozen=True)
class Asked:
    """A request, and whom to answer."""

    peer: list[bytes]
    id: int | str | None
    request: AnyRequest


class ControlServer:
    """Takes requests and sends replies; never waits."""

    def __init__(self, endpoint: str, sockets: ServerSockets) -> None:
        """Bind. Raises DaemonError when the endpoint is taken, makes no sense or is open to others without keys."""
        self.malformed = 0
        self._permissions_of = sockets.permissions
        self._decoder = msgspec.json.Decoder(AnyRequest)
        self._encoder = msgspec.json.Encoder()
        self._socket, self._bound = sockets.open(
            zmq.ROUTER, endpoint, SETTING, domain="control", largest_request_bytes=REQUEST_BYTES,
            prepare=lambda socket: socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES),
        )  # fmt: skip

    @property
    def endpoint(self) -> str:
        """The address really bound."""
        return self._bound.endpoint

    def requests(self) -> Iterator[Asked]:
        """Yield what came, for a short time at most. What is malformed is answered here."""
        until, counted = time.monotonic() + SECONDS_AT_A_TIME, Counter[bytes]()
        while time.monotonic() < until:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            first, *frames = (frame.bytes for frame in parts)
            connection = of_frame(parts[-1], self.endpoint)
            counted[first] += 1
            if counted[first] > MOST_AT_ONCE and connection is not None:
                connection.end()
                continue
            # A REQ socket puts an empty frame in between.
            peer = [first, b""] if len(frames) > 1 and frames[0] == b"" else [first]
            frames = frames[len(peer) - 1 :]
            if connection is not None and "control" not in self._permissions_of(connection.user):
                self._refuse(peer, None, "this key has no control any more")
                continue
            if len(frames) != 1:
                self._refuse(peer, None, f"got {len(frames)} frames, expected one with a JSON request")
                continue
            try:
                request = self._decoder.decode(frames[0])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._refuse(peer, _id(frames[0]), f"this is no request: {error}")
                continue
            if (
                isinstance(request, AudioGet)
                and connection is not None
                and "audio" not in self._permissions_of(connection.user)
            ):
                self._refuse(peer, request.id, "this key has no permission for audio")
                continue
            yield Asked(peer, request.id, request)

    def reply(self, asked: Asked, result: dict[str, Any], payload: bytes | None = None) -> None:
        """Answer that it was done."""
        self._send(asked.peer, Reply(id=asked.id, ok=True, result=result), payload)

    def refuse(self, asked: Asked, reason: str) -> None:
        """Answer that it was not done, and why."""
        self._send(asked.peer, Reply(id=asked.id, ok=False, error=reason))

    def close(self) -> None:
        """Let go of the endpoint."""
        self._socket.close(linger=LINGER_MS)
        self._bound.close()

    def _refuse(self, peer: list[bytes], identity: int | str | None, reason: str) -> None:
        self.malformed += 1
        self._send(peer, Reply(id=identity, ok=False, error=reason))

    def _send(self, peer: list[bytes], reply: Reply, payload: bytes | None = None) -> None:
        body = self._encoder.encode(reply)
        frames = [*peer, body] if payload is None else [*peer, body, payload]
        with contextlib.suppress(zmq.ZMQError):  # who asked and left gets nothing
            self._socket.send_multipart(frames, zmq.NOBLOCK)


def _id(data: bytes) -> int | str | None:
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    identity = found.get("id") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return identity if isinstance(identity, int | str) else None  # pyright: ignore[reportUnknownVariableType]
