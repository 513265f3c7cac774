"""Configuration and model, read anew beside the loop: opening a model takes a second, and the microphone does not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.daemon.control.server import Asked
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import Runtime

AT_START_ONLY = ("input", "publish.endpoint", "publish.device", "publish.queue_messages", "control.endpoint", "security",
                 "metrics", "captures")  # fmt: skip


@dataclass(frozen=True)
class Reloaded:
    """What was read, or why that failed."""

    config: Config | None = None
    runtime: Runtime | None = None
    error: str = ""


class Reloading(threading.Thread):
    """Reads and opens; `result` is there when it is no longer alive."""

    def __init__(self, read_config: Callable[[], Config]) -> None:
        """Start at once."""
        super().__init__(name="reloading", daemon=True)
        self.result = Reloaded(error="it was interrupted")
        self._read_config = read_config
        self.start()

    def run(self) -> None:
        """Read the configuration, then open its model."""
        try:
            config = self._read_config()
            self.result = Reloaded(config, engine_setup.open_model(config.model))
        except (DaemonError, PipelineError) as error:
            self.result = Reloaded(error=str(error))
        except Exception as error:  # a broken library must not take the daemon that still listens with it
            self.result = Reloaded(error=f"{type(error).__name__}: {error}")


class Reloads:
    """At most one at a time; who asks while one is under way waits for the next, which reads what was changed meanwhile."""

    def __init__(self, read_config: Callable[[], Config]) -> None:
        """Nothing is asked yet."""
        self._read_config = read_config
        self._running: Reloading | None = None
        self._answer_now: list[Asked] = []
        self._answer_next: list[Asked] = []
        self._again = False

    @property
    def under_way(self) -> bool:
        """Return whether something is being read."""
        return self._running is not None

    def ask(self, asked: Asked | None) -> None:
        """Begin, or begin again after the one that is under way; who asked is to be answered then."""
        if self._running is not None:
            self._again = True
            self._answer_next += [asked] if asked else []
            return
        self._answer_now += [asked] if asked else []
        self._running = Reloading(self._read_config)

    def finished(self) -> tuple[Reloaded, list[Asked]] | None:
        """Return what was read and whom to tell, once; None while there is nothing."""
        if self._running is None or self._running.is_alive():
            return None
        result, answer = self._running.result, self._answer_now
        self._running, self._answer_now, self._answer_next = None, self._answer_next, []
        if self._again:
            self._again = False
            self._running = Reloading(self._read_config)
        return result, answer


def needing_restart(before: Config, after: Config) -> list[str]:
    """Return the changed settings that hold from the next start only."""
    return [name for name in AT_START_ONLY if _setting(before, name) != _setting(after, name)]


def _setting(config: msgspec.Struct, dotted: str) -> object:
    value: object = config
    for name in dotted.split("."):
        value = getattr(value, name)
    return value
