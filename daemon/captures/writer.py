"""Writes captures beside the loop: what the disk does, or does not, never keeps the daemon from listening."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import structlog

from inherentd.daemon.captures.capture import Capture, Pcm
from inherentd.daemon.captures.ring import CaptureRing

QUEUE_CAPTURES = 8
TIDY_SECONDS = 60.0  # how late a capture may go that became too old
CLOSE_SECONDS = 5.0  # for what still waits; a disk that hangs must not hold the daemon


class Writer:
    """One thread and its queue. `dropped` counts what found the queue full, `failed` what could not be written."""

    def __init__(self, ring: CaptureRing) -> None:
        """Start at once, with a look for what became too old meanwhile."""
        self.written = self.dropped = self.failed = 0
        self._ring = ring
        self._trouble = ""
        self._log = structlog.get_logger()
        self._queue: queue.Queue[tuple[Capture, Pcm] | None] = queue.Queue(QUEUE_CAPTURES)
        self._thread = threading.Thread(target=self._run, name="captures", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many captures wait to be written."""
        return self._queue.qsize()

    def put(self, capture: Capture, pcm: Pcm) -> None:
        """Have a capture written, soon. Never waits."""
        try:
            self._queue.put_nowait((capture, pcm))
        except queue.Full:
            self.dropped += 1
            self._log.debug("capture dropped: the disk is too slow", id=capture.id)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what still waits, within this time for each of two waits."""
        try:
            self._queue.put(None, timeout=seconds)
            self._thread.join(seconds)
        except queue.Full:
            pass
        if self._thread.is_alive():
            self._log.warning("captures are still being written; what waits is lost", waiting=self._queue.qsize())

    def _run(self) -> None:
        self._attempt(self._ring.tidy)
        while True:
            try:
                item = self._queue.get(timeout=TIDY_SECONDS)
            except queue.Empty:
                self._attempt(self._ring.tidy)
                continue
            if item is None:
                return
            self._write(*item)

    def _write(self, capture: Capture, pcm: Pcm) -> None:
        if self._attempt(lambda: self._ring.keep(capture, pcm)):
            self.written += 1
            self._log.debug("capture written", id=capture.id, kind=capture.kind, seconds=capture.seconds)
        else:
            self.failed += 1

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Return whether it went well. A change is logged, each time it comes."""
        trouble = ""
        try:
            action()
        except OSError as error:
            trouble = error.strerror or str(error)
        except Exception as error:  # a mistake of ours must not end the thread unheard
            trouble = repr(error)
        if trouble and trouble != self._trouble:
            self._log.warning("captures cannot be written", folder=str(self._ring.store.folder), reason=trouble)
        elif self._trouble and not trouble:
            self._log.info("captures are written again", folder=str(self._ring.store.folder))
        self._trouble = trouble
        return not trouble
