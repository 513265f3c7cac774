"""Events out, over ZeroMQ."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.messages import HEADERS
from inherentd.daemon.stop import StopSignals

LINGER_MS = 1_000  # at the stop, for what is queued: the last gate.closed must arrive; a dead peer costs this much


@dataclass(frozen=True)
class PublisherConfig:
    """Where to publish, and as whom."""

    endpoint: str
    stream: str
    device: str
    queue_messages: int


class Publisher:
    """Publishes messages, numbered per topic. Never blocks: for a slow subscriber, ZeroMQ drops after its queue."""

    def __init__(self, config: PublisherConfig) -> None:
        """Bind. Raises DaemonError when the endpoint is taken or makes no sense."""
        self._config = config
        self._seq = Counter[str]()
        self._encoder = msgspec.json.Encoder()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        # XPUB is PUB that also tells who subscribes: a run over a file can wait for its first subscriber.
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, config.queue_messages)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 64 * 1024)  # of what subscribers send: topics only
        try:
            _refuse_taken_ipc(config.endpoint)
            self._socket.bind(config.endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise DaemonError(_bind_failure(config.endpoint, error)) from None
        except DaemonError:
            self._context.destroy(linger=0)
            raise

    @property
    def endpoint(self) -> str:
        """The address really bound, e.g. with the port that `tcp://127.0.0.1:*` got."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def wait_for_subscriber(self, stop: StopSignals, timeout_seconds: float) -> bool:
        """Return True once somebody subscribed, False when nobody did in time or a stop was asked for."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(stop.fileno(), zmq.POLLIN)
        ready = dict(poller.poll(int(timeout_seconds * 1000)))
        return self._socket in ready and not stop.requested

    def publish(self, topic: str, time_ns: int, fields: dict[str, Any], payload: bytes | None = None) -> None:
        """Send one message. `fields`: what the topic's header adds, with at_sample."""
        header = HEADERS[topic](
            stream=self._config.stream, device=self._config.device, seq=self._seq[topic], time_ns=time_ns, **fields
        )
        self._seq[topic] += 1
        parts = [topic.encode(), self._encoder.encode(header)]
        self._socket.send_multipart(parts if payload is None else [*parts, payload])

    def forget_subscriptions(self) -> None:
        """Drop what XPUB tells about subscribers coming and going, so that it does not pile up."""
        while self._socket.poll(0):
            self._socket.recv()

    def close(self) -> None:
        """Send what is queued, for a second at most, and let go of the endpoint."""
        self._context.destroy(linger=LINGER_MS)

    def __enter__(self) -> Self:
        """Return itself; the `with` block's end closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _bind_failure(endpoint: str, error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return (
            f"publish.endpoint: {endpoint} is already in use, probably by another inherentd: stop that one, "
            "or choose another with --set publish.endpoint=tcp://127.0.0.1:5711"
        )
    return (
        f"publish.endpoint: cannot bind {endpoint} ({zmq.strerror(error.errno or 0)}); "
        "expected for example tcp://127.0.0.1:5710 or ipc:///run/user/1000/inherentd.sock"
    )


def _refuse_taken_ipc(endpoint: str) -> None:
    # A second bind to an ipc path succeeds and silently takes it away from the first.
    if not endpoint.startswith("ipc:///"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            taken = probe.connect_ex(endpoint.removeprefix("ipc://")) == 0
        except OSError as error:
            raise DaemonError(f"publish.endpoint: {endpoint}: {error}; expected a shorter path") from None
        if taken:
            raise DaemonError(_bind_failure(endpoint, zmq.ZMQError(zmq.EADDRINUSE)))
