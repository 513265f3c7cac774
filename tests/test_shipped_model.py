"""The model that ships: whole, the same in every form and chunking, and its events on the demo's clips are as recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import inherentd
from inherentd.daemon import engine_setup
from inherentd.daemon.config import Backend, Config, ModelSection
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import Audio
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import open_runtime, peak_scores
from tests.pipeline.streams import comparable, run

MODELS = Path(inherentd.__file__).parent / "models"
GOLDEN = Path(__file__).parent / "golden" / "demo_events.json"
CLIPS = load_clips(BUNDLED)


def samples_of(index: int) -> np.ndarray:
    samples, rate_hz = soundfile.read(CLIPS[index].path, dtype="int16")
    assert rate_hz == 16_000
    return samples


@pytest.fixture(scope="module")
def engine() -> Engine:
    runtime = engine_setup.open_model(Config().model)
    return Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)


def test_heads_thresholds_and_size() -> None:
    runtime = open_runtime(MODELS / "inherent.onnx")
    assert runtime.metadata.head_order[0] == "isInteresting"
    assert len(runtime.metadata.head_order) == 13
    assert all(0 < runtime.metadata.threshold(head) < 1 for head in runtime.metadata.head_order)
    assert runtime.metadata.golden is not None
    assert runtime.metadata.sha256 is not None
    batched = open_runtime(MODELS / "inherent-batched.onnx")
    assert batched.metadata.batched
    assert batched.metadata.training_hash == runtime.metadata.training_hash
    assert batched.metadata.default_thresholds == runtime.metadata.default_thresholds
    assert (MODELS / "inherent.onnx").stat().st_size < 5_500_000


def test_streaming_windowed_and_torch_agree_on_speech() -> None:
    import onnxruntime
    import torch

    from inherentd.inherent_model import checkpoint

    loaded = checkpoint.load(MODELS / "inherent.safetensors")
    streaming = open_runtime(MODELS / "inherent.onnx")
    windowed = onnxruntime.InferenceSession(str(MODELS / "inherent-windowed.onnx"))
    assert streaming.metadata.training_hash == loaded.training_hash
    for index in range(len(CLIPS)):
        mel = log_mel(FrontendSpec(), samples_of(index).astype(np.float32) / 32768)
        mel = mel[: len(mel) // loaded.model.config.step_frames * loaded.model.config.step_frames]
        expected = checkpoint.step_scores(loaded.model, torch.from_numpy(mel)[None])[0].numpy().max(axis=0)
        assert np.abs(peak_scores(streaming, mel) - expected).max() <= 1e-4
        found = np.asarray(windowed.run(None, {"mel_spectrogram": mel[None]})[0])[0]
        assert np.abs(found - expected).max() <= 1e-4


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 4000), max_size=8), last=st.integers(200, 6000))
def test_any_split_of_speech_gives_the_same_events(engine: Engine, sizes: list[int], last: int) -> None:
    stream = np.concatenate([samples_of(index) for index in (1, 9, 12)])
    whole = comparable(run(engine, stream))
    assert comparable(run(engine, stream, [*sizes, last])) == whole


@pytest.mark.parametrize("backend", engine_setup.SHIPPED_MODELS)
def test_events_on_the_demo_clips_are_as_recorded(backend: Backend) -> None:
    """By every backend the same. Write the file anew with `python -m tests.golden.record` after a change that is meant to change events."""
    runtime = engine_setup.open_model(ModelSection(backend=backend))
    assert runtime.processor.backend == backend
    engine = Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)
    recorded = json.loads(GOLDEN.read_text())
    assert [clip["path"] for clip in recorded] == [Path(clip.path).name for clip in CLIPS]
    for index, clip in enumerate(recorded):
        found = summary(run(engine, samples_of(index)))
        assert [event[:2] for event in found] == [event[:2] for event in clip["events"]], clip["path"]
        for new, old in zip(found, clip["events"], strict=True):
            assert new[2] == pytest.approx(old[2], abs=1e-3)


def summary(events: list) -> list[list]:
    """Return [topic and head, sample, score] of each event but audio, whose pieces are tested elsewhere."""
    rows = []
    for event in events:
        if not isinstance(event, Audio):
            name = f"{event.TOPIC} {getattr(event, 'head', getattr(event, 'reason', ''))}".strip()
            rows.append([name, event.at_sample, round(float(getattr(event, "score", 0)), 5)])
    return rows
