"""Options of the sockets that strangers connect to, on top of what every socket of ours gets."""

from __future__ import annotations

import zmq

from inherentd.client.connecting import harden

BACKLOG = 128  # connections waiting to be accepted


def harden_server(socket: zmq.Socket[bytes], endpoint: str, largest_request_bytes: int) -> None:
    """Set them. Before bind()."""
    harden(socket, endpoint)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.setsockopt(zmq.MAXMSGSIZE, largest_request_bytes)  # of what peers send; steps of the handshake need 500
    # Unlimited: with a limit, libzmq 4.3.5 aborts the process ("Assertion failed: !_io_error") when a peer fills the
    # queue, sends a heartbeat and disconnects. So what peers send has to be read soon, and bounded by us.
    socket.setsockopt(zmq.RCVHWM, 0)
