"""One opened recording device, from its callback to a ring that the daemon's loop reads."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm, continuity, portaudio
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ, Resampler
from inherentd.pipeline.ring import Ring

RING_SECONDS = 10
FIRST_BLOCK_SECONDS = 5.0  # PulseAudio may take 2 s to the first one


class Capture:
    """One opened device: its callback writes into a ring and makes `fileno()` readable."""

    def __init__(
        self, device: portaudio.InputDevice, block_ms: int, channel: int | None = None, *, muted: bool = False
    ) -> None:
        """Open and start the device at 16 kHz mono, or at what it has when it refuses that.

        channel: the one to hear, from 1; None: all that it gives, mixed.
        """
        self.name = device.name
        self.muted = muted
        self.overflows = 0
        self._missing = deque[tuple[int, int]]()
        """positions in the ring, and how many 16 kHz samples never came before them"""
        self.finished = False
        self.jitter_seconds = 0.0
        self.opened_at = time.monotonic()
        self.last_block: float | None = None
        self.rate_hz, self._channels = _settings(device, channel)
        self._picked = None if channel is None else channel - 1
        self._block_seconds = block_ms / 1000
        self._continuity: continuity.ContinuityState | None = None
        self._position = 0
        self._ring = Ring(RING_SECONDS * self.rate_hz)
        self._resampler = Resampler(self.rate_hz)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        sounddevice = portaudio.library()
        self._stream: Any = None
        try:
            self._stream = sounddevice.RawInputStream(
                device=device.index,
                samplerate=self.rate_hz,
                channels=self._channels,
                dtype="int16",
                blocksize=self.rate_hz * block_ms // 1000,
                latency="low",
                callback=self._on_block,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except BaseException as error:
            if self._stream is not None:
                self._stream.close(ignore_errors=True)
            self._close_pipe()
            if not isinstance(error, sounddevice.PortAudioError):
                raise
            raise DaemonError(f"microphone: {device.name!r} cannot be opened: {_reason(error)}") from None

    @property
    def alive_at(self) -> float:
        """Return when the last block came; before the first, until when it may be late (monotonic seconds)."""
        return self.opened_at + FIRST_BLOCK_SECONDS if self.last_block is None else self.last_block

    @property
    def drift_ppm(self) -> float:
        """How much faster than this machine's clock the device counts."""
        return self._continuity.drift_ppm if self._continuity else 0.0

    @property
    def behind_seconds(self) -> float:
        """How much audio is late, or lost and not told by `take` yet; when nothing comes any more, it is lost."""
        return continuity.behind(self._continuity) if self._continuity else 0.0

    @property
    def waiting(self) -> int:
        """How many 16 kHz samples came and were not taken yet."""
        return (self._ring.written - self._position) * SAMPLE_RATE_HZ // self.rate_hz

    def fileno(self) -> int:
        """Return what select() can wait on: readable after a block came, or when the device is gone."""
        return self._read_end

    def take(self) -> tuple[Pcm, int]:
        """Return what came since the last call, 16 kHz, and how many of these samples are silence in the place of lost ones."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read_end, 4096)
        samples, position, overrun = self._ring.take(self._position)
        begin, self._position = position - len(samples), position
        lost = overrun * SAMPLE_RATE_HZ // self.rate_hz
        pieces = [np.zeros(lost, np.int16)] if lost else []
        while self._missing and self._missing[0][0] <= position:
            at, missing = self._missing.popleft()
            kept = max(0, at - begin)
            pieces += [self._resampler.push(samples[:kept]), np.zeros(missing, np.int16)]
            samples, begin, lost = samples[kept:], begin + kept, lost + missing
        rest = self._resampler.push(samples)
        return (np.concatenate([*pieces, rest]) if pieces else rest), lost

    def close(self) -> None:
        """Let go of the device. May hang: call it in a thread that can be left behind. stop() hangs more."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        self._close_pipe()

    def _on_block(self, data: bytes, frames: int, time_info: object, status: Any) -> None:
        del time_info
        now, seconds = time.monotonic(), frames / self.rate_hz
        reported = bool(status and status.input_overflow)
        self.overflows += reported
        state = self._continuity or continuity.initial_state(now - seconds)
        self._continuity, missing_seconds = continuity.step(
            continuity.ContinuityConfig(), state, now, seconds, reported=reported
        )
        if missing_seconds:
            self._missing.append((self._ring.written, round(missing_seconds * SAMPLE_RATE_HZ)))
        # Muted means that nothing of what was said leaves this thread.
        self._ring.write(np.zeros(frames, np.int16) if self.muted else self._mono(np.frombuffer(data, np.int16)))
        if self.last_block is not None:
            self.jitter_seconds = max(self.jitter_seconds, now - self.last_block - seconds)
        self.last_block = now
        self._wake()

    def _mono(self, samples: Pcm) -> Pcm:
        if self._channels == 1:
            return samples
        by_channel = samples.reshape(-1, self._channels)
        return by_channel.mean(axis=1).astype(np.int16) if self._picked is None else by_channel[:, self._picked]

    def _on_finished(self) -> None:
        self.finished = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: the reader has enough to wake for
            os.write(self._write_end, b"x")

    def _close_pipe(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


def _settings(device: portaudio.InputDevice, channel: int | None) -> tuple[int, int]:
    """Return the rate and the number of channels to open a device with: 16 kHz where it can, as few channels as needed."""
    sounddevice = portaudio.library()
    if channel is not None and channel > device.channels:
        raise DaemonError(
            f"microphone: input.channel: got {channel}, expected 1 to {device.channels} for {device.name!r}"
        )
    native = round(device.rate_hz)
    fewest = 1 if channel is None else channel
    wanted: Iterable[tuple[int, int]] = (
        (SAMPLE_RATE_HZ, fewest), (SAMPLE_RATE_HZ, device.channels), (native, fewest), (native, min(2, device.channels)),
    )  # fmt: skip
    for rate_hz, channels in wanted:
        if channels < fewest:
            continue
        try:
            sounddevice.check_input_settings(device.index, channels, "int16", samplerate=rate_hz)
        except sounddevice.PortAudioError:
            continue
        return rate_hz, channels
    return native, device.channels


def _reason(error: BaseException) -> str:
    return " ".join(str(part) for part in error.args[:1]) or type(error).__name__
