"""Questions to others that may be missing, refuse, or never answer."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

PROGRAM_SECONDS = 5.0
THREAD = "doctor asks"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """What a program said."""

    code: int
    out: str


Ask = Callable[[Sequence[str]], Answer | None]


class NoAnswerError(Exception):
    """It did not come back in time."""


def ask(command: Sequence[str]) -> Answer | None:
    """Run a program; None where it is not installed or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Answer(done.returncode, done.stdout.strip())


def somebody_hangs() -> bool:
    """Return whether a question is still without an answer; then a usual exit of this process would hang too."""
    return any(thread.name == THREAD for thread in threading.enumerate())


def within(seconds: float, question: Callable[[], Result]) -> Result:
    """Return what the question returns or raises. Raises NoAnswerError after so long, and leaves its thread behind: a sound
    server that is frozen holds up whoever asks it."""
    results: list[Result] = []
    errors: list[Exception] = []

    def answer() -> None:
        try:
            results.append(question())
        except Exception as error:  # raised again where it was asked
            errors.append(error)

    thread = threading.Thread(target=answer, name=THREAD, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise NoAnswerError
    if errors:
        raise errors[0]
    return results[0]
