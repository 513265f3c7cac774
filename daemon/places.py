"""Where the daemon keeps what is its own: state, configuration, keys. systemd's folders where it gives some."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from inherentd.client.places import first


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what must outlive a restart, e.g. thresholds that were set at run time."""
    if "STATE_DIRECTORY" in environment:
        return first(environment["STATE_DIRECTORY"])
    return _home(environment, "XDG_STATE_HOME", ".local/state") / "inherentd"


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the user's configuration and keys."""
    if "CONFIGURATION_DIRECTORY" in environment:
        return first(environment["CONFIGURATION_DIRECTORY"])
    return _home(environment, "XDG_CONFIG_HOME", ".config") / "inherentd"


def private(folder: Path) -> Path:
    """Return the folder, made for its owner only (0700) where it was not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _home(environment: Mapping[str, str], variable: str, below_home: str) -> Path:
    if variable in environment:
        return Path(environment[variable])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / below_home
