"""The newest captures on disk, never more and never older than allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from inherentd.daemon.captures.bounds import Held, Limits, to_remove
from inherentd.daemon.captures.capture import Capture, Pcm, to_json, wav_bytes
from inherentd.daemon.captures.store import Store
from inherentd.daemon.errors import DaemonError


@dataclass(frozen=True)
class CaptureRing:
    """A store within limits."""

    store: Store
    limits: Limits
    now_ns: Callable[[], int] = time.time_ns

    def keep(self, capture: Capture, pcm: Pcm) -> None:
        """Write a capture, for which others go first where needed. OSError when it cannot be written."""
        wav = wav_bytes(pcm)
        needed_bytes = len(wav) + len(to_json(capture))
        if needed_bytes > self.limits.size_bytes:
            raise OSError(
                f"a capture of {needed_bytes / 1e6:.3g} MB is more than captures.megabytes {self.limits.megabytes:g}"
            )
        self.tidy(needed_bytes)
        self.store.add(capture, wav)

    def tidy(self, needed_bytes: int = 0) -> None:
        """Remove what is too old, and what is over the size. OSError when it cannot be removed."""
        for held in to_remove(self.store.held(), self.limits, self.now_ns(), needed_bytes, self._is_labelled):
            self._tell_unreadable(held)
            self.store.remove(held)

    def _is_labelled(self, held: Held) -> bool:
        try:
            return self.store.get(held.id).label is not None
        except DaemonError:
            return False

    def _tell_unreadable(self, held: Held) -> None:
        if any(path.suffix == ".json" for path in held.paths):
            try:
                self.store.get(held.id)
            except DaemonError as error:
                structlog.get_logger().warning("a capture that cannot be read makes room", reason=str(error))
