"""Who gets which topic: decided here for every subscription that arrives at the publisher's socket.

The socket is an XPUB with XPUB_MANUAL: a subscription takes effect only when we repeat it, and ZeroMQ applies that to
the peer whose frame was read last.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property

import zmq

from inherentd.daemon.security import memory, permissions
from inherentd.daemon.security.connections import Connection, of_frame
from inherentd.daemon.security.permissions import Permission
from inherentd.daemon.security.seldom import SeldomWarning

MAX_PREFIXES = 64  # of one peer; there are 6 topics
MAX_PREFIX_BYTES = 32
MAX_UNKNOWN_BYTES = 2048  # of the prefixes of all peers that begin no topic: ZeroMQ goes through all at each parting
MAX_REQUEST_BYTES = 1024  # a frame or a step of the handshake
FLOOD_FRAMES = 10_000  # read without a pause: then the memory they took is worth giving back
SECONDS_AT_A_TIME = 0.02  # of a flood, so that the audio goes on

PermissionsOf = Callable[[str | None], frozenset[Permission]]


class Subscriptions:
    """The peers of one XPUB socket. `permissions_of`: what the owner of a key may have, None being no key at all."""

    def __init__(self, socket: zmq.Socket[bytes], permissions_of: PermissionsOf) -> None:
        """Make the socket ask. Before bind()."""
        socket.setsockopt(zmq.XPUB_MANUAL, 1)
        self.refused = 0  # subscriptions that gave nothing: no such topic, or not for this client
        self.ended = 0  # connections ended by us: too many subscriptions, or something that was none
        self._socket = socket
        self._permissions_of = permissions_of
        self._by_descriptor: dict[int, Connection] = {}
        self._mixed_up = False
        self._frames = 0  # read since the queue was empty
        self._warn = SeldomWarning()

    @property
    def peers(self) -> int:
        """How many are connected and get something."""
        self._forget_the_gone()
        return sum(1 for one in self._by_descriptor.values() if one.topics and not one.ended)

    @cached_property
    def _endpoint(self) -> str:
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)  # not known before bind()

    def handle(self) -> None:
        """Decide what has arrived: never waits, and leaves the rest of a flood for the next call."""
        until = time.monotonic() + SECONDS_AT_A_TIME
        while time.monotonic() < until:
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                self._mixed_up = False
                if self._frames > FLOOD_FRAMES:
                    memory.give_back()
                self._frames = 0
                return
            self._frames += 1
            self._decide(frame)

    def end_revoked(self) -> None:
        """Disconnect those whose permissions have changed since they subscribed: they come back with the new ones."""
        for connection in self._by_descriptor.values():
            if connection.topics != self._granted(connection) and connection.alive and not connection.ended:
                self._end(connection, "its permissions have changed")

    def _decide(self, frame: zmq.Frame) -> None:
        data = frame.bytes
        if not data.startswith((b"\x00", b"\x01")):
            # ZeroMQ keeps the frames and their peers in two queues, and a frame that is no subscription has no place in
            # the second: from here to the end of the queue each subscription would count for the peer of a later one,
            # who may not have it. So none of them counts: all their peers are disconnected, and connect again.
            self._mixed_up = True
        connection = self._known(of_frame(frame, self._endpoint))
        if connection is None or connection.ended:
            return
        if self._mixed_up:
            self._end(connection, "it sent what is no subscription, or another did at the same time")
        else:
            self._change(connection, data[1:], wanted=data.startswith(b"\x01"))

    def _known(self, connection: Connection | None) -> Connection | None:
        if connection is None or connection.identity is None:
            return None  # it has gone
        known = self._by_descriptor.get(connection.descriptor)
        if known is None or not known.same_as(connection):
            known = self._by_descriptor[connection.descriptor] = connection
        return known

    def _change(self, connection: Connection, prefix: bytes, *, wanted: bool) -> None:
        if wanted:
            connection.prefixes.add(prefix)
        else:
            connection.prefixes.discard(prefix)
        if not permissions.topics(permissions.ALL, [prefix]):
            connection.unknown_bytes = sum(
                len(one) for one in connection.prefixes if not permissions.topics(permissions.ALL, [one])
            )
        if len(prefix) > MAX_PREFIX_BYTES or len(connection.prefixes) > MAX_PREFIXES or self._too_many_unknown():
            self._end(connection, "too many subscriptions, or a longer one than any topic")
            return
        before, connection.topics = connection.topics, self._granted(connection)
        gained = permissions.topics(self._permissions_of(connection.user), [prefix]) if wanted else frozenset[bytes]()
        self.refused += wanted and not gained
        for topic in gained:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        for topic in before - connection.topics:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)

    def _too_many_unknown(self) -> bool:
        if self._unknown_bytes() <= MAX_UNKNOWN_BYTES:
            return False
        self._forget_the_gone()
        return self._unknown_bytes() > MAX_UNKNOWN_BYTES

    def _unknown_bytes(self) -> int:
        return sum(connection.unknown_bytes for connection in self._by_descriptor.values())

    def _forget_the_gone(self) -> None:
        for connection in [*self._by_descriptor.values()]:
            if not connection.alive:
                del self._by_descriptor[connection.descriptor]

    def _granted(self, connection: Connection) -> frozenset[bytes]:
        return permissions.topics(self._permissions_of(connection.user), connection.prefixes)

    def _end(self, connection: Connection, reason: str) -> None:
        self.ended += 1
        self._warn("disconnected a subscriber", reason=reason, key=connection.user)
        connection.end()
        connection.prefixes, connection.unknown_bytes = set(), 0
