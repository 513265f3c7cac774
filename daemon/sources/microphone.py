"""A microphone that is never silently deaf: when nothing comes it says so, and opens the device again.

The stream's positions go on with the clock whatever happens: silence stands in for what was not heard, and is counted.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from types import TracebackType
from typing import Self

import numpy as np
import structlog

from inherentd.daemon.condition import LISTENING, MUTED, Condition
from inherentd.daemon.config import InputSection
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm, portaudio
from inherentd.daemon.sources.capture import Capture
from inherentd.daemon.sources.opening import Opening, Probe
from inherentd.daemon.sources.vitals import Vitals
from inherentd.daemon.stop import StopSignals, wait_for
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

STALL_SECONDS = 0.8  # without a block; a busy interpreter may hold a block back for some 100 ms
GRACE_SECONDS = 0.3  # looked once more for so long: this process may have been the one that stood still
RETRY_SECONDS = 0.5
PROBE_EVERY_SECONDS = 10.0  # a process of 0.3 CPU seconds, only while the fallback is heard
STEP_FRAMES = 4  # of our models: 80 ms
STEP_SAMPLES = STEP_FRAMES * FrontendSpec().hop_samples
# A step's last frame reaches so far into the next block: with as much silence before the first, steps end with blocks.
LEAD_SAMPLES = FrontendSpec().span_samples(STEP_FRAMES) - STEP_SAMPLES
HELD_BACK_SAMPLES = 640  # at most by the resampler (measured: soxr's chunks at 32 to 48 kHz)
ZEROS_SECONDS = 5.0  # a real microphone is never that silent
STAND_IN_LATE_SECONDS = (
    0.25  # silence stands in only so far up to now: the first block of a device that is back reaches back
)
CLOSE_SECONDS = 2.0
START_SECONDS = 10.0  # for the first opening, where nobody said to wait
HANGS_SECONDS = 60.0  # PortAudio can hang for good on a frozen sound server; then only a new process helps
ZEROS = "microphone: gives only digital zeros: it is muted in the sound system, or unplugged from it"
if sys.platform == "darwin":
    ZEROS += ", or this program has no permission (System Settings, Privacy & Security, Microphone)"


class Microphone:
    """A microphone as a `Source`."""

    live = True

    def __init__(self, section: InputSection, stop: StopSignals) -> None:
        """Open the device. Raises DaemonError when there is none (unless it shall be waited for), or no PortAudio."""
        self.muted = False
        self._section, self._stop = section, stop
        self._wanted = section.source.partition(":")[2]
        self._log = structlog.get_logger()
        self._capture: Capture | None = None
        self._probe: Probe | None = None
        self._trouble = ""
        self._instead_of = ""  # why the fallback is heard
        self._overflows = 0  # of the captures before this one
        self._missing = 0
        self._gaps = 0
        self._zeros = 0
        self._given = 0
        self._ahead = 0  # of the clock, for the sake of whole steps
        self._aligned = False
        self._try_at = 0.0
        self._filled_to = time.monotonic()  # the stream's positions reach to this moment
        self._opening: Opening | None = Opening(section, self._wanted, dead=None, muted=False)
        if section.wait_for_device:
            self._trouble = "microphone: not opened yet"
            return
        self._opening.join(START_SECONDS)
        if self._opening.is_alive():
            portaudio.abandon()
            raise DaemonError("microphone: the sound system hangs; restart it (see inherentd doctor)")
        opening, self._opening = self._opening, None
        if opening.capture is None:
            raise DaemonError(opening.reason)
        self._opened(opening.capture, opening.reason)

    @property
    def condition(self) -> Condition:
        """See `Source.condition`."""
        if self._trouble:
            return Condition("stalled", self._trouble)
        if self.muted:
            return MUTED
        if self._zeros >= ZEROS_SECONDS * SAMPLE_RATE_HZ:
            return Condition("silent", ZEROS)
        if self._instead_of and self._capture is not None:
            return Condition("listening", f"to the fallback {self._capture.name!r}: {self._instead_of}")
        return LISTENING

    @property
    def vitals(self) -> Vitals:
        """See `Source.vitals`."""
        now = self._capture
        if now is None:
            return Vitals(overflows=self._overflows, gaps=self._gaps, dropped=self._missing)
        return Vitals(
            device=now.name,
            overflows=self._overflows + now.overflows,
            gaps=self._gaps,
            dropped=self._missing,
            waiting=now.waiting,
            jitter_ms=round(max(0.0, now.jitter_seconds * 1000), 1),
            drift_ppm=round(now.drift_ppm, 1),
        )

    def forget_jitter(self) -> None:
        """See `Source.forget_jitter`."""
        if self._capture is not None:
            self._capture.jitter_seconds = 0.0

    def mute(self, *, on: bool) -> None:
        """See `Source.mute`."""
        self.muted = on
        self._zeros = 0
        if self._capture is not None:
            self._capture.muted = on

    def read(self, timeout_seconds: float) -> Pcm | None:
        """Return what came; see `Source.read`. Raises DaemonError when the sound system hangs for good."""
        samples = self._next(timeout_seconds)
        self._given += len(samples)
        return samples

    def _next(self, timeout_seconds: float) -> Pcm:
        self._look_for_the_wanted_one()
        capture = self._capture
        if capture is None:
            return self._stand_in(timeout_seconds)
        self._wait(capture, min(timeout_seconds, max(0.0, capture.alive_at + STALL_SECONDS - time.monotonic())))
        samples, lost = capture.take()
        if len(samples) == 0 and not capture.finished and time.monotonic() > capture.alive_at + STALL_SECONDS:
            self._wait(capture, GRACE_SECONDS)
            samples, lost = capture.take()
        if len(samples):
            return self._heard(samples, lost)
        if self._trouble:
            samples = self._silence(time.monotonic() - STAND_IN_LATE_SECONDS)  # opened again, but nothing came yet
        if capture.finished or time.monotonic() > capture.alive_at + STALL_SECONDS:
            gone = "the device is gone" if capture.finished else "no audio comes from the device any more"
            self._give_up(capture, f"microphone: {gone}; opening it again")
        return samples

    def _wait(self, capture: Capture, seconds: float) -> None:
        wait_for([capture.fileno(), self._stop.fileno()], seconds)

    def _heard(self, samples: Pcm, lost: int) -> Pcm:
        now = time.monotonic()
        if self.muted:  # also what was captured just before, or by a device that was being opened
            samples = np.zeros_like(samples)
        if lost:
            self._log.warning("audio lost", samples=lost)
            self._gaps += 1
            self._missing += lost
        if self._trouble or not self._aligned:
            samples = np.concatenate([self._silence_before(samples, now), samples])
            self._trouble, self._aligned = "", True
        self._filled_to = now
        self._zeros = 0 if self.muted or samples.any() else self._zeros + len(samples)
        return samples

    def _silence_before(self, samples: Pcm, now: float) -> Pcm:
        """Return what stands in for what was missed before the first samples of a device, and up to a step more, so that each
        block ends a step; the stream is never further ahead of the clock than that."""
        missed = self._silence(now - (len(samples) + self._ahead) / SAMPLE_RATE_HZ) if self._trouble else samples[:0]
        held_back = HELD_BACK_SAMPLES if self._capture is not None and self._capture.rate_hz != SAMPLE_RATE_HZ else 0
        more = (LEAD_SAMPLES + held_back - self._given - len(missed)) % STEP_SAMPLES
        self._ahead = more
        return np.concatenate([missed, np.zeros(more, np.int16)])

    def _silence(self, until: float) -> Pcm:
        """Return silence from where the stream is to a moment, and count it as missing."""
        count = max(0, round((until - self._filled_to) * SAMPLE_RATE_HZ))
        self._filled_to += count / SAMPLE_RATE_HZ
        self._missing += count
        return np.zeros(count, np.int16)

    def _opened(self, capture: Capture, instead_of: str) -> None:
        self._capture, self._instead_of = capture, instead_of
        capture.muted = self.muted
        if instead_of:
            self._log.warning("listening to the fallback", device=capture.name, reason=instead_of)
        elif (
            self._wanted.isdecimal()
        ):  # numbers change when something is plugged in or out, and so do those of ALSA's cards
            self._wanted = re.sub(r" \(hw:\d+,\d+\)$", "", capture.name)
        self._try_at = time.monotonic() + PROBE_EVERY_SECONDS
        self._log.info("microphone opened", device=capture.name, rate_hz=capture.rate_hz)

    def _give_up(self, dead: Capture, reason: str) -> None:
        self._log.warning("microphone stalled", reason=reason)
        if not self._trouble:
            self._gaps += 1
        self._trouble = reason
        self._zeros = 0
        self._overflows += dead.overflows
        self._filled_to -= dead.behind_seconds  # what it was late with will not come: silence stands in for it, too
        self._capture = None
        self._opening = Opening(self._section, self._wanted, dead=dead, muted=self.muted)

    def _stand_in(self, timeout_seconds: float) -> Pcm:
        """Return silence while there is no device, and take the next one as soon as it is open."""
        opening, now = self._opening, time.monotonic()
        if opening is None:
            if now >= self._try_at:
                self._opening = Opening(self._section, self._wanted, dead=None, muted=self.muted)
        elif not opening.is_alive():
            self._opening, self._try_at = None, now + RETRY_SECONDS
            if opening.capture is not None:
                self._opened(opening.capture, opening.reason)
            else:
                self._trouble = opening.reason or self._trouble
        elif now - opening.started_at > HANGS_SECONDS:
            opening.hushed.end()
            raise DaemonError("microphone: the sound system hangs; restart it and inherentd")
        if self._capture is None:
            self._stop.wait(min(timeout_seconds, 0.05 if self._opening else 0.25))
        return self._silence(time.monotonic() - STAND_IN_LATE_SECONDS)

    def _look_for_the_wanted_one(self) -> None:
        """While the fallback is heard: change back when the wanted device can be opened."""
        if not self._instead_of or self._capture is None:
            return
        found = self._probe.found() if self._probe is not None else None
        if found is not None:
            self._probe, self._try_at = None, time.monotonic() + PROBE_EVERY_SECONDS
        if found:
            self._give_up(self._capture, f"microphone: {self._wanted!r} is back; changing to it")
        elif self._probe is None and time.monotonic() >= self._try_at:
            self._try_at = time.monotonic() + PROBE_EVERY_SECONDS
            with contextlib.suppress(OSError):  # no descriptors or processes left: later
                self._probe = Probe(self._wanted, self._section.channel)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the device; leave it behind when the sound system hangs."""
        if self._probe is not None:
            self._probe.close()
        closing: threading.Thread | None = self._opening
        if self._capture is not None:
            closing = threading.Thread(target=self._capture.close, daemon=True)
            closing.start()
        if closing is not None:
            closing.join(CLOSE_SECONDS)
            if closing.is_alive():
                portaudio.abandon()
