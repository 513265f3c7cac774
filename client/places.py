"""Where a daemon of this machine takes requests, unless it is configured otherwise."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from inherentd.client.errors import ClientError


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the sockets: gone after a restart of the machine, and nobody else's."""
    if "RUNTIME_DIRECTORY" in environment:
        return first(environment["RUNTIME_DIRECTORY"])
    if "XDG_RUNTIME_DIR" in environment:
        return Path(environment["XDG_RUNTIME_DIR"]) / "inherentd"
    return Path(tempfile.gettempdir()) / f"inherentd-{os.getuid()}"


def control_endpoint(configured: str = "auto") -> str:
    """Return where `control.endpoint` lies: "auto" is a file in the runtime folder, anything else is itself."""
    return f"ipc://{runtime_folder()}/control.sock" if configured == "auto" else configured


def own_control_endpoint(configured: str = "auto") -> str:
    """Return `control_endpoint`, "auto" only where nobody else can have put a socket there. Raises ClientError."""
    if configured == "auto":
        folder = runtime_folder()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # before somebody else makes it
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022 or found.st_uid not in (0, os.getuid()):
                raise OSError(
                    errno.EPERM, f"folder {folder} is not only ours: others can put things into it, or it is a link"
                )
        except OSError as error:
            what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
            raise ClientError(f"no socket is to be trusted here: {what}; give the daemon's address") from None
    return control_endpoint(configured)


def first(folders: str) -> Path:
    """Return the first of systemd's folders: it puts colons between several, and leaves one in a name (hw:1) as it is."""
    whole = Path(folders)
    return whole if whole.is_dir() else Path(folders.partition(":")[0])
