"""Who may connect, and what they may have: endpoints, keys, permissions, and limits on what a peer can cost."""

from __future__ import annotations

from pathlib import Path

from inherentd.daemon import places
from inherentd.daemon.config import SecuritySection


def keys_folder(section: SecuritySection) -> Path:
    """Return the folder of the keys: the configured one, or keys/ in the folder of the user's configuration."""
    return Path(section.keys).expanduser() if section.keys else places.config_folder() / "keys"
