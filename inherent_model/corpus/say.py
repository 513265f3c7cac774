"""macOS's own synthesizer, the program `say`: the voices of System Settings, without anything to install."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from inherentd.inherent_model.corpus.voices import Voice
from inherentd.inherent_model.errors import ModelError

SYSTEM_VOICE = "system"
"""the name of whatever voice the user has chosen for the system"""
WORDS_PER_MINUTE = 175


def say(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    """Return float32 [samples] in [-1, 1] and their rate, 22050 Hz; ModelError where there is no `say`, or it fails."""
    if shutil.which("say") is None:
        raise ModelError(
            "say: not on this machine; it is part of macOS only: take another engine, e.g. espeak or flite"
        )
    with tempfile.TemporaryDirectory() as folder:
        # WAV, because AIFF holds no little-endian samples, and with a data format, because `say` refuses WAV without.
        out = Path(folder) / "speech.wav"
        command = ["say", "-o", str(out), "--data-format=LEF32@22050", "-r", str(round(WORDS_PER_MINUTE * voice.speed))]
        command += [] if voice.name == SYSTEM_VOICE else ["-v", voice.name]
        # A text that begins with a hyphen would be taken for an option.
        done = subprocess.run([*command, f" {text}"], capture_output=True, timeout=60, check=False)
        if done.returncode != 0 or not out.is_file():
            reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}, no audio"
            raise ModelError(f"say failed with voice {voice.name!r}: {reason}; `say -v '?'` lists the voices")
        samples, rate_hz = soundfile.read(out, dtype="float32")
    return samples, rate_hz
