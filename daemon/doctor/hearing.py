"""What a recording tells: zeros or sound, how loud, clipped, and how fast the device's clock runs."""

from __future__ import annotations

import numpy as np

from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.doctor.recording import Arrival, Recording
from inherentd.daemon.sources import Pcm
from inherentd.pipeline.activity import levels_dbfs
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

HOP_SAMPLES = 320
QUIET_DBFS = -65.0  # where sleep.below_dbfs is not set
LOUD_DBFS = -20.0  # half of the time: a microphone that is turned up too far, or a very loud room
FULL_SCALE = 32_767
CLIPPED_SHARE = 1e-4
DRIFT_SECONDS = 20.0  # in a shorter recording the jitter of the blocks hides it
DRIFT_PPM = 500.0


def silence(platform: str, pcm: Pcm) -> Finding:
    """Does the device deliver sound at all? Only zeros, to the last bit, is no quiet room: it is no microphone."""
    if not len(pcm):
        return Finding("sound", "unknown", "the recording is too short", "record longer: --seconds 2")
    share = 1 - np.count_nonzero(pcm) / len(pcm)
    if share < 1.0:
        return Finding("sound", "ok", f"the microphone delivers sound ({share:.0%} of the samples are 0)")
    where = (
        "allow it in System Settings > Privacy & Security > Microphone for the program that starts inherentd "
        "(Terminal, iTerm, ...), then start that anew"
        if platform == "darwin"
        else "unmute it (alsamixer, pavucontrol, or pactl set-source-mute @DEFAULT_SOURCE@ 0), look for a switch on the "
        "device, and whether it is the right one: inherentd devices"
    )
    why = "access is denied, or it is muted" if platform == "darwin" else "it is muted, or not the right one"
    return Finding("sound", "failure", f"the microphone delivers nothing but zeros: {why}", where)


def level(pcm: Pcm, sleep_below_dbfs: float | None) -> Finding:
    """Is it loud enough to be heard, and not too loud?"""
    if len(pcm) < HOP_SAMPLES:
        return Finding("level", "unknown", "the recording is too short")
    half, most = (float(value) for value in np.percentile(levels_dbfs(pcm, HOP_SAMPLES), (50, 95)))
    text = f"{half:.0f} dBFS half of the time, {most:.0f} at its loudest (p50, p95)"
    quiet = QUIET_DBFS if sleep_below_dbfs is None else sleep_below_dbfs
    if most < quiet:
        sleeps = f"; the daemon sleeps below {quiet:g}" if sleep_below_dbfs is not None else ""
        return Finding(
            "level",
            "warning",
            f"too quiet: {text}{sleeps}",
            "speak while doctor records; if it stays so, turn the microphone up, or set sleep.below_dbfs lower",
        )
    if half > LOUD_DBFS:
        return Finding(
            "level", "warning", f"too loud: {text}", "turn the microphone down, about 20 dB below full scale"
        )
    return Finding("level", "ok", text)


def clipping(pcm: Pcm) -> Finding:
    """Is the sound cut off at full scale?"""
    share = float(np.mean((pcm >= FULL_SCALE) | (pcm <= -FULL_SCALE))) if len(pcm) else 0.0
    if share > CLIPPED_SHARE:
        text = f"{share:.2%} of the samples are at full scale: what is said is distorted"
        return Finding("clipping", "warning", text, "turn the microphone down, and its boost off")
    return Finding("clipping", "ok", "none" if share == 0 else f"{share:.4%} of the samples")


def sample_clock(recording: Recording) -> Finding:
    """How far is the device's clock from ours? Only a long recording tells."""
    arrivals = recording.arrivals
    seconds = arrivals[-1].monotonic - arrivals[0].monotonic
    if seconds < DRIFT_SECONDS:
        return Finding("sample clock", "unknown", f"needs {DRIFT_SECONDS:.0f} s of recording: --seconds 30")
    drift, error = drift_ppm(arrivals)
    text = f"{drift:+.0f} ± {error:.0f} ppm, as it is opened at {recording.rate_hz} Hz"
    if abs(drift) - 2 * error > DRIFT_PPM:
        return Finding("sample clock", "warning", text, "record longer; if it stays so, the device tells a wrong rate")
    return Finding("sample clock", "ok", text)


def drift_ppm(arrivals: list[Arrival]) -> tuple[float, float]:
    """Return how much faster than 16 kHz the samples came, and the standard error, from a line through all arrivals."""
    times = np.array([arrival.monotonic for arrival in arrivals])
    times -= times.mean()
    heard = np.array([arrival.samples for arrival in arrivals]) / SAMPLE_RATE_HZ
    heard -= heard.mean()
    spread = float(times @ times)
    slope = float(times @ heard) / spread
    rest = heard - slope * times
    error = np.sqrt(float(rest @ rest) / (len(arrivals) - 2) / spread)
    return (slope - 1) * 1e6, float(error) * 1e6
