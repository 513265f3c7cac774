"""Which program a service starts: the one that installs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import inherentd
from inherentd.daemon.errors import DaemonError

TEMPLATES = Path(inherentd.__file__).parent / "systemd"
PRIVATE_FOLDERS = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 (hidden from the system's service)


def command(python: Path | None = None) -> list[str]:
    """Return the command line of `inherentd`: the script beside this Python, else this Python with the module."""
    interpreter = Path(sys.executable) if python is None else python
    script = interpreter.parent / "inherentd"
    for program, arguments in ((script, []), (interpreter, ["-P", "-m", "inherentd.daemon.cli"])):
        if program.is_absolute() and os.access(program, os.X_OK) and program.is_file():
            return [str(program), *arguments]
    raise DaemonError(f"got {str(interpreter)!r} as this Python, which is no program; install inherentd again")


def needed_paths(program: str) -> list[Path]:
    """Return where the program lies, and what it cannot run without: its Python and this package."""
    return [Path(program), Path(program).resolve(), Path(sys.base_prefix).resolve(), Path(inherentd.__file__).resolve()]


def refuse_private(paths: Iterable[Path]) -> None:
    """Raise DaemonError for a path that the system's service cannot see: homes and temporary folders are hidden."""
    for path in paths:
        if any(path.is_relative_to(folder) for folder in PRIVATE_FOLDERS):
            raise DaemonError(
                f"{path} is in a user's or a temporary folder, which is hidden from the system's service; "
                "install inherentd for all users, e.g. python3 -m venv /opt/inherentd, or leave out --system"
            )


def template(name: str) -> str:
    """Return a file of systemd/."""
    return (TEMPLATES / name).read_text(encoding="utf-8")
