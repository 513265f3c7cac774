"""Streams and scripted runtimes for the engine's tests."""

from __future__ import annotations

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.events import Audio, Event
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.gate import GateConfig
from inherentd.pipeline.runtimes import Processor
from tests.tiny_model import HEADS

GATE = GateConfig(
    heads=HEADS,
    open_threshold=0.6,
    close_threshold=0.3,
    intent_thresholds=(0.7, 0.9),
    min_open_samples=3_200,
    hangover_samples=4_800,
    hold_samples=24_000,
    refractory_samples=1_600,
    max_length_samples=64_000,
    preroll_samples=8_000,
)
CONFIG = EngineConfig(GATE)
METADATA = ArtifactMetadata(
    version="0.0.1", training_hash="", backend="onnx", form="streaming", frontend=FrontendSpec(), head_order=HEADS,
    default_thresholds={}, threshold_calibration={}, runtime_tensor_contract={}, states=(), golden=None,
    quantization="float32", unsupported="", sha256=None,
)  # fmt: skip


class ScriptedRuntime:
    """Scores by the clock instead of by the sound: step i gets `script[i]`, later steps 0."""

    metadata = METADATA
    step_frames = 2
    processor = Processor("onnx", "cpu", "cpu")

    def __init__(self, script: np.ndarray) -> None:
        self.script = script

    def initial_state(self) -> dict[str, np.ndarray]:
        return {"step": np.zeros(1, np.float32)}

    def step(self, mel: np.ndarray, state: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert mel.shape == (1, self.step_frames, 128)
        index = int(state["step"][0])
        row = self.script[index] if index < len(self.script) else np.zeros(len(HEADS), np.float32)
        return row, {"step": state["step"] + 1}


def bursts(seconds: float, seed: int) -> np.ndarray:
    """Return int16 noise whose loudness jumps every half second between digital silence, hum and speech level."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * 16000)
    loudness = np.repeat(rng.choice([0, 0, 0, 1e-4, 0.03, 0.3], samples // 8000 + 1), 8000)[:samples]
    return np.clip(rng.normal(0, 1, samples) * loudness * 32767, -32768, 32767).astype(np.int16)


def run(engine: Engine, samples: np.ndarray, sizes: list[int] | None = None) -> list[Event]:
    """Return all events of a stream pushed in chunks of `sizes` (the last one repeats until the end)."""
    engine.reset()
    events: list[Event] = []
    position, turn = 0, 0
    while position < len(samples):
        size = sizes[min(turn, len(sizes) - 1)] if sizes else len(samples)
        events += engine.push(samples[position : position + size])
        position, turn = position + size, turn + 1
    return events + engine.finish()


def comparable(events: list[Event]) -> list[object]:
    """Return the events with audio as bytes, so that == compares everything."""
    return [
        (event.utterance, event.at_sample, event.pcm.tobytes(), event.last) if isinstance(event, Audio) else event
        for event in events
    ]
