"""A daemon's sockets -> the state: messages as they come, and once a second its status."""

from __future__ import annotations

import contextlib
import time
from typing import Self

from inherentd.client import ClientError, ClientKeys, Control, Subscriber
from inherentd.daemon.watch import state as watched
from inherentd.daemon.watch.state import Watched

TOPICS = ("gate", "intent", "scores", "health")
STATUS_SECONDS = 1.0
STATUS_AGAIN_SECONDS = 5.0  # after a request that brought no answer
ANSWER_SECONDS = 0.5
OTHER = "requests go to another daemon than the one that is heard; say where with --control"
SILENCE_SECONDS = 3.0  # health comes every second


class Connection:
    """To one daemon, over its runs. `state` is what is known now."""

    def __init__(self, begin: Watched, events: str, control: str | None, keys: ClientKeys | None = None) -> None:
        """Connect; nobody need be there yet. Raises ClientError for endpoints that make no sense."""
        self.state = begin
        with contextlib.ExitStack() as stack:
            self._subscriber = stack.enter_context(Subscriber(events, *TOPICS, keys=keys))
            self._control = None if control is None else stack.enter_context(Control(control, keys))
            self._stack = stack.pop_all()
        self._heard_at = self._ask_at = time.monotonic()
        self._others = 0  # answers in a row that were another run's

    def listen(self, seconds: float) -> None:
        """Take in what comes for about so long, and return at once when the daemon says that it stops."""
        until = time.monotonic() + seconds
        for message in self._subscriber.messages(seconds):
            self._heard_at = time.monotonic()
            self.state = watched.on_message(self.state, message.header, message.lost)
            if self._heard_at >= until or self.state.ended:
                break
        silent_seconds = time.monotonic() - self._heard_at
        if self.state.health is not None and silent_seconds > SILENCE_SECONDS:
            self.state = watched.on_silence(self.state, round(silent_seconds))
        elif self.state.health is not None and time.monotonic() >= self._ask_at and not self.state.ended:
            self._ask("status")

    def toggle_mute(self) -> None:
        """Mute the daemon, or let it hear again."""
        health = self.state.health
        if health is not None:
            self._ask("status")  # whose daemon it is
            if not self._others:
                self._ask("unmute" if health.muted else "mute")

    def _ask(self, request: str) -> None:
        problem = "control.endpoint is null, no requests are taken"
        again_seconds = STATUS_AGAIN_SECONDS
        if self._control is not None:
            try:
                answer, _ = self._control.ask(request, timeout_seconds=ANSWER_SECONDS)
                if request == "status":
                    self._others = 0 if answer["stream"] == self.state.stream else self._others + 1
                if not self._others:
                    self.state = watched.on_status(self.state, answer) if request == "status" else self.state
                # A daemon that was started anew answers before it is heard.
                problem, again_seconds = OTHER if self._others > 2 else "", STATUS_SECONDS
            except ClientError as error:
                problem = str(error)
            except KeyError as error:
                problem = f"its status has no {error}: the daemon is older than this program"
        self.state = watched.on_problem(self.state, problem)
        self._ask_at = time.monotonic() + again_seconds

    def __enter__(self) -> Self:
        """Return itself; the `with` block's end disconnects."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._stack.close()
