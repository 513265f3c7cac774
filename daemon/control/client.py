"""Ask a running daemon."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from inherentd.daemon import places
from inherentd.daemon.control.requests import Reply
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security.hardening import harden
from inherentd.daemon.security.keys import ClientKeys
from inherentd.daemon.subscriber import identify

_numbers = itertools.count(1)


def control_endpoint(configured: str | None) -> str:
    """Return where `control.endpoint` lies. Raises DaemonError when it is switched off."""
    if configured is None:
        raise DaemonError("control.endpoint: is null, no requests are taken; give the daemon's --endpoint")
    return f"ipc://{places.runtime_folder()}/control.sock" if configured == "auto" else configured


class ControlClient:
    """A connection to a daemon's control socket."""

    def __init__(self, where: str, keys: ClientKeys | None = None) -> None:
        """Connect; nobody need be there yet. Raises DaemonError for an endpoint that makes no sense."""
        self._where = where
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        harden(self._socket, where)
        if keys is not None:
            identify(self._socket, keys)
        try:
            self._socket.connect(where)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise DaemonError(
                f"endpoint {where}: {zmq.strerror(error.errno or 0)}; expected ipc:// or tcp://"
            ) from None

    def ask(self, request: str, *, timeout_seconds: float = 5.0, **fields: object) -> tuple[dict[str, Any], bytes]:
        """Return the result of a request and its payload (of `audio`). Raises DaemonError when it was refused, or when nobody
        answers in time."""
        identity = next(_numbers)
        self._socket.send(msgspec.json.encode({"request": request, "id": identity, **fields}))
        while self._socket.poll(round(timeout_seconds * 1000)):
            body, *payload = self._socket.recv_multipart()
            reply = msgspec.json.decode(body, type=Reply)
            if reply.id != identity:
                continue  # the late answer to a question before
            if not reply.ok:
                raise DaemonError(reply.error or "refused")
            return reply.result or {}, payload[0] if payload else b""
        raise DaemonError(f"nobody answers at {self._where}: does the daemon run there? (see inherentd doctor)")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._context.destroy(linger=0)
