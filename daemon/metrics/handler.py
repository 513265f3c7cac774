"""One HTTP request: read within a deadline and a size, answered without repeating anything that was sent."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol, cast

from inherentd.daemon.security.http_address import is_own_name

CONNECTION_SECONDS = 5.0
MOST_BYTES = 16 * 1024


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Answering(Protocol):
    """The server, as far as a request needs it."""

    loopback_only: bool

    def answer(self, path: str) -> Answer | None:
        """Return what is told at a path; None where there is nothing."""
        ...


class Request(io.RawIOBase):
    """What a peer sends, until a moment and up to a size: a timeout for each read would let it drip for ever."""

    def __init__(self, peer: socket.socket) -> None:
        """Start the clock."""
        self._peer, self._left = peer, MOST_BYTES
        self._deadline = time.monotonic() + CONNECTION_SECONDS

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there; 0 at the end. Raises OSError after the deadline and over the size."""
        if not self._left:
            raise ConnectionError(f"a request of more than {MOST_BYTES} bytes")
        self._peer.settimeout(max(0.001, self._deadline - time.monotonic()))
        count = self._peer.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of what the server has; nothing else."""

    timeout = CONNECTION_SECONDS  # of an answer that the peer does not take

    def setup(self) -> None:
        """Read through `Request`."""
        super().setup()
        self.rfile = io.BufferedReader(Request(self.connection))

    def do_GET(self) -> None:
        """Answer, or say that there is nothing."""
        server = cast("Answering", self.server)
        if server.loopback_only and not is_own_name(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        answer = server.answer(self.path.partition("?")[0])
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send(answer)

    do_HEAD = do_GET  # noqa: N815 (the name is the library's)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the status alone: the library's own page repeats what was sent."""
        del message, explain
        # The library knows no "wrong method": every other method is "not implemented" to it.
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._send(Answer(status, "text/plain", f"{status.value} {status.phrase}\n".encode()))

    def _send(self, answer: Answer) -> None:
        self.close_connection = True
        self.connection.settimeout(CONNECTION_SECONDS)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        """Return the Server header, which need not say which Python this is."""
        return "inherentd"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the library's)
        """Log nothing: peers do not write to stderr."""
