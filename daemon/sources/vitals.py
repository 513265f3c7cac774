"""What a source counts about itself, for health and metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vitals:
    """All counted from the start of the daemon, except where it says otherwise."""

    device: str = ""
    """name of the microphone that is heard now"""
    overflows: int = 0
    """times that the sound system reported lost audio"""
    gaps: int = 0
    """times that audio was missing"""
    dropped: int = 0
    """16 kHz samples that were missing; silence stands in for them"""
    waiting: int = 0
    """16 kHz samples that were captured and not yet taken"""
    bad_samples: int = 0
    """samples that were not numbers (NaN, infinite) and were taken as 0"""
    jitter_ms: float = 0.0
    """the latest that a block came, after the time it takes to be heard, since the last health message"""
    drift_ppm: float = 0.0
    """how much faster than this machine's clock the device counts, parts per million"""
