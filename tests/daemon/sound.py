"""A PulseAudio server of our own, a null sink as microphone, and what is played into it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest
from benchmarks.rig.sound_server import SoundServer

__all__ = ["SoundServer", "sound_server"]

if sys.platform == "darwin":
    pytest.skip("no PulseAudio under macOS", allow_module_level=True)
if not shutil.which("pulseaudio"):
    needed = "apt-get install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins"
    pytest.skip(f"pulseaudio is not installed: {needed}", allow_module_level=True)


@pytest.fixture(name="sound")
def sound_server() -> Iterator[SoundServer]:
    """Start a PulseAudio server with one null sink, whose monitor is the default microphone."""
    server = SoundServer()
    yield server
    server.close()
