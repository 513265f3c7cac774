"""clients.yaml: which public key has which name, and what it may have."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
import yaml

from inherentd.client import keys
from inherentd.client.errors import ClientError
from inherentd.daemon import places
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private
from inherentd.daemon.security.permissions import NONE, Permission

FILE = "clients.yaml"
HEADER = "# Written by `inherentd keys authorize` and `revoke`; the daemon notices a change within a second.\n"
REFRESH_SECONDS = 1.0


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One who may connect."""

    public_key: str
    allow: list[Permission]


def read(folder: Path) -> dict[str, Client]:
    """Return the clients by name; none when there is no file. Raises DaemonError when the file makes no sense."""
    file = folder / FILE
    try:
        document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.stat().st_mode & 0o022:
            raise DaemonError(f"{file}: others can write it, and so let themselves in: chmod 600 {file}")
        clients = msgspec.convert(document or {}, dict[str, Client])
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise DaemonError(f"{file}: is no list of clients: {' '.join(str(error).split())}") from None
    try:
        for name, client in clients.items():
            keys.checked(client.public_key, f"{file}: client {name!r}")
    except ClientError as error:
        raise DaemonError(str(error)) from None
    return clients


def write(folder: Path, clients: Mapping[str, Client]) -> None:
    """Replace the file in one step."""
    text = yaml.safe_dump(msgspec.to_builtins(dict(clients)), sort_keys=True)
    try:
        places.private(folder)
        write_private(folder / FILE, (HEADER + text).encode())
    except OSError as error:
        raise DaemonError(f"{folder / FILE}: cannot be written: {error.strerror}") from None


class Authorized:
    """The clients as the file says now: it is looked at again when it changed, at most once a second.

    Asked by the main thread and by the one that answers handshakes.
    """

    def __init__(self, folder: Path) -> None:
        """Read the file. Raises DaemonError when it makes no sense."""
        self._folder = folder
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = self._stamp_now()
        self._by_key = _by_key(read(folder))

    def permissions(self, public_key: str) -> frozenset[Permission]:
        """Return what the owner of a key may have now: nothing when it is not authorized."""
        self._refresh()
        return self._by_key.get(public_key, NONE)

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < REFRESH_SECONDS:
                return
            self._looked = time.monotonic()
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._by_key = _by_key(read(self._folder))
            except (
                ClientError,
                DaemonError,
            ) as error:  # a slip of the pen must not lock everybody out, nor end the daemon
                structlog.get_logger().error("the clients stay as they were", reason=str(error))

    def _stamp_now(self) -> tuple[int, int, int]:
        try:
            found = (self._folder / FILE).stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def _by_key(clients: Mapping[str, Client]) -> Mapping[str, frozenset[Permission]]:
    by_key: dict[str, frozenset[Permission]] = {}
    for client in clients.values():  # one key may have two names
        by_key[client.public_key] = by_key.get(client.public_key, NONE) | frozenset(client.allow)
    return by_key
