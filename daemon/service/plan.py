"""Steps to install or remove a service: shown with --dry-run, else taken in order."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.daemon.errors import DaemonError

PROGRAM_SECONDS = 120  # stopping a service may take systemd's 90


@dataclass(frozen=True)
class Result:
    """What a program returned and printed."""

    exit_code: int
    output: str = ""


RunProgram = Callable[[Sequence[str]], Result]


@dataclass(frozen=True)
class Write:
    """A file with this content."""

    path: Path
    content: str


@dataclass(frozen=True)
class Remove:
    """No file there."""

    path: Path


@dataclass(frozen=True)
class Run:
    """A program; `optional`: it may fail, e.g. stop what does not run."""

    command: tuple[str, ...]
    optional: bool = False


Step = Write | Remove | Run


def shown(step: Step) -> str:
    """Return a step for --dry-run."""
    match step:
        case Write():
            return f"write {step.path}:\n{step.content}"
        case Remove():
            return f"remove {step.path}"
        case Run():
            return f"run {shlex.join(step.command)}"


def take(steps: Sequence[Step], run_program: RunProgram) -> list[str]:
    """Take the steps and return what was done, a line each.

    After a program that failed, no other is run, but files are still written and removed. Raises DaemonError then: what
    failed, what was done, what to do by hand; and when a file cannot be written.
    """
    done: list[str] = []
    by_hand: list[str] = []
    failure = ""
    for step in steps:
        match step:
            case Write():
                _write(step)
                done.append(f"wrote {step.path}")
            case Remove():
                done += _remove(step)
            case Run() if failure:
                by_hand.append(shlex.join(step.command))
            case Run():
                result = run_program(step.command)
                if result.exit_code and not step.optional:
                    said = " ".join(result.output.split()) or f"exit code {result.exit_code}"
                    failure = f"{shlex.join(step.command)} failed: {said}"
                    by_hand.append(shlex.join(step.command))
                elif not result.exit_code:
                    done.append(f"ran {shlex.join(step.command)}")
    if failure:
        raise DaemonError(f"{failure}; {', '.join(done) or 'nothing was changed'}; to finish: {' && '.join(by_hand)}")
    return done


def run_program(command: Sequence[str]) -> Result:
    """Run a program; one that is not there returns 127, as in a shell."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PROGRAM_SECONDS
        )
    except OSError as error:
        return Result(127, f"{command[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Result(124, f"{command[0]} did not end within {PROGRAM_SECONDS} s")
    return Result(done.returncode, (done.returncode and done.stderr) or done.stdout)


def _write(step: Write) -> None:
    try:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        step.path.write_text(step.content, encoding="utf-8")
    except PermissionError:
        raise DaemonError(f"{step.path}: may not be written by this user; run it with sudo") from None
    except OSError as error:
        raise DaemonError(f"{step.path}: cannot be written: {error.strerror}") from None


def _remove(step: Remove) -> list[str]:
    try:
        step.path.unlink()
    except FileNotFoundError:
        return []
    except PermissionError:
        raise DaemonError(f"{step.path}: may not be removed by this user; run it with sudo") from None
    except OSError as error:
        raise DaemonError(f"{step.path}: cannot be removed: {error.strerror}") from None
    if step.path.parent.suffix == ".d":  # a folder that was made for this file
        with contextlib.suppress(OSError):
            step.path.parent.rmdir()
    return [f"removed {step.path}"]
