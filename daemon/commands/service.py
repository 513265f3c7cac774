"""Install the daemon as a service that starts by itself and is restarted when it ends or goes deaf.

Without --system it is a service of this user (systemd, or launchd on macOS) that listens through the sound server; with
--system --device NAME one of the system, walled off, that records from ALSA. Options for `inherentd run` follow after --,
e.g. inherentd service install -- --set gate.hangover_ms=900. See docs/services.md.

Exit code of status: 0 when it is installed and running, 1 when not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inherentd.daemon.cli import Parser
from inherentd.daemon.commands import run as run_command
from inherentd.daemon.commands.arguments import configuration
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.service import linux, macos, plan, program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd service`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in (
        ("install", "write the service, start it, and start it after every boot or login"),
        ("uninstall", "stop it and remove what was written"),
        ("status", "say whether it is installed and how it is"),
    ):
        action = actions.add_parser(name, help=summary, description=f"{summary.capitalize()}.", allow_abbrev=False)
        action.add_argument("--system", action="store_true", help="the system's service, not the user's (Linux)")
        action.add_argument("--device", metavar="NAME", help="which microphone (see inherentd devices)")
        if name != "status":
            action.add_argument("--dry-run", action="store_true", help="show what would be done, do nothing")
        if name == "install":
            action.add_argument("options", nargs="*", metavar="-- OPTIONS", help="options of inherentd run")


def run(
    arguments: argparse.Namespace,
    run_program: plan.RunProgram = plan.run_program,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
    ask_for_microphone: Callable[[], str] = macos.ask_for_microphone,
) -> int:
    """Install, remove or tell."""
    mac = platform == "darwin"
    if mac and arguments.system:
        return _used_wrongly("--system is for Linux: macOS gives the microphone to programs of a user only")
    if arguments.system and arguments.action == "install" and not arguments.device:
        return _used_wrongly("--system needs --device NAME, one of `inherentd devices`")
    manager = linux.system_manager() if arguments.system else linux.user_manager(environment)
    if arguments.action == "status":
        found = (
            [macos.status(Path.home(), run_program)] if mac else linux.status(manager, arguments.device, run_program)
        )
        print("\n".join(line for status in found for line in status.lines))
        return 0 if all(status.running for status in found) else 1
    if arguments.action == "uninstall":
        return _carry_out(
            macos.uninstall(Path.home()) if mac else linux.uninstall(manager, arguments.device), arguments, run_program
        )
    options = _checked(arguments.options)
    if arguments.device and not arguments.system:
        options = ["--input", f"mic:{arguments.device}", *options]
    command = program.command()
    if mac:
        steps = macos.install(Path.home(), command, options)
        if not arguments.dry_run:
            print(f"inherentd service: {ask_for_microphone()}", file=sys.stderr)
    elif arguments.system:
        program.refuse_private(program.needed_paths(command[0]))
        steps = linux.install_for_system(manager, arguments.device, command, options)
    else:
        steps = linux.install_for_user(manager, command, options)
    return _carry_out(steps, arguments, run_program)


def _carry_out(steps: Sequence[plan.Step], arguments: argparse.Namespace, run_program: plan.RunProgram) -> int:
    if not steps:
        print("inherentd service: it is not installed, so nothing is removed", file=sys.stderr)
    for line in map(plan.shown, steps) if arguments.dry_run else plan.take(steps, run_program):
        print(line)
    return 0


def _checked(options: Sequence[str]) -> list[str]:
    """Return the options for `inherentd run`. A service must not find out at its start that they are wrong."""
    parser = Parser(prog="inherentd run", allow_abbrev=False)
    run_command.add_arguments(parser)
    parsed = parser.parse_args(options)
    for name, path in (("--config", parsed.config), ("--model", parsed.model)):
        if path is not None and not Path(path).is_absolute():
            raise DaemonError(f"{name} {path}: a service starts in another folder; give the whole path")
    configuration(parsed)
    return list(options)


def _used_wrongly(message: str) -> int:
    print(f"inherentd service: {message}", file=sys.stderr)
    return 2
