"""Events out, over ZeroMQ."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
import zmq

from inherentd.client.closing import Closing
from inherentd.client.messages import HEADERS
from inherentd.daemon.security.clients import REFRESH_SECONDS
from inherentd.daemon.security.sockets import LINGER_MS, ServerSockets
from inherentd.daemon.security.subscriptions import MAX_REQUEST_BYTES, Subscriptions
from inherentd.daemon.stop import StopSignals

SETTING = "publish.endpoint"
JOIN_SECONDS = 0.5  # who waits for a daemon tries again every 0.1 s (ZMQ_RECONNECT_IVL), each at a time of its own


@dataclass(frozen=True)
class PublisherConfig:
    """Where to publish, and as whom."""

    endpoint: str
    stream: str
    device: str
    queue_messages: int


class Publisher(Closing):
    """Publishes messages, numbered per topic. Never blocks: for a slow subscriber, ZeroMQ drops after its queue."""

    def __init__(self, config: PublisherConfig, sockets: ServerSockets) -> None:
        """Bind. Raises DaemonError when the endpoint is taken, makes no sense or is open to others without keys."""
        self.stream, self.device = config.stream, config.device
        self._config = config
        self._sockets = sockets
        self._seq = Counter[str]()
        self._encoder = msgspec.json.Encoder()
        self._looked_for_revoked = time.monotonic()
        self._socket, self._bound = sockets.open(
            zmq.XPUB,
            config.endpoint,
            SETTING,
            domain="events",
            largest_request_bytes=MAX_REQUEST_BYTES,
            prepare=self._prepare,
        )

    def _prepare(self, socket: zmq.Socket[bytes]) -> None:
        socket.setsockopt(zmq.SNDHWM, self._config.queue_messages)
        self._subscriptions = Subscriptions(socket, self._sockets.permissions)

    @property
    def endpoint(self) -> str:
        """The address really bound, e.g. with the port that `tcp://127.0.0.1:*` got."""
        return self._bound.endpoint

    @property
    def subscribers(self) -> int:
        """How many are connected now and get at least one topic."""
        return self._subscriptions.peers

    @property
    def refusals(self) -> dict[str, int]:
        """What was refused so far: keys at the handshake, subscriptions that gave nothing, peers disconnected."""
        return {
            "keys": self._sockets.refused_keys,
            "subscriptions": self._subscriptions.refused,
            "disconnected": self._subscriptions.ended,
        }

    def wait_for_subscriber(self, stop: StopSignals, timeout_seconds: float) -> bool:
        """Return True once somebody gets at least one topic and nobody else has joined or left for half a second, or the time
        is over; False when nobody came in time or a stop was asked for."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(stop.fileno(), zmq.POLLIN)
        until = settled = time.monotonic() + timeout_seconds
        while not stop.requested and (left := min(until, settled) - time.monotonic()) > 0:
            before = self.subscribers
            poller.poll(int(left * 1000) + 1)
            stop.take_reload()  # nothing runs yet: what was read just now is up to date
            self.handle_subscriptions()
            if self.subscribers != before:
                settled = time.monotonic() + JOIN_SECONDS if self.subscribers else until
        return self.subscribers > 0 and not stop.requested

    def handle_subscriptions(self) -> None:
        """Decide who gets what, of what has arrived: short, and never waits. To be called often."""
        self._subscriptions.handle()
        if time.monotonic() - self._looked_for_revoked > REFRESH_SECONDS:
            self._looked_for_revoked = time.monotonic()
            self._subscriptions.end_revoked()

    def publish(self, topic: str, time_ns: int, fields: dict[str, Any], payload: bytes | None = None) -> None:
        """Send one message. `fields`: what the topic's header adds, with at_sample."""
        self._subscriptions.handle()  # whoever subscribed before this message gets it
        header = HEADERS[topic](
            stream=self._config.stream, device=self._config.device, seq=self._seq[topic], time_ns=time_ns, **fields
        )
        self._seq[topic] += 1
        parts = [topic.encode(), self._encoder.encode(header)]
        self._socket.send_multipart(parts if payload is None else [*parts, payload])

    def close(self) -> None:
        """Let go of the endpoint; what is queued is sent while the context ends."""
        self._socket.close(linger=LINGER_MS)
        self._bound.close()
