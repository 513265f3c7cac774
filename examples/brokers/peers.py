"""Addresses with keys, as both brokers take them: who is connected to, and who may connect."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from inherentd.client import ClientError, ClientKeys, KeyPair
from inherentd.client.connecting import LARGEST_PART_BYTES, harden, identify
from inherentd.client.keys import public_key

DOMAIN = "broker"
MOST_DESCRIPTORS = 1_048_576
"""where the system names no limit (macOS), which it would not give"""


@dataclass(frozen=True)
class Peer:
    """Somebody to connect to."""

    endpoint: str
    public: bytes | None
    """its key; None where it asks for none"""

    @classmethod
    def read(cls, text: str) -> Peer:
        """Return what `ENDPOINT` or `ENDPOINT,KEY` says; KEY is a public key or its file. Raises ClientError."""
        endpoint, comma, key = text.strip().partition(",")
        return cls(endpoint, public_key(key) if comma else None)


def peers(given: Iterable[str], file: Path | None) -> list[Peer]:
    """Return those given and those of a file, one a line, `#` begins a comment. Raises ClientError."""
    lines = list(given)
    if file is not None:
        try:
            lines += [line for line in file.read_text(encoding="utf-8").splitlines() if line.partition("#")[0].strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise ClientError(f"{file}: cannot be read: {error}") from None
    return [Peer.read(line.partition("#")[0]) for line in lines]


def connect(socket: zmq.Socket[Any], those: Iterable[Peer], own: KeyPair | None) -> None:
    """Connect to all of them, again whenever one comes back. Raises ClientError for one with a key while we have none, and
    for an address that makes no sense."""
    for peer in those:
        if peer.public is not None and own is None:
            raise ClientError(
                f"{peer.endpoint}: asks for keys; give our secret one with --key FILE (inherentd keys new)"
            )
        _prepare(socket, peer.endpoint)
        if peer.public is not None and own is not None:
            identify(socket, ClientKeys(peer.public, own))
        try:
            socket.connect(peer.endpoint)
        except zmq.ZMQError as error:
            raise ClientError(f"{peer.endpoint}: {zmq.strerror(error.errno or 0)}; expected ipc:// or tcp://") from None


def bind(socket: zmq.Socket[Any], endpoint: str, own: KeyPair | None) -> str:
    """Let others connect, those whose key `Doorkeeper` knows where there are keys; return the address as it really is."""
    _prepare(socket, endpoint)
    if own is not None and endpoint.startswith("tcp://"):
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
        socket.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise ClientError(f"{endpoint}: cannot be bound: {zmq.strerror(error.errno or 0)}") from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def _prepare(socket: zmq.Socket[Any], endpoint: str) -> None:
    """Set what the next bind() or connect() is made with; those before keep theirs. Without this it would have the one before's keys."""
    socket.setsockopt(zmq.CURVE_SERVER, 0)  # this alone makes libzmq forget CURVE: identify() brings it back
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 0)  # else a connection without keys would be asked for, too
    socket.setsockopt(zmq.IPV6, 0)
    harden(socket, endpoint)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_PART_BYTES)


class Doorkeeper:
    """Lets in whose public key lies in a folder as NAME.pub; looked up at each handshake, so that nothing need be restarted."""

    def __init__(self, context: zmq.Context[Any], folder: Path) -> None:
        from zmq.auth.thread import ThreadAuthenticator

        self._folder = folder
        self._told = set[Path]()
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.configure_curve_callback(DOMAIN, credentials_provider=self)
        self._authenticator.start()

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether a key may connect. Called by pyzmq, which wants this name."""
        return domain == DOMAIN and key in self._known()

    def _known(self) -> set[bytes]:
        known, bad = set[bytes](), dict[Path, str]()
        for file in sorted(self._folder.glob("*.pub")):
            try:
                known.add(public_key(str(file)))
            except (ClientError, OSError) as error:
                bad[file] = str(error)
        for file in bad.keys() - self._told:
            print(f"{file} lets nobody in: {bad[file]}", file=sys.stderr, flush=True)
        self._told = set(bad)  # who is mended and broken again is told again
        return known

    def close(self) -> None:
        """Let nobody in any more."""
        self._authenticator.stop()


def allow_many_connections(
    limits: tuple[int, int] | None = None, allow: Callable[[int, tuple[int, int]], None] = resource.setrlimit
) -> None:
    """Take as many descriptors as the system gives: a connection takes one, and 1024 are soon used up. Goes on with what there is
    where the system refuses."""
    now, most = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if most == resource.RLIM_INFINITY else most
    if now == resource.RLIM_INFINITY or now >= wanted:
        return
    try:
        allow(resource.RLIMIT_NOFILE, (wanted, most))
    except (OSError, ValueError) as error:
        print(f"at most {now} connections: {wanted} are refused: {error}", file=sys.stderr, flush=True)
