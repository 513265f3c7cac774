"""The service under systemd: one for a user, or one for each microphone of the system."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.service import units
from inherentd.daemon.service.plan import Remove, Run, RunProgram, Step, Write
from inherentd.daemon.service.status import Status

SYSTEM_FOLDER = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Manager:
    """One of systemd's managers: the system's, or the user's."""

    folder: Path  # of its units
    scope: tuple[str, ...] = ()  # for systemctl and journalctl

    def control(self, *words: str) -> tuple[str, ...]:
        """Return a systemctl command."""
        return ("systemctl", *self.scope, *words)


def user_manager(environment: Mapping[str, str]) -> Manager:
    """Return the manager of the user's services."""
    below = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Manager(Path(below) / "systemd" / "user", ("--user",))


def system_manager(folder: Path = SYSTEM_FOLDER) -> Manager:
    """Return the manager of the system's services."""
    return Manager(folder)


def install_for_user(manager: Manager, command: Sequence[str], options: Sequence[str]) -> list[Step]:
    """Return the steps to a service of this user."""
    return [
        Write(manager.folder / units.USER_UNIT, units.render(units.USER_UNIT, command, options)),
        *_start(manager, units.USER_UNIT),
    ]


def install_for_system(manager: Manager, device: str, command: Sequence[str], options: Sequence[str]) -> list[Step]:
    """Return the steps to a service of the system for one microphone."""
    instance = units.instance(device)
    drop_in = _drop_in(manager, instance)
    change = Write(drop_in, units.options_of_instance(command, options)) if options else Remove(drop_in)
    return [
        Write(manager.folder / units.SYSTEM_UNIT, units.render(units.SYSTEM_UNIT, command)),
        change,
        *_start(manager, instance),
    ]


def uninstall(manager: Manager, device: str | None) -> list[Step]:
    """Return the steps that remove it: of the system's services the one of a microphone, or all of them."""
    if manager.scope:
        file, gone, last = manager.folder / units.USER_UNIT, [units.USER_UNIT], True
    else:
        file, enabled = manager.folder / units.SYSTEM_UNIT, installed_instances(manager)
        gone = enabled if device is None else [units.instance(device)]
        last = set(enabled) <= set(gone)
    if not file.exists():
        return []
    steps: list[Step] = [Run(manager.control("disable", "--now", *gone))] if gone else []
    for name in gone:
        steps += [Remove(path) for path in (_drop_in(manager, name), *manager.folder.glob("*.wants/" + _literal(name)))]
    steps += [Remove(file)] if last else []
    return [*steps, Run(manager.control("daemon-reload"))]


def installed_instances(manager: Manager) -> list[str]:
    """Return the names of the system's services that are enabled."""
    return sorted({path.name for path in manager.folder.glob("*.wants/inherentd@?*.service")})


def status(manager: Manager, device: str | None, run_program: RunProgram) -> list[Status]:
    """Return how each service is: of the system's the one of a microphone, or all of them."""
    file = manager.folder / (units.USER_UNIT if manager.scope else units.SYSTEM_UNIT)
    if not file.exists():
        return [Status(running=False, lines=[f"not installed: {file} is not there (inherentd service install)"])]
    if manager.scope:
        names = [units.USER_UNIT]
    else:
        names = installed_instances(manager) if device is None else [units.instance(device)]
    if not names:
        return [Status(running=False, lines=[f"installed: {file}", "enabled for no microphone (--device NAME)"])]
    return [_status(manager, file, name, run_program) for name in names]


def _status(manager: Manager, file: Path, name: str, run_program: RunProgram) -> Status:
    properties = "ActiveState,SubState,StatusText,NRestarts"
    result = run_program(manager.control("show", "--property", properties, name))
    if result.exit_code:
        raise DaemonError(f"{' '.join(manager.control('show'))} failed: {result.output.strip()}; installed: {file}")
    found = dict(line.split("=", 1) for line in result.output.splitlines() if "=" in line)
    active = found.get("ActiveState", "unknown")
    says = f", says: {found['StatusText']}" if found.get("StatusText") else ""
    log = " ".join(["journalctl", *manager.scope, "--unit", shlex.quote(name), "--lines=20"])
    lines = [
        f"{name}: {active} ({found.get('SubState', 'unknown')}), {found.get('NRestarts', '?')} restarts{says}",
        f"  installed: {file}",
        f"  its log: {log}",
    ]
    return Status(running=active in ("active", "reloading"), lines=lines)


def _start(manager: Manager, name: str) -> list[Step]:
    # Not `enable --now`: it would leave an older one running, and wait for a microphone that may not be there yet.
    return [
        Run(manager.control("daemon-reload")),
        Run(manager.control("enable", name)),
        Run(manager.control("restart", "--no-block", name)),
    ]


def _drop_in(manager: Manager, instance: str) -> Path:
    return manager.folder / f"{instance}.d" / "options.conf"


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "[*?" else c for c in name)
