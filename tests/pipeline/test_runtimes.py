"""Artifacts: what fits runs, what does not is refused in one line that says why."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import open_runtime
from tests import tiny_model


def test_the_streaming_form_equals_numpy(tmp_path: Path) -> None:
    runtime = open_runtime(tiny_model.build(tmp_path))
    mel = np.random.default_rng(3).normal(-6, 3, (40, 128)).astype(np.float32)
    state, peaks = runtime.initial_state(), np.zeros(3)
    for start in range(0, 40, runtime.step_frames):
        scores, state = runtime.step(mel[None, start : start + runtime.step_frames], state)
        peaks = np.maximum(peaks, scores)
    assert np.allclose(peaks, tiny_model.golden_scores(mel), atol=1e-6)


@pytest.mark.parametrize("frames", [None, 50, 100])
def test_windowed_artifacts_slide_over_the_last_second(tmp_path: Path, frames: int | None) -> None:
    runtime = open_runtime(tiny_model.build(tmp_path, form="windowed", frames=frames))
    loud, quiet = np.full((1, 10, 128), -2.0, np.float32), np.full((1, 10, 128), -13.0, np.float32)
    state, heard = runtime.initial_state(), []
    for mel in [quiet, loud, *[quiet] * 6]:
        scores, state = runtime.step(mel, state)
        heard.append(bool(scores[0] > 0.9))
    if frames != 100:
        assert heard == [False, True, True, True, True, True, False, False]
    else:
        # Zero padding is loud in log-mel: this toy takes it for sound, a trained model must not.
        assert heard == [True] * 8


def test_upstream_metadata_without_the_newer_fields_runs(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path, form="windowed")
    tiny_model.write_metadata(path, "windowed", form=None, frontend=None, golden=None, sha256=None, states=None,
                              quantization=None, runtime_tensor_contract={})  # fmt: skip
    runtime = open_runtime(path)
    assert runtime.metadata.form == "windowed"
    assert runtime.step(np.zeros((1, 10, 128), np.float32), runtime.initial_state())[0].shape == (3,)


def test_another_frontend_is_refused_with_both_values(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    other = dataclasses.asdict(dataclasses.replace(FrontendSpec(), fft_size=512, log_floor=1e-5))
    tiny_model.write_metadata(path, "streaming", frontend=other)
    with pytest.raises(PipelineError, match=r"fft_size 512 \(running: 1024\), log_floor 1e-05 \(running: 1e-06\)"):
        open_runtime(path)


def test_a_wrong_golden_is_refused(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    tiny_model.write_metadata(path, "streaming", golden={"mel": np.zeros((4, 128)).tolist(), "scores": [0.1, 0.1, 0.1]})
    with pytest.raises(PipelineError, match="golden"):
        open_runtime(path)


def test_a_model_with_other_outputs_than_its_metadata_is_refused(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    thresholds = {"is_interesting": 0.5, "has_photo_query": 0.5}
    tiny_model.write_metadata(
        path, "streaming", head_order=list(tiny_model.HEADS[:2]), golden=None, default_thresholds=thresholds
    )
    with pytest.raises(PipelineError, match="expected 2 numbers"):
        open_runtime(path)
    tiny_model.write_metadata(path, "streaming", states=[{"name": "smooth", "shape": [1, 7], "initial_value": 0}])
    with pytest.raises(PipelineError, match="cannot score"):
        open_runtime(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(PipelineError, match="sha256"):
        open_runtime(path)
    tiny_model.write_metadata_without_graph(path)
    with pytest.raises(PipelineError, match="ONNX Runtime cannot load it"):
        open_runtime(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head_order": []}, "head_order"),
        ({"default_thresholds": {}}, "default_thresholds lack"),
        ({"form": "psychic"}, "form 'psychic'"),
        ({"version": None}, "version"),
        ({"runtime_tensor_contract": {}}, "mel_chunk"),
        ({"form": "audio"}, "samples_chunk"),
    ],
)
def test_malformed_metadata_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    path = tiny_model.build(tmp_path)
    tiny_model.write_metadata(path, "streaming", **change)
    with pytest.raises(PipelineError, match=message):
        open_runtime(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no such file"):
        open_runtime(tmp_path / "nothing.onnx")
    path = tiny_model.build(tmp_path)
    path.with_suffix(".metadata.json").unlink()
    with pytest.raises(PipelineError, match=r"tiny\.metadata\.json is missing"):
        open_runtime(path)


@pytest.mark.parametrize(
    ("backend", "delegate", "message"),
    [
        ("litert", "auto", "is for backend 'onnx'"),
        ("tensorflow", "auto", "unknown"),
    ],
)
def test_backends_and_delegates_that_are_not_there_say_so(
    tmp_path: Path, backend: str, delegate: str, message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        open_runtime(tiny_model.build(tmp_path), backend, delegate)
