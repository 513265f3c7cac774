"""CURVE on a server's socket, and the handler that ZeroMQ asks (ZAP) whether a client's key may connect."""

from __future__ import annotations

from typing import Literal

import zmq

from inherentd.client.keys import KeyPair
from inherentd.daemon.security.clients import Authorized
from inherentd.daemon.security.permissions import Permission
from inherentd.daemon.security.seldom import SeldomWarning

Domain = Literal["events", "control"]
OPENS: dict[str, frozenset[Permission]] = {"events": frozenset({"events", "audio"}), "control": frozenset({"control"})}


def secure(socket: zmq.Socket[bytes], pair: KeyPair, domain: Domain) -> None:
    """Let only clients with an authorized key connect. Before bind(), and with a ZapHandler in the same context."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
    socket.setsockopt_string(zmq.ZAP_DOMAIN, domain)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without it, any key is let in when the handler is not there


class ZapHandler:
    """Answers handshakes of one context's sockets, in a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], authorized: Authorized) -> None:
        """Start. Before the first secured socket is bound."""
        from zmq.auth.thread import ThreadAuthenticator  # brings asyncio: only for those who use keys

        self.refused = 0  # handshakes with a key that is not authorized for this socket
        self._authorized = authorized
        self._warn = SeldomWarning()
        self._authenticator = ThreadAuthenticator(context)
        for domain in OPENS:
            self._authenticator.configure_curve_callback(domain, credentials_provider=self)
        self._authenticator.start()

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether the key may connect. Called by pyzmq, which wants this name, in the handler's thread."""
        public = key.decode()
        if self._authorized.permissions(public) & OPENS[domain]:
            return True
        self.refused += 1
        self._warn("refused a key", socket=domain, key=public)
        return False

    def close(self) -> None:
        """End the thread; from then on nobody gets in. Before the context's own end."""
        self._authenticator.stop()
