"""What the pages show: messages of the daemon in, frames out. Knows nothing of sockets and HTTP."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import msgspec

from inherentd.client import Collector, Message
from inherentd.client.messages import (
    GateClosedHeader,
    GateOpenedHeader,
    Header,
    HealthHeader,
    IntentHeader,
    ScoresHeader,
)
from inherentd.daemon.dashboard.history import History
from inherentd.daemon.dashboard.shelf import Shelf

ABSENT_SECONDS = 3.0  # health comes every second
MOST_SCORES = 50 * 60  # a minute at the most that a daemon publishes: what a page that is opened draws at once
MOST_EVENTS = 200
Frame = dict[str, Any]


class Live:
    """One daemon, as far as it was heard. `frame` is what is new since the last one, `whole` what a new page needs."""

    def __init__(self, endpoint: str) -> None:
        """Hold nothing; nobody was heard yet."""
        self.history, self.shelf = History(), Shelf()
        self.status: dict[str, Any] = {}
        self.lost = self.runs = 0
        self._endpoint, self.stream = endpoint, ""
        self._collector = Collector()
        self._scores = deque[list[Any]](maxlen=MOST_SCORES)
        self._events = deque[Frame](maxlen=MOST_EVENTS)
        self._health: Frame | None = None
        self._open: Frame | None = None
        self._asking = "not asked yet"
        self._heard_at = -ABSENT_SECONDS
        self._trouble = ""
        self._told_daemon: Frame = {}
        self._fresh: Frame = {}

    def take(self, message: Message) -> None:
        """Take a message as it came."""
        self._heard_at, self._trouble = time.monotonic(), ""
        if message.header.stream != self.stream:
            self._begin(message.header.stream)
        if message.lost:
            self.lost += message.lost
            self._fresh["lost"] = self.lost
        match message.header:
            case ScoresHeader() as header:
                self._scored(header)
            case HealthHeader() as header:
                self._health = self._fresh["health"] = msgspec.to_builtins(header)
            case GateOpenedHeader() as header:
                self.history.opened(header)
                self._open = self._fresh["open"] = {"utterance": header.utterance, "time_ns": header.time_ns}
                self._event(message.topic, header)
            case GateClosedHeader() as header:
                self.history.closed(header)
                self._open = self._fresh["open"] = None
                self._event(message.topic, header)
            case IntentHeader() as header:
                self._event(message.topic, header)
            case _:
                pass
        for utterance in self._collector.push(message):
            self._fresh.setdefault("utterances", []).append(self.shelf.put(utterance))

    def answered(self, status: dict[str, Any]) -> None:
        """Take what the daemon says of itself when it is asked."""
        self.status, self._asking = status, ""
        self._fresh["status"] = status

    def unanswered(self, why: str) -> None:
        """Note that it does not answer, and why."""
        if why != self._asking:
            self._asking = why
            self._fresh["asking"] = why

    def disturbed(self, why: str) -> None:
        """Note that what is heard cannot be understood."""
        self._trouble = why

    def frame(self) -> Frame:
        """Return what is new since the last frame; pages get all of them in order."""
        daemon = self._daemon()
        if daemon != self._told_daemon:
            self._told_daemon = self._fresh["daemon"] = daemon
        fresh, self._fresh = self._fresh, {}
        return fresh

    def whole(self) -> Frame:
        """Return all that a page shows, up to the last frame."""
        return {
            "whole": True,
            "daemon": self._daemon(),
            "health": self._health,
            "status": self.status or None,
            "asking": self._asking,
            "heads": list(self.history.heads),
            "scores": list(self._scores),
            "events": list(self._events),
            "utterances": self.shelf.told(),
            "open": self._open,
            "lost": self.lost,
            "runs": self.runs,
        }

    def _begin(self, stream: str) -> None:
        """Another run: its samples count from 0 again. Utterances of the run before stay."""
        self.stream, self.lost = stream, 0
        self.runs += 1
        self.history.begin(())
        self._scores.clear()
        self._open = None
        self._fresh |= {"begin": stream, "open": None, "lost": 0, "runs": self.runs}
        for part in ("scores", "heads"):
            self._fresh.pop(part, None)

    def _scored(self, header: ScoresHeader) -> None:
        if tuple(header.scores) != self.history.heads:
            self._scores.clear()
            self._fresh.pop("scores", None)
            self._fresh["heads"] = list(header.scores)
        self.history.scored(header)
        values = [round(score, 4) for score in header.scores.values()]
        row = [header.time_ns // 1_000_000, round(header.level_dbfs, 1), values]
        self._scores.append(row)
        self._fresh.setdefault("scores", []).append(row)

    def _event(self, topic: str, header: Header) -> None:
        event: Frame = {"topic": topic, **msgspec.to_builtins(header)}
        self._events.append(event)
        self._fresh.setdefault("events", []).append(event)

    def _daemon(self) -> Frame:
        present = time.monotonic() - self._heard_at < ABSENT_SECONDS
        if present:
            return {"present": True, "words": ""}
        nothing = (
            f"Nothing comes from {self._endpoint}: the daemon does not run, publishes elsewhere, or asks for keys."
        )
        return {"present": False, "words": f"{self._trouble or nothing} This page goes on by itself when it comes."}
