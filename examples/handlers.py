"""What `route.py` does without a language model: timers that ring, lists in text files.

A handler takes the transcript and returns what it did, or None when it cannot make sense of it.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from durations import duration_seconds

ADD = re.compile(
    r"\b(?:add|put|place|tack|stick|note(?: down)?|jot(?: down)?|write(?: down)?) (?P<thing>.+?) "
    r"(?:to|on|onto|in|into) (?:(?:my|the|our|a) )?(?P<list>(?:\w+ ){0,3}?)list\b"
)
UNCLEAR = re.compile(r"^(?:it|this|that|them|these|those)$|\b(?:actually|no|not|sorry|scratch|instead|list)\b")


class Timers:
    """Each rings once."""

    def __init__(self) -> None:
        """None runs."""
        self._running: list[threading.Timer] = []

    def start(self, text: str) -> str | None:
        """Start the timer that was asked for."""
        seconds = duration_seconds(text)
        if seconds is None or seconds > threading.TIMEOUT_MAX:
            return None
        timer = threading.Timer(seconds, lambda: print(f"\atimer: {seconds:g} s are over", flush=True))
        timer.start()
        self._running.append(timer)
        return f"timer: {seconds:g} s begin"

    def finish(self) -> None:
        """Wait until all have rung."""
        for timer in self._running:
            timer.join()

    def cancel(self) -> None:
        """Stop all."""
        for timer in self._running:
            timer.cancel()


class Lists:
    """A text file each in a folder: `shopping.txt`, or `list.txt` for a list without a name."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first thing is added."""
        self._folder = folder

    def add(self, text: str) -> str | None:
        """Append the thing that was asked for. Raises OSError where the file cannot be written."""
        found = ADD.search(re.sub(r"[^\w' ]", "", text.lower().replace("-", " ")))
        if found is None or UNCLEAR.search(found["thing"]):
            return None
        path = self._folder / f"{'-'.join(found['list'].split()) or 'list'}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{found['thing']}\n")
        return f"{path}: {found['thing']}"
