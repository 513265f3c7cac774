"""The file of an ipc address: ours alone, locked while we use it, gone afterwards.

ZeroMQ gives it the umask's mode, and takes it away from a process that has it bound without telling either.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Generator
from pathlib import Path

from inherentd.daemon import places


class IpcFile:
    """Holds PATH.lock; a process that dies lets go of it, and the next one takes over the socket it left."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises OSError: EADDRINUSE when somebody has it."""
        self._path = path
        self._inode = 0
        check_folder(places.private(path.parent))
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock: int | None = _locked(self._lock_path)
        try:
            _check_free(path)
        except OSError:
            self.remove()
            raise

    @contextlib.contextmanager
    def created_private(self) -> Generator[None]:
        """While its `with` block binds, a new file is readable and writable by its owner only (0600)."""
        before = os.umask(0o177)
        try:
            yield
        finally:
            os.umask(before)
        self._path.chmod(0o600)
        self._inode = self._path.stat().st_ino

    def remove(self) -> None:
        """Delete the socket's file, if it still is the one we made, and let go of the lock."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            if self._inode and self._path.stat().st_ino == self._inode:
                self._path.unlink()
        with contextlib.suppress(OSError):
            self._lock_path.unlink()  # while we hold it: whoever waits for this very file looks again
        os.close(self._lock)
        self._lock = None


def _locked(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.fstat(lock).st_ino == path.stat().st_ino:
                return lock
        except BlockingIOError:
            os.close(lock)
            raise OSError(errno.EADDRINUSE, "locked") from None
        os.close(lock)  # its holder deleted it between our two steps


def check_folder(folder: Path) -> None:
    """Raise OSError unless only this user, or root, can rename things in the folder; in /tmp others may put theirs beside them."""
    # In a folder where others can rename things, they could put their socket in the place of ours.
    found = folder.stat()
    others_write = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    if found.st_uid not in (0, os.getuid()) or others_write:
        raise OSError(errno.EPERM, f"folder {folder} is not only ours: it belongs to, or can be changed by, others")


def _check_free(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_socket():  # ZeroMQ would delete it
        raise OSError(errno.EEXIST, "a file that is no socket is there")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, "somebody answers there")
