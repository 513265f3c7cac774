"""Addresses: which may be bound, and how."""

from __future__ import annotations

import errno
import ipaddress
import re
from pathlib import Path

import zmq

from inherentd.daemon.errors import ConfigurationError, DaemonError
from inherentd.daemon.security.ipc_file import IpcFile

EXPECTED = "expected for example tcp://127.0.0.1:5710 or ipc:///run/user/1000/inherentd.sock"
_TCP = re.compile(r"tcp://(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d{1,5}|\*)")


class Bound:
    """An address that a socket is bound to, until close()."""

    def __init__(self, endpoint: str, file: IpcFile | None) -> None:
        """Keep the lock of an ipc address."""
        self.endpoint = endpoint  # as it really is, e.g. with the port that `tcp://127.0.0.1:*` got
        self._file = file

    def close(self) -> None:
        """Remove what an ipc address left in its folder; to be called once the socket is closed."""
        if self._file is not None:
            self._file.remove()


def is_tcp(endpoint: str) -> bool:
    """Return whether it goes over the network; CURVE keys are for these."""
    return endpoint.startswith("tcp://")


def check(endpoint: str, setting: str, *, curve: bool, insecure: bool) -> None:
    """Raise ConfigurationError for an address that makes no sense, and for one that others reach without a key.

    Nobody else reaches loopback tcp and an ipc file of our own; the rest needs keys, or somebody who wants it so.
    """
    if endpoint.startswith("ipc:///") and len(endpoint) > len("ipc:///"):
        return
    match = _TCP.fullmatch(endpoint)
    if match is None or not _makes_sense(match["host"], match["port"]):
        raise ConfigurationError(f"{setting}: cannot bind {endpoint}; {EXPECTED}")
    if not (is_loopback(match["host"].strip("[]")) or curve or insecure):
        raise ConfigurationError(
            f"{setting}: {endpoint} can be reached from other machines, and without keys everybody there could listen; "
            "run `inherentd keys new` and add --set security.curve=true, or take tcp://127.0.0.1:PORT, or, "
            "if everybody may, add --insecure"
        )


def bind(socket: zmq.Socket[bytes], endpoint: str, setting: str) -> Bound:
    """Bind. An ipc file is open to its owner only, and never taken away from a process that uses it.

    Raises DaemonError when the address is taken or cannot be had.
    """
    file = None
    try:
        if is_tcp(endpoint):
            socket.bind(endpoint)
        else:
            file = _bind_file(socket, endpoint)
    except OSError as error:
        raise DaemonError(_failure(endpoint, setting, error.errno, error.strerror or str(error))) from None
    except zmq.ZMQError as error:
        raise DaemonError(_failure(endpoint, setting, error.errno, zmq.strerror(error.errno or 0))) from None
    return Bound(socket.getsockopt_string(zmq.LAST_ENDPOINT), file)


def _bind_file(socket: zmq.Socket[bytes], endpoint: str) -> IpcFile:
    file = IpcFile(Path(endpoint.removeprefix("ipc://")))
    try:
        with file.created_private():
            socket.bind(endpoint)
    except BaseException:
        file.remove()
        raise
    return file


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what is bound to a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # `*`, the name of a machine or of a network interface
        return False


def _makes_sense(host: str, port: str) -> bool:
    if port != "*" and int(port) > 65_535:
        return False
    if host.startswith("[") or not host.strip("0123456789."):
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
    return True


def _failure(endpoint: str, setting: str, number: int | None, reason: str) -> str:
    if number in (zmq.EADDRINUSE, errno.EADDRINUSE):
        return (
            f"{setting}: {endpoint} is already in use, probably by another inherentd: stop that one, "
            f"or choose another with --set {setting}=tcp://127.0.0.1:5711"
        )
    return f"{setting}: cannot bind {endpoint} ({reason}); {EXPECTED}"
