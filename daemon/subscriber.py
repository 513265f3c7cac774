"""The other end of the wire: receive and decode messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import zmq

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security.hardening import harden
from inherentd.daemon.security.keys import ClientKeys


@dataclass(frozen=True)
class Message:
    """One received message; `payload` is empty except for audio."""

    topic: str
    header: dict[str, Any]
    payload: bytes


def subscribe(
    endpoint: str, topics: Sequence[str], timeout_seconds: float | None = None, keys: ClientKeys | None = None
) -> Iterator[Message]:
    """Yield messages of these topics ("" is all) as they come; ends when none came for `timeout_seconds`.

    Connects at once and again whenever the daemon comes back; with `keys` to the daemon of that public key only, and
    gets what it allows to its own. Raises DaemonError for an endpoint that makes no sense and for a message that is not
    ours.
    """
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        harden(socket, endpoint)
        if keys is not None:
            identify(socket, keys)
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


def identify(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Make a client's socket encrypt, know its server by its key, and show its own. Before connect()."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)


def _decoded(parts: list[bytes]) -> Message:
    try:
        header = msgspec.json.decode(parts[1], type=dict[str, Any])
        return Message(parts[0].decode(), header, parts[2] if len(parts) > 2 else b"")
    except (IndexError, msgspec.DecodeError, UnicodeDecodeError):
        raise DaemonError(f"got a message of {len(parts)} parts that is not from inherentd: wrong endpoint?") from None
