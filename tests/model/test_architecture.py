"""The model: causal, the same in any chunking, finite memory, and the exported forms agree with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.export import command
from inherentd.export.artifacts import Job
from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.checkpoint import Checkpoint, step_scores
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.thresholds import Calibration
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import open_runtime

CONFIG = ModelConfig(heads=("isInteresting", "hasPhotoQuery"), ear_channels=8, ear_dilations=(1, 2), channels=16,
                     dilations=(1, 2), phonemes=("a", "b"))  # fmt: skip
STEP = CONFIG.step_frames


@pytest.fixture(scope="module")
def model() -> InherentModel:
    torch.manual_seed(0)
    network = InherentModel(CONFIG)
    network.train()
    for _ in range(3):  # batch norm statistics that are not 0 and 1
        network(torch.randn(4, 80, 128) * 3, network.initial_state(4))
    return network.eval()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_any_split_gives_the_same_scores(model: InherentModel, sizes: list[int]) -> None:
    mel = torch.randn(1, STEP * sum(sizes), 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, end = model(mel, model.initial_state())
        state, pieces, position = model.initial_state(), [], 0
        for size in sizes:
            logits, state = model(mel[:, position : position + STEP * size], state)
            pieces.append(logits)
            position += STEP * size
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-5)
    assert all(torch.allclose(state[name], end[name], atol=1e-5) for name in end)


def test_the_future_never_changes_the_past(model: InherentModel) -> None:
    mel = torch.randn(1, 20 * STEP, 128)
    changed = mel.clone()
    changed[:, 10 * STEP :] += 1
    scores, others = step_scores(model, mel), step_scores(model, changed)
    assert torch.equal(scores[:, :10], others[:, :10])
    assert not torch.equal(scores[:, 10:], others[:, 10:])


def test_memory_ends_with_the_receptive_field(model: InherentModel) -> None:
    reach = CONFIG.receptive_field_frames
    mel = torch.randn(1, 2 * reach, 128)
    changed = mel.clone()
    changed[:, : reach // 2] += 5
    last, other = step_scores(model, mel)[0, -1], step_scores(model, changed)[0, -1]
    assert torch.allclose(last, other, atol=1e-6)


def test_memory_reaches_as_far_as_it_says(model: InherentModel) -> None:
    """One frame beyond the receptive field changes nothing; the frame just inside it does."""
    reach = CONFIG.receptive_field_frames
    frames = -(-2 * reach // STEP) * STEP
    mel = torch.randn(1, frames, 128)
    differences = {}
    for age in (reach, reach + 1):
        changed = mel.clone()
        changed[:, frames - age] += 50
        differences[age] = (step_scores(model, mel)[0, -1] - step_scores(model, changed)[0, -1]).abs().max().item()
    assert differences[reach] > 0
    assert differences[reach + 1] == 0


def test_phonemes_come_beside_the_heads(model: InherentModel) -> None:
    mel = torch.randn(2, 10 * STEP, 128)
    with torch.inference_mode():
        understood, phonemes, _ = model.understand(mel, model.initial_state(2))
        assert len(understood) == 1 + len(CONFIG.dilations)
        assert torch.equal(model.score(understood[-1]), model(mel, model.initial_state(2))[0])
    assert phonemes is not None
    assert phonemes.shape == (2, 10 * CONFIG.phonemes_per_step, 3)


@pytest.fixture(scope="module")
def exported(model: InherentModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Checkpoint]:
    folder = tmp_path_factory.mktemp("export")
    checkpoint.save(folder / "model.safetensors", model, FrontendSpec(), {"recipe": "test"})
    loaded = checkpoint.load(folder / "model.safetensors")
    job = Job(loaded, Calibration((0.5, 0.5), {"rows": 0}), folder, "m", "0.0.1")
    paths = {path.name: path for path in command.export(job, "onnx")}
    return paths["m.onnx"], paths["m-windowed.onnx"], loaded


@pytest.mark.parametrize("frames", [1, 2, 3, 57, 3000])
def test_windowed_takes_any_length(exported: tuple[Path, Path, Checkpoint], frames: int) -> None:
    import onnxruntime

    _, windowed, loaded = exported
    mel = torch.randn(1, frames, 128, generator=torch.Generator().manual_seed(2))
    session = onnxruntime.InferenceSession(str(windowed))
    padded = torch.nn.functional.pad(mel, (0, 0, 0, -frames % STEP))
    expected = step_scores(loaded.model, padded)[0].amax(0).numpy()
    assert np.allclose(session.run(None, {"mel_spectrogram": mel.numpy()})[0][0], expected, atol=1e-4)


def test_a_checkpoint_round_trip_and_what_is_none(model: InherentModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, model, FrontendSpec(), {"why": "test"})
    loaded = checkpoint.load(path)
    assert loaded.model.config == CONFIG
    assert loaded.notes == {"why": "test"}
    mel = torch.randn(1, 5 * STEP, 128)
    assert torch.equal(step_scores(loaded.model, mel), step_scores(model, mel))
    (tmp_path / "broken.safetensors").write_bytes(b"nonsense")
    for name in ("broken", "missing"):
        with pytest.raises(ModelError, match=name):
            checkpoint.load(tmp_path / f"{name}.safetensors")


def test_open_runtime_checks_the_golden(exported: tuple[Path, Path, Checkpoint]) -> None:
    streaming, windowed, _ = exported
    for path in (streaming, windowed):
        assert open_runtime(path).metadata.golden is not None
    sidecar = streaming.with_suffix(".metadata.json")
    original = sidecar.read_text()
    sidecar.write_text(original.replace('"scores": [', '"scores": [9, ', 1))
    try:
        with pytest.raises(PipelineError, match="golden has 3 scores for 2 heads"):
            open_runtime(streaming)
    finally:
        sidecar.write_text(original)
