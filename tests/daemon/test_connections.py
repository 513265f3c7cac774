from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from inherentd.daemon.security.connections import of_frame


@pytest.fixture(params=["tcp", "ipc"])
def frame_and_endpoint(request, tmp_path: Path):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        router.bind("tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/socket")
        endpoint = router.getsockopt_string(zmq.LAST_ENDPOINT)
        dealer.connect(endpoint)
        dealer.send(b"hello")
        assert router.poll(5000)
        yield router.recv_multipart(copy=False)[-1], endpoint


def test_a_frame_tells_its_connection(frame_and_endpoint) -> None:
    frame, endpoint = frame_and_endpoint
    connection = of_frame(frame, endpoint)
    assert connection is not None and connection.alive
    connection.end()
    assert connection.ended


@pytest.mark.parametrize("other", ["tcp://127.0.0.1:1", "ipc:///tmp/other"])
def test_a_descriptor_that_is_another_sockets_by_now_is_not_taken_for_the_peer(frame_and_endpoint, other) -> None:
    """What a subscriber who has gone left unread must not disconnect the control client that got its descriptor."""
    frame, endpoint = frame_and_endpoint
    stale = of_frame(frame, other)
    assert stale is not None and not stale.alive
    stale.end()
    still = of_frame(frame, endpoint)
    assert still is not None and still.alive
