"""Which connection a frame came by, and how to end one: ZeroMQ tells its file descriptor, and no more."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass, field

import zmq

Identity = tuple[int, int, object, object]  # device, inode, both addresses of a socket: another one's differ


@dataclass
class Connection:
    """One peer, while it is connected."""

    descriptor: int
    identity: Identity | None  # tells it from a later one with the same descriptor; None: it has gone already
    user: str | None  # the client's public key; None without CURVE
    prefixes: set[bytes] = field(default_factory=set[bytes])  # what it asked for
    unknown_bytes: int = 0  # of those that begin no topic
    topics: frozenset[bytes] = frozenset()  # what it gets
    ended: bool = False  # by us: what still arrives from it is not read

    @property
    def alive(self) -> bool:
        """Whether it still is connected."""
        return self.identity is not None and _identity(self.descriptor) == self.identity

    def same_as(self, other: Connection) -> bool:
        """Return whether both mean one peer."""
        return (self.descriptor, self.identity, self.user) == (other.descriptor, other.identity, other.user)

    def end(self) -> None:
        """Disconnect the peer; an honest one connects again."""
        self.ended = True
        if self.alive:  # else the descriptor may by now be another peer's
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.descriptor)) as same:
                same.shutdown(socket.SHUT_RDWR)


def of_frame(frame: zmq.Frame, endpoint: str) -> Connection | None:
    """Return the connection that a frame came by; None for what ZeroMQ itself tells after a peer has gone.

    `endpoint`: where the frame's socket is bound. A frame can be read after its peer has gone, when another socket's peer
    has its descriptor already: that one must not be taken for it (nor ended in its place).
    """
    try:
        descriptor = int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None
    try:
        user = str(frame.get("User-Id"))
    except zmq.ZMQError:
        user = None
    identity = _identity(descriptor)
    if identity is not None and not _is_bound_to(identity[-1], endpoint):
        identity = None
    return Connection(descriptor, identity, user)


def _is_bound_to(own_address: object, endpoint: str) -> bool:
    if isinstance(own_address, tuple):  # (host, port, …); a wildcard's host is whatever the peer asked for
        return endpoint.startswith("tcp://") and endpoint.endswith(f":{own_address[1]}")
    return endpoint == f"ipc://{own_address}"


def _identity(descriptor: int) -> Identity | None:
    try:
        found = os.fstat(descriptor)
        with socket.socket(fileno=os.dup(descriptor)) as same:
            return (found.st_dev, found.st_ino, same.getpeername(), same.getsockname())
    except OSError:  # closed, or no socket
        return None
