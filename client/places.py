"""Where a daemon of this machine takes requests, unless it is configured otherwise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


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


def first(folders: str) -> Path:
    """Return the first of systemd's folders: it puts colons between several, and leaves one in a name (hw:1) as it is."""
    whole = Path(folders)
    return whole if whole.is_dir() else Path(folders.partition(":")[0])
