"""Two of the demo's clips, by what the shipped model says of them, and streams made of clips."""

from __future__ import annotations

import numpy as np
import soundfile

from inherentd.daemon.demo.clips import BUNDLED, load_clips

CLIPS = {clip.name: clip for clip in load_clips(BUNDLED)}
OPENS = "13-hasStartTimerIntent"
STAYS_CLOSED = "05-everyday_talk"


def speech(name: str) -> np.ndarray:
    """Return a clip, int16 [n] at 16 kHz."""
    samples, rate_hz = soundfile.read(CLIPS[name].path, dtype="int16")
    assert rate_hz == 16_000
    return samples


def pause(seconds: float) -> np.ndarray:
    """Return digital silence."""
    return np.zeros(round(seconds * 16_000), np.int16)


def talk() -> np.ndarray:
    """Return a conversation: a request between two sentences that are none, with pauses."""
    return np.concatenate([speech(STAYS_CLOSED), pause(2), speech(OPENS), pause(2), speech(STAYS_CLOSED), pause(1)])


def resampled(samples: np.ndarray, rate_hz: int, channels: int) -> bytes:
    """Return the same sound as s16le of another rate, the same in all channels."""
    import soxr

    floats = soxr.resample(samples.astype(np.float32) / 32768, 16_000, rate_hz)
    integers = np.clip(np.rint(floats * 32767), -32768, 32767).astype("<i2")
    return np.repeat(integers[:, None], channels, axis=1).tobytes()
