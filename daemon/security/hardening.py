"""Options that every socket of ours gets, so that no peer holds memory, a connection or the stop for long."""

from __future__ import annotations

import zmq

HANDSHAKE_MS = 3_000  # then a peer that connected and says nothing is dropped
HEARTBEAT_MS = 5_000
HEARTBEAT_TIMEOUT_MS = 10_000  # without an answer: the connection is dead, even if the network never said so
BACKLOG = 128  # connections waiting to be accepted


def harden(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Set them on a socket that connects. Before connect()."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)  # the same, for the other end to apply to us
    if endpoint.startswith("tcp://["):
        socket.setsockopt(zmq.IPV6, 1)


def harden_server(socket: zmq.Socket[bytes], endpoint: str, largest_request_bytes: int) -> None:
    """Set them on a socket that strangers connect to. Before bind()."""
    harden(socket, endpoint)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.setsockopt(zmq.MAXMSGSIZE, largest_request_bytes)  # of what peers send; steps of the handshake need 500
    # Unlimited: with a limit, libzmq 4.3.5 aborts the process ("Assertion failed: !_io_error") when a peer fills the
    # queue, sends a heartbeat and disconnects. So what peers send has to be read soon, and bounded by us.
    socket.setsockopt(zmq.RCVHWM, 0)
