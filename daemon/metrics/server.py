"""/metrics and /health over HTTP. It answers two questions and trusts no peer."""

from __future__ import annotations

import errno
import json
import os
import socket
import socketserver
import sys
import threading
import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import structlog

from inherentd.client.closing import Closing
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.metrics.exposition import CONTENT_TYPE, Exposition
from inherentd.daemon.metrics.figures import Figures
from inherentd.daemon.metrics.handler import Answer, Handler
from inherentd.daemon.security import http_address

MOST_CONNECTIONS = 8
POLL_SECONDS = 0.5  # how long close() may take


class MetricsServer(Closing, socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers in threads of its own, from figures that the daemon's loop goes on counting."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, endpoint: str, figures: Figures, *, insecure: bool = False) -> None:
        """Bind and begin to answer. Raises DaemonError when the endpoint is taken or makes no sense."""
        host, port = http_address.parse(endpoint, insecure=insecure)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.loopback_only = not insecure
        self._figures, self._exposition = figures, Exposition(figures)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise DaemonError(_bind_failure(endpoint, error)) from None
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """HOST:PORT really bound, e.g. with the port that :0 got."""
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def answer(self, path: str) -> Answer | None:
        """Return what is told at a path; None where there is nothing."""
        if path == "/metrics":
            return Answer(HTTPStatus.OK, CONTENT_TYPE, self._exposition.text())
        if path == "/health":
            return self._health()
        return None

    def close(self) -> None:
        """Answer no more and let go of the port. Connections that are open end by themselves."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection. Where that fails, for want of descriptors, the next try waits, or it would spin."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or end it where too many are open."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self._places.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what peers do out of stderr."""
        del request, client_address
        structlog.get_logger().debug("metrics: a request failed", error=repr(sys.exc_info()[1]))

    def _health(self) -> Answer:
        figures, trouble = self._figures, self._figures.trouble
        body = {
            "healthy": not trouble,
            "trouble": trouble,
            "state": figures.state,
            "reason": figures.reason,
            "state_seconds": round(figures.state_seconds, 3),
            "uptime_seconds": round(figures.uptime_seconds, 3),
            "frames": figures.frames,
            "muted": figures.muted,
            "model": asdict(figures.model),
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        return Answer(status, "application/json", json.dumps(body).encode() + b"\n")


def _bind_failure(endpoint: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"metrics.endpoint: {endpoint} is already in use; choose another, e.g. 127.0.0.1:5713"
    why = os.strerror(error.errno) if error.errno else str(error)
    return f"metrics.endpoint: cannot bind {endpoint} ({why}); {http_address.EXAMPLE}"
