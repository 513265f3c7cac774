"""Sockets that connect to a daemon: keys, and limits on what the other end can cost."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import zmq

from inherentd.client.errors import ClientError
from inherentd.client.keys import ClientKeys

HANDSHAKE_MS = 3_000  # then a peer that connected and says nothing is dropped
HEARTBEAT_MS = 5_000
HEARTBEAT_TIMEOUT_MS = 10_000  # without an answer: the connection is dead, even if the network never said so
LARGEST_PART_BYTES = 4 * 2**20  # a daemon sends 1.3 MB at most, the whole ring; who sends more is disconnected

S = TypeVar("S", bound="zmq.Socket[Any]")  # also asyncio's


class Connection(Generic[S]):
    """A socket that is connected as soon as somebody is there, and again whenever they come back; until close()."""

    def __init__(self, context: zmq.Context[S], kind: int, endpoint: str, keys: ClientKeys | None,
                 topics: Iterable[str] = ()) -> None:  # fmt: skip
        """Connect. Raises ClientError for an endpoint that makes no sense; the context is destroyed then."""
        self._endpoint = endpoint
        self._context = context
        self._connect = functools.partial(connect, context, kind, endpoint, keys, tuple(topics))
        self._socket = self._connect()

    def _connect_again(self) -> None:
        """Forget what was sent and nobody took yet: the next one to come up must not get it."""
        self._socket.close(linger=0)
        self._socket = self._connect()

    def close(self) -> None:
        """Disconnect."""
        self._context.destroy(linger=0)


if TYPE_CHECKING:
    from zmq.asyncio import Socket as AsyncSocket

    AsyncConnection = Connection[AsyncSocket]
else:
    AsyncConnection = Connection  # whoever needs no asyncio does not import it


def connect(
    context: zmq.Context[S], kind: int, endpoint: str, keys: ClientKeys | None, topics: Iterable[str] = ()
) -> S:
    """Return a socket that is connected as soon as somebody is there, and again whenever they come back.

    Raises ClientError for an endpoint that makes no sense (the context is destroyed then) and after close().
    """
    if context.closed:
        raise ClientError(f"the connection to {endpoint} was closed before; make another one")
    try:
        socket = context.socket(kind)
        harden(socket, endpoint)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_PART_BYTES)
        if keys is not None:
            identify(socket, keys)
        for topic in topics:
            socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        socket.connect(endpoint.replace("tcp://*", "tcp://127.0.0.1"))  # as a daemon of this machine may be configured
    except zmq.ZMQError as error:
        context.destroy(linger=0)
        raise ClientError(
            f"endpoint {endpoint}: {zmq.strerror(error.errno or 0)}; expected ipc:// or tcp://, e.g. tcp://127.0.0.1:5710"
        ) from None
    return socket


def identify(socket: zmq.Socket[Any], keys: ClientKeys) -> None:
    """Make a client's socket encrypt, know its server by its key, and show its own. Before connect()."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)


def harden(socket: zmq.Socket[Any], endpoint: str) -> None:
    """Set the options that every socket of ours gets, so that no peer holds memory, a connection or the stop for long."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)  # the same, for the other end to apply to us
    if endpoint.startswith("tcp://["):
        socket.setsockopt(zmq.IPV6, 1)
