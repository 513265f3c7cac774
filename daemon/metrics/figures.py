"""What the daemon's loop counts about itself."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inherentd.client.messages import State

STEP_BUCKETS_SECONDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3)
HEALTHY = ("listening", "muted")
STUCK_SECONDS = 5.0  # the loop tells its state every second, also while nothing is heard


@dataclass(frozen=True)
class RunningModel:
    """Which model runs, and on what."""

    version: str = ""
    hash: str = ""
    backend: str = ""
    processor: str = ""


class Figures:
    """Counts from the start of the daemon on. Only the loop's thread writes; other threads may read at any time.

    Numbers are plain attributes, to be set or added to. A Counter's keys become labels, so they come from a small known
    set and never from what a peer sent.
    """

    def __init__(
        self, model: RunningModel | None = None, heads: Iterable[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start at zero. heads: the names of the intents, which then are there from the start."""
        self._clock = clock
        self.started = self.told_at = self.since = clock()
        self.state: State = "starting"
        self.reason = ""
        self.muted = False
        self.model = model or RunningModel()

        self.frames = 0
        self.overflows = 0
        self.dropped_samples = 0
        self.gaps = 0
        self.callback_jitter_ms = 0.0  # the longest so far
        self.clock_drift_ppm = 0.0  # positive: the device's clock is fast

        self.gate_openings = 0
        self.closings = Counter[str]()  # by reason
        self.intents = Counter[str](dict.fromkeys(heads, 0))  # by head, once an utterance
        self.near_misses = 0
        self.false_accepts = 0  # marked by the user

        self.step_buckets = [0] * (len(STEP_BUCKETS_SECONDS) + 1)  # the last is for what took longer
        self.step_seconds = 0.0
        self.queues: dict[str, int] = {}  # what waits now, by queue

        self.subscribers = 0
        self.refused_peers = 0
        self.control_requests = Counter[str]()  # by kind
        self.reloads = 0
        self.captures_written = 0
        self.captures_failed = 0

    def tell(self, state: State, reason: str = "") -> None:
        """Note how the daemon is now. To be called every second or so, for it also says that the loop is alive."""
        self.told_at = self._clock()
        if state != self.state:
            self.since = self.told_at
        self.state, self.reason, self.muted = state, reason, state == "muted"

    def observe_step(self, seconds: float, count: int = 1) -> None:
        """Note `count` steps of the model that took `seconds` together; 0 steps are none."""
        if count:
            self.step_buckets[bisect_left(STEP_BUCKETS_SECONDS, seconds / count)] += count
            self.step_seconds += seconds

    def observe_jitter(self, milliseconds: float) -> None:
        """Note by how much a block of audio came early or late."""
        self.callback_jitter_ms = max(self.callback_jitter_ms, milliseconds)

    @property
    def uptime_seconds(self) -> float:
        """How long the daemon has been running."""
        return self._clock() - self.started

    @property
    def state_seconds(self) -> float:
        """How long it has been in its state."""
        return self._clock() - self.since

    @property
    def trouble(self) -> str:
        """Why the daemon does not do its work, in words; empty while all is well."""
        silent_seconds = self._clock() - self.told_at
        if silent_seconds > STUCK_SECONDS:
            return f"stuck: the daemon's loop has not answered for {silent_seconds:.0f} s"
        if self.state in HEALTHY:
            return ""
        return f"{self.state}: {self.reason}" if self.reason else self.state
