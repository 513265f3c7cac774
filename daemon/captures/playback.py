"""Plays a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.decoding import read_whole
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


def play(path: Path, sounddevice: Any) -> None:
    """Play a file to its end. Raises DaemonError when it cannot be read, or nothing here can play."""
    pcm = read_whole(path)
    try:
        sounddevice.play(pcm, SAMPLE_RATE_HZ)
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        raise DaemonError(f"nothing here can play it ({error}); the recording is {path}") from None
