"""The sockets that strangers connect to: one context, one handler of keys, the same limits for all."""

from __future__ import annotations

from collections.abc import Callable

import zmq

from inherentd.client import keys
from inherentd.client.closing import Closing
from inherentd.daemon import security
from inherentd.daemon.config import SecuritySection
from inherentd.daemon.security import endpoints, new_keys
from inherentd.daemon.security.clients import Authorized
from inherentd.daemon.security.endpoints import Bound
from inherentd.daemon.security.hardening import harden_server
from inherentd.daemon.security.permissions import ALL, Permission
from inherentd.daemon.security.zap import Domain, ZapHandler, secure

Socket = zmq.Socket[bytes]
LINGER_MS = 1_000  # at the stop, for what is queued: the last gate.closed must arrive; a dead peer costs this much


class ServerSockets(Closing):
    """Opens sockets as the configuration says who may connect: over tcp with keys, or whoever can."""

    def __init__(self, section: SecuritySection = SecuritySection()) -> None:  # noqa: B008 (frozen)
        """Read the keys, where keys are asked for. Raises ClientError or DaemonError when they are not there or make no
        sense."""
        self._insecure = section.insecure
        folder = security.keys_folder(section)
        self._pair = keys.read_secret(folder / new_keys.SERVER) if section.curve else None
        self._authorized = Authorized(folder) if section.curve else None
        self._zap: ZapHandler | None = None
        self._context: zmq.Context[Socket] = zmq.Context(io_threads=1)

    @property
    def refused_keys(self) -> int:
        """How many handshakes were refused."""
        return self._zap.refused if self._zap is not None else 0

    def open(self, kind: int, endpoint: str, setting: str, *, domain: Domain, largest_request_bytes: int,
             prepare: Callable[[Socket], object]) -> tuple[Socket, Bound]:  # fmt: skip
        """Return a socket, bound. `prepare` sets further options first. Raises DaemonError when the endpoint is taken, makes
        no sense, or is open to others without keys."""
        curve = self._pair is not None and endpoints.is_tcp(endpoint)
        endpoints.check(endpoint, setting, curve=curve, insecure=self._insecure)
        socket: Socket = self._context.socket(kind)
        try:
            harden_server(socket, endpoint, largest_request_bytes)
            prepare(socket)
            if curve and self._pair is not None and self._authorized is not None:
                self._zap = self._zap or ZapHandler(self._context, self._authorized)
                secure(socket, self._pair, domain)
            return socket, endpoints.bind(socket, endpoint, setting)
        except BaseException:
            socket.close(linger=0)
            raise

    def permissions(self, public_key: str | None) -> frozenset[Permission]:
        """Return what the owner of a key may have now; without keys, everything."""
        if public_key is None or self._authorized is None:
            return ALL
        return self._authorized.permissions(public_key)

    def close(self) -> None:
        """Let go of everything: sockets are closed before, what they have queued is sent, for a second at most."""
        if self._zap is not None:
            self._zap.close()
        self._context.destroy(linger=LINGER_MS)
