"""Is there room where captures go?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from inherentd.daemon.config import CapturesSection
from inherentd.daemon.doctor.finding import Finding


def captures(
    section: CapturesSection, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Finding:
    """Can recent utterances be kept as configured?"""
    if section.folder is None:
        return Finding("captures", "ok", "off: no audio is written")
    folder = Path(section.folder).expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        advice = "set captures.folder to a folder that this user may write to"
        return Finding("captures", "failure", f"{there} cannot be written to", advice)
    free = free_bytes(there) / 1e6
    text = f"{folder}, {free:.0f} MB free, {section.megabytes:g} MB allowed"
    if free < section.megabytes:
        return Finding("captures", "warning", text, "make room, or set captures.megabytes lower")
    return Finding("captures", "ok", text)
