"""The other end of the wire: receive and decode messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import zmq

from inherentd.daemon.errors import DaemonError


@dataclass(frozen=True)
class Message:
    """One received message; `payload` is empty except for audio."""

    topic: str
    header: dict[str, Any]
    payload: bytes


def subscribe(endpoint: str, topics: Sequence[str], timeout_seconds: float | None = None) -> Iterator[Message]:
    """Yield messages of these topics ("" is all) as they come; ends when none came for `timeout_seconds`.

    Connects at once and again whenever the daemon comes back. Raises DaemonError for an endpoint that makes no sense
    and for a message that is not ours.
    """
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, -1 if timeout_seconds is None else round(timeout_seconds * 1000))
        for topic in topics:
            socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise DaemonError(
                f"endpoint {endpoint}: {zmq.strerror(error.errno or 0)}; expected for example tcp://127.0.0.1:5710"
            ) from None
        while True:
            try:
                parts = socket.recv_multipart()
            except zmq.Again:
                return
            yield _decoded(parts)


def _decoded(parts: list[bytes]) -> Message:
    try:
        header = msgspec.json.decode(parts[1], type=dict[str, Any])
        return Message(parts[0].decode(), header, parts[2] if len(parts) > 2 else b"")
    except (IndexError, msgspec.DecodeError, UnicodeDecodeError):
        raise DaemonError(f"got a message of {len(parts)} parts that is not from inherentd: wrong endpoint?") from None
