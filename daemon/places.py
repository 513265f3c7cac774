"""Where the daemon keeps what is its own: sockets, state, keys. systemd's folders where it gives some."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the sockets: gone after a restart of the machine, and nobody else's."""
    if "RUNTIME_DIRECTORY" in environment:
        return _first(environment["RUNTIME_DIRECTORY"])
    if "XDG_RUNTIME_DIR" in environment:
        return Path(environment["XDG_RUNTIME_DIR"]) / "inherentd"
    return Path(tempfile.gettempdir()) / f"inherentd-{os.getuid()}"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what must outlive a restart, e.g. thresholds that were set at run time."""
    if "STATE_DIRECTORY" in environment:
        return _first(environment["STATE_DIRECTORY"])
    return _home(environment, "XDG_STATE_HOME", ".local/state") / "inherentd"


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the user's configuration and keys."""
    if "CONFIGURATION_DIRECTORY" in environment:
        return _first(environment["CONFIGURATION_DIRECTORY"])
    return _home(environment, "XDG_CONFIG_HOME", ".config") / "inherentd"


def private(folder: Path) -> Path:
    """Return the folder, made for its owner only (0700) where it was not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _first(folders: str) -> Path:
    """Return the first of systemd's folders: it puts colons between several, and leaves one in a name (hw:1) as it is."""
    whole = Path(folders)
    return whole if whole.is_dir() else Path(folders.partition(":")[0])


def _home(environment: Mapping[str, str], variable: str, below_home: str) -> Path:
    if variable in environment:
        return Path(environment[variable])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / below_home
