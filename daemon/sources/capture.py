"""One opened recording device, from its callback to a ring that the daemon's loop reads."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import numpy as np

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import Pcm, portaudio
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ, Resampler
from inherentd.pipeline.ring import Ring

RING_SECONDS = 10
FIRST_BLOCK_SECONDS = 5.0  # PulseAudio may take 2 s to the first one


class Capture:
    """One opened device: its callback writes into a ring and makes `fileno()` readable."""

    def __init__(self, device: portaudio.InputDevice, block_ms: int) -> None:
        """Open and start the device at 16 kHz mono, or at its own rate when it refuses that."""
        sounddevice = portaudio.library()
        self.rate_hz, self._channels = SAMPLE_RATE_HZ, 1
        try:
            sounddevice.check_input_settings(device.index, 1, "int16", samplerate=SAMPLE_RATE_HZ)
        except sounddevice.PortAudioError:
            self.rate_hz, self._channels = round(device.rate_hz), min(2, device.channels)
        self.overflows = 0
        self.last_block = time.monotonic() + FIRST_BLOCK_SECONDS
        self.finished = False
        self._position = 0
        self._ring = Ring(RING_SECONDS * self.rate_hz)
        self._resampler = Resampler(self.rate_hz)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        try:
            self._stream: Any = sounddevice.RawInputStream(
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
        except sounddevice.PortAudioError as error:
            self._close_pipe()
            raise DaemonError(f"microphone: {device.name!r} cannot be opened: {_reason(error)}") from None

    def fileno(self) -> int:
        """Return what select() can wait on: readable after a block came, or when the device is gone."""
        return self._read_end

    def take(self) -> tuple[Pcm, int]:
        """Return what came since the last call at 16 kHz, and how many 16 kHz samples were lost before it."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read_end, 4096)
        samples, self._position, lost = self._ring.take(self._position)
        return self._resampler.push(samples), lost * SAMPLE_RATE_HZ // self.rate_hz

    def close(self) -> None:
        """Let go of the device. May hang: call it in a thread that can be left behind. stop() hangs more."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        self._close_pipe()

    def _on_block(self, data: bytes, frames: int, time_info: object, status: Any) -> None:
        del frames, time_info
        samples = np.frombuffer(data, np.int16)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        self._ring.write(samples)
        if status and status.input_overflow:
            self.overflows += 1
        self.last_block = time.monotonic()
        self._wake()

    def _on_finished(self) -> None:
        self.finished = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: the reader has enough to wake for
            os.write(self._write_end, b"x")

    def _close_pipe(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


def _reason(error: Exception) -> str:
    return " ".join(str(part) for part in error.args[:1]) or type(error).__name__
