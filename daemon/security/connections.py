"""Which connection a frame came by, and how to end one: ZeroMQ tells its file descriptor, and no more."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass, field

import zmq

Identity = tuple[int, int, object]  # device, inode and the other end's address of a socket: another one's differ


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


def of_frame(frame: zmq.Frame) -> Connection | None:
    """Return the connection that a frame came by; None for what ZeroMQ itself tells after a peer has gone."""
    try:
        descriptor = int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None
    try:
        user = str(frame.get("User-Id"))
    except zmq.ZMQError:
        user = None
    return Connection(descriptor, _identity(descriptor), user)


def _identity(descriptor: int) -> Identity | None:
    try:
        found = os.fstat(descriptor)
        with socket.socket(fileno=os.dup(descriptor)) as same:
            return (found.st_dev, found.st_ino, same.getpeername())
    except OSError:  # closed, or no socket
        return None
