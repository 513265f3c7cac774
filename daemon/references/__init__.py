"""Reference pages and the commented settings file, written from the types. `inherentd contracts --references` calls it."""

from __future__ import annotations

from inherentd.daemon.references.configuration import configuration_page, settings_file
from inherentd.daemon.references.wire import wire_page

__all__ = ["references"]


def references() -> dict[str, str]:
    """Return path in the repository -> text."""
    return {
        "configs/daemon.yaml": settings_file(),
        "docs/configuration.md": configuration_page(),
        "docs/wire.md": wire_page(),
    }
