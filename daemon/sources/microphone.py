"""A microphone that is never silently deaf: when blocks stop coming it says so, and opens the device again."""

from __future__ import annotations

import select
import threading
import time
from types import TracebackType
from typing import Self

import numpy as np
import structlog

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm, portaudio
from inherentd.daemon.sources.capture import Capture
from inherentd.daemon.stop import StopSignals
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

STALL_SECONDS = 1.0  # without a block; a busy interpreter may hold a block back for some 100 ms
RETRY_SECONDS = 1.0
CLOSE_SECONDS = 2.0
HANGS_SECONDS = 60.0  # PortAudio can hang for good on a frozen sound server; then only a new process helps


class Reopening(threading.Thread):
    """Closes a dead capture and tries to open the device anew, beside the loop, because all of that may hang."""

    def __init__(self, dead: Capture | None, wanted: str, block_ms: int) -> None:
        """Start at once."""
        super().__init__(name="microphone-reopening", daemon=True)
        self.capture: Capture | None = None
        self.reason = ""
        self.started_at = time.monotonic()
        self._dead, self._wanted, self._block_ms = dead, wanted, block_ms
        self.start()

    def run(self) -> None:
        """Close, look again, open."""
        try:
            if self._dead is not None:
                self._dead.close()
            portaudio.look_again()
            self.capture = Capture(portaudio.find(self._wanted), self._block_ms)
        except DaemonError as error:
            self.reason = str(error)
        except Exception as error:  # whatever PortAudio does not like: tell it, and try again later
            self.reason = f"microphone: {error}"


class Microphone:
    """A microphone as a `Source`. While it is dead, the stream goes on with silence, counted in `dropped`."""

    live = True
    bad_samples = 0

    def __init__(self, wanted: str, block_ms: int, stop: StopSignals) -> None:
        """Open the device. Raises DaemonError when there is none, or PortAudio is not installed."""
        self.stalled = ""
        self.dropped = 0
        self._wanted, self._block_ms, self._stop = wanted, block_ms, stop
        self._log = structlog.get_logger()
        device = portaudio.find(wanted)
        self._capture: Capture | None = Capture(device, block_ms)
        self._reopening: Reopening | None = None
        self._overflows_before = 0
        self._silent_since = 0.0
        self._retry_at = 0.0
        self._log.info("microphone opened", device=device.name, rate_hz=self._capture.rate_hz)

    @property
    def overflows(self) -> int:
        """How often the sound system reported lost audio."""
        return self._overflows_before + (self._capture.overflows if self._capture else 0)

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return what came; see `Source.read`. Raises DaemonError when the sound system hangs for good."""
        capture = self._capture
        if capture is None:
            return self._read_silence(timeout_seconds)
        now = time.monotonic()
        patience = max(0.0, capture.last_block + STALL_SECONDS - now)
        select.select([capture, self._stop], [], [], min(timeout_seconds, patience))
        samples, lost = capture.take()
        self.dropped += lost
        if lost:
            self._log.warning("audio lost: the daemon was too slow", samples=lost)
        if len(samples):
            self.stalled = ""
        elif capture.finished or time.monotonic() > capture.last_block + STALL_SECONDS:
            gone = "the device is gone" if capture.finished else "no audio comes from the device any more"
            self._give_up(capture, f"microphone: {gone}; opening it again")
        return samples

    def _give_up(self, dead: Capture, reason: str) -> None:
        self._log.warning("microphone stalled", reason=reason)
        self.stalled = reason
        self._overflows_before += dead.overflows
        self._silent_since = min(dead.last_block, time.monotonic())
        self._capture = None
        self._reopening = Reopening(dead, self._wanted, self._block_ms)

    def _read_silence(self, timeout_seconds: float) -> Pcm:
        self._stop.wait(min(timeout_seconds, 0.25))
        reopening, now = self._reopening, time.monotonic()
        if reopening is None:
            if now >= self._retry_at:
                self._reopening = Reopening(None, self._wanted, self._block_ms)
        elif not reopening.is_alive():
            self._reopening, self._capture, self._retry_at = None, reopening.capture, now + RETRY_SECONDS
            self.stalled = reopening.reason or self.stalled
            if self._capture is not None:
                self._log.info("microphone opened again", rate_hz=self._capture.rate_hz)
        elif now - reopening.started_at > HANGS_SECONDS:
            raise DaemonError("microphone: the sound system hangs; restart it and inherentd")
        count = int((now - self._silent_since) * SAMPLE_RATE_HZ)
        self._silent_since += count / SAMPLE_RATE_HZ
        self.dropped += count
        return np.zeros(count, np.int16)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the device; leave it behind when the sound system hangs."""
        closing: threading.Thread | None = self._reopening
        if self._capture is not None:
            closing = threading.Thread(target=self._capture.close, daemon=True)
            closing.start()
        if closing is not None:
            closing.join(CLOSE_SECONDS)
            if closing.is_alive():
                portaudio.abandon()
