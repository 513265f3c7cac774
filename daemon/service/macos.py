"""The service under launchd: an agent of one user. Written from its manual; never run on a Mac by its author."""

from __future__ import annotations

import os
import plistlib
import time
from collections.abc import Sequence
from pathlib import Path

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.service.plan import Remove, Run, RunProgram, Step, Write
from inherentd.daemon.service.program import template
from inherentd.daemon.service.status import Status
from inherentd.daemon.sources import portaudio

LABEL = "org.inherentd.agent"
LISTEN_SECONDS = 2.0  # the question for permission comes up as soon as the microphone opens
BLOCK_MS = 80


def render(home: Path, command: Sequence[str], options: Sequence[str] = ()) -> str:
    """Return the agent's property list."""
    agent = plistlib.loads(template(f"{LABEL}.plist").encode())
    program, *rest = agent["ProgramArguments"]
    assert program == "@INHERENTD@"
    agent["ProgramArguments"] = [*command, *rest, *options]
    for key in ("StandardOutPath", "StandardErrorPath"):
        agent[key] = agent[key].replace("@LOGS@", str(home / "Library" / "Logs"))
    return plistlib.dumps(agent).decode()


def agent_file(home: Path) -> Path:
    """Return where launchd looks for the agent."""
    return home / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def install(home: Path, command: Sequence[str], options: Sequence[str]) -> list[Step]:
    """Return the steps to an agent of this user."""
    file = agent_file(home)
    return [
        Write(file, render(home, command, options)),
        Run(("launchctl", "bootout", f"{_domain()}/{LABEL}"), optional=True),  # an older one
        Run(("launchctl", "bootstrap", _domain(), str(file))),
    ]


def uninstall(home: Path) -> list[Step]:
    """Return the steps that remove it."""
    file = agent_file(home)
    if not file.exists():
        return []
    return [Run(("launchctl", "bootout", f"{_domain()}/{LABEL}"), optional=True), Remove(file)]


def status(home: Path, run_program: RunProgram) -> Status:
    """Return how the agent is."""
    file = agent_file(home)
    if not file.exists():
        return Status(running=False, lines=[f"not installed: {file} is not there (inherentd service install)"])
    result = run_program(("launchctl", "print", f"{_domain()}/{LABEL}"))
    state = next(
        (line.split("=")[1].strip() for line in result.output.splitlines() if line.strip().startswith("state =")), ""
    )
    lines = [
        f"{LABEL}: {state or 'not loaded'}",
        f"  installed: {file}",
        f"  its log: tail -n 20 {home / 'Library' / 'Logs' / 'inherentd.log'}",
    ]
    return Status(running=not result.exit_code and state == "running", lines=lines)


def ask_for_microphone() -> str:
    """Open the default microphone for a moment, so that macOS asks for permission. Return what came of it, in words."""
    from inherentd.daemon.sources.capture import Capture

    try:
        capture = Capture(portaudio.find(""), BLOCK_MS)
    except DaemonError as error:
        return f"the permission for the microphone could not be asked for: {error}"
    time.sleep(LISTEN_SECONDS)
    samples, _ = capture.take()
    capture.close()
    # Without permission macOS gives digital zeros, and with it no microphone is as still as that.
    found = "sound came from the microphone" if samples.any() else "only silence came: the permission may be missing"
    return (
        f"{found}. This cannot show what the agent may do: macOS gives the permission to the terminal from here, and asks "
        "again when the agent first listens (System Settings, Privacy & Security, Microphone)"
    )


def _domain() -> str:
    return f"gui/{os.getuid()}"
