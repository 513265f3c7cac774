"""Every backend's artifacts, from a small checkpoint: written, run, and the same scores as torch."""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("litert_torch", reason="pip install 'inherentd[export-all]' (no wheels for Linux on ARM)")

from inherentd.export import command, delegates, parity
from inherentd.export.artifacts import Artifact, Job, fold
from inherentd.export.errors import ExportError
from inherentd.export.forms import Frontend
from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.checkpoint import Checkpoint, step_scores
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.thresholds import Calibration
from inherentd.pipeline.artifact import load_metadata, metadata_path, threshold_key
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import open_runtime, peak_scores
from inherentd.pipeline.runtimes.window import SlidingWindow
from tests.pipeline.streams import CONFIG
from tests.tiny_model import HEADS

SPEC = FrontendSpec()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A network of random weights that has seen some noise, so that its batch normalizations do something."""
    torch.manual_seed(3)
    config = ModelConfig(heads=HEADS, ear_channels=8, channels=12, ear_dilations=(1, 2), dilations=(1, 2))
    model = InherentModel(config)
    model.mel_mean.fill_(-7.0)
    model.mel_std.fill_(3.0)
    model.train()
    for _ in range(20):
        model(torch.randn(4, 40, 128) * 3 - 7, model.initial_state(4))
    with torch.no_grad():
        model.score.weight.mul_(4)
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    checkpoint.save(path, model, SPEC, {})
    return checkpoint.load(path)


def noise(seconds: float, seed: int) -> np.ndarray:
    """Bursts of noise of changing level and colour, float32."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.1, round(seconds * 16_000))
    return (samples * np.abs(np.sin(np.arange(len(samples)) / 3000))).astype(np.float32)


def job_in(folder: Path, loaded: Checkpoint) -> Job:
    # With pauses, as speech has them: what the ranges of int8 do not hold is cut off.
    clips = tuple(np.concatenate([np.zeros(8000, np.float32), noise(2, seed)]) for seed in range(8))
    return Job(loaded, Calibration((0.5,) * len(HEADS), {}), folder, "small", "1.2.3", clips)


@pytest.fixture(scope="module")
def artifacts(loaded: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every artifact that is scored here, by name; `export` has compared each with torch."""
    folder = tmp_path_factory.mktemp("artifacts")
    return {path.name: path for path in command.export(job_in(folder, loaded), "all")}


def test_all_forms_are_written(artifacts: dict[str, Path]) -> None:
    onnx = {"small", "small-batched", "small-windowed", "small-audio", "small-frontend", "small-float16", "small-windowed-float16",
            "small-audio-float16", "small-int8", "small-windowed-int8", "small-audio-int8"}  # fmt: skip
    litert = {"small-litert", "small-litert-audio", *(f"small-litert-windowed{size}" for size in ("", "-50", "-100"))}
    quantized = {f"{name}-{kind}" for name in litert for kind in ("float16", "dynamic-int8", "int8")}
    coreml = {f"small-coreml{form}{kind}" for form in ("", "-windowed") for kind in ("", "-palettized-4bit")}
    mlx = {"small-mlx", "small-mlx-windowed", "small-mlx-audio"}
    expected = {f"{name}.onnx" for name in onnx} | {f"{name}.safetensors" for name in mlx}
    expected |= {f"{name}.tflite" for name in (*litert, *quantized, "small-litert-frontend")} | {"small.litertlm"}
    assert set(artifacts) == expected | {f"{name}.mlpackage" for name in coreml}


def test_metadata_say_what_a_file_is(artifacts: dict[str, Path], loaded: Checkpoint) -> None:
    for path in artifacts.values():
        if path.suffix == ".litertlm":
            continue
        metadata = load_metadata(path, SPEC)
        assert metadata.version == "1.2.3"
        assert metadata.head_order == HEADS
        assert metadata.training_hash == loaded.training_hash
        if metadata.form in {"streaming", "audio"}:
            assert [state.name for state in metadata.states] == list(loaded.model.initial_state())
            assert metadata.step_frames == loaded.model.config.step_frames


@pytest.mark.parametrize("name", ["small.onnx", "small-batched.onnx", "small-audio.onnx", "small-litert.tflite", "small-litert-audio.tflite",
                                  "small-mlx.safetensors", "small-mlx-audio.safetensors"])  # fmt: skip
def test_streaming_forms_give_the_same_events(artifacts: dict[str, Path], loaded: Checkpoint, name: str) -> None:
    """Through the engine, in uneven chunks."""
    scores: dict[str, list[np.ndarray]] = {"small.onnx": [], name: []}
    events = {}
    samples = noise(6, 99)
    for artifact, heard in scores.items():
        engine = Engine(
            CONFIG, open_runtime(artifacts[artifact]), listener=lambda _, found, heard=heard: heard.append(found)
        )
        events[artifact] = [
            event for piece in np.array_split(samples, 17) for event in engine.push(piece)
        ] + engine.finish()
    assert len(scores[name]) > 50
    assert np.allclose(scores[name], scores["small.onnx"], atol=1e-4)
    assert [(event.TOPIC, event.at_sample) for event in events[name]] == [
        (event.TOPIC, event.at_sample) for event in events["small.onnx"]
    ]


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_the_frontend_by_itself_gives_our_frames(artifacts: dict[str, Path], suffix: str) -> None:
    samples = noise(1.012, 5)
    if suffix == ".onnx":
        session = importlib.import_module("onnxruntime").InferenceSession(str(artifacts["small-frontend.onnx"]))
        found = session.run(None, {"samples": samples[None]})[0]
    else:
        interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(
            str(artifacts["small-litert-frontend.tflite"])
        )
        found = interpreter.get_signature_runner()(samples=samples[None])["mel_spectrogram"]
    assert np.abs(found[0] - log_mel(SPEC, samples)).max() < 1e-3


def test_the_frontend_as_convolutions_hears_quiet_beside_loud() -> None:
    """A tone and nothing else: other bins lie 140 dB below it, where the floor is."""
    tone = (0.9 * np.sin(np.arange(8000) * 0.4)).astype(np.float32)
    found = Frontend(SPEC)(torch.from_numpy(tone)[None])[0].numpy()
    assert np.abs(found - log_mel(SPEC, tone)).max() < 3e-3


def test_a_folded_model_scores_the_same(loaded: Checkpoint) -> None:
    mel = torch.randn(2, 80, 128) * 3 - 7
    assert torch.allclose(step_scores(loaded.model, mel), step_scores(fold(loaded.model), mel), atol=1e-6)


def test_the_container_holds_the_model_and_its_metadata(artifacts: dict[str, Path]) -> None:
    litertlm = importlib.import_module("inherentd.export.litertlm")
    model, metadata = litertlm.read_back(artifacts["small.litertlm"])
    assert model == artifacts["small-litert.tflite"].read_bytes()
    assert metadata["head_order"] == list(HEADS)


@pytest.mark.skipif(sys.platform == "darwin", reason="there it predicts")
def test_core_ml_says_that_it_was_not_run(artifacts: dict[str, Path]) -> None:
    with pytest.raises(PipelineError, match="macOS only"):
        open_runtime(artifacts["small-coreml.mlpackage"])


def test_an_exporter_that_computes_something_else_is_found(loaded: Checkpoint, tmp_path: Path) -> None:
    job = job_in(tmp_path, loaded)
    other = checkpoint.Checkpoint(copy.deepcopy(loaded.model), loaded.frontend, {}, "other")
    with torch.no_grad():
        other.model.score.bias.add_(0.05)
    exporter = importlib.import_module("inherentd.export.mlx")
    artifact: Artifact = next(exporter.write(job_in(tmp_path, other)))
    with pytest.raises(ExportError, match="differs from torch|golden"):
        command.finish(artifact, job)


def test_parity_tells_padding_export_and_quantization_apart(artifacts: dict[str, Path], loaded: Checkpoint) -> None:
    rows = [Utterance(path=f"{index}.wav", addressed=index % 2 == 0, text="", heads=(), split="test", speaker=f"s:{index}",
                      source="test") for index in range(12)]  # type: ignore # fmt: skip
    clips = [noise(1 + index / 6, index) for index in range(12)]
    names = (
        "small.onnx",
        "small-int8.onnx",
        "small-litert-windowed.tflite",
        "small-litert-windowed-dynamic-int8.tflite",
    )
    models = parity.artifacts([artifacts[name] for name in names])
    found = {line.artifact: line for line in parity.compare(loaded, rows, clips, models)}
    assert set(found) == set(names)
    assert found["small.onnx"].padding_difference == 0
    assert found["small.onnx"].max_difference < 1e-4
    assert not found["small.onnx"].unsupported
    small = found["small-int8.onnx"]
    assert small.export_difference < 1e-4 < small.quantization_difference
    assert found["small-litert-windowed.tflite"].export_difference < 1e-4
    assert "| `small.onnx` | streaming | float32 |" in parity.table(list(found.values()))


def test_an_artifact_outside_its_tolerance_is_refused_unless_allowed(
    artifacts: dict[str, Path], loaded: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(artifacts["small.onnx"].read_bytes())
    document = json.loads(metadata_path(artifacts["small.onnx"]).read_text())
    metadata_path(path).write_text(json.dumps(document | {"unsupported": "isInteresting loses 0.200 AUC"}))
    with pytest.raises(PipelineError, match=r"isInteresting loses 0\.200 AUC.*--allow-unsupported"):
        open_runtime(path)
    assert peak_scores(open_runtime(path, allow_unsupported=True), log_mel(SPEC, noise(1, 1))).shape == (len(HEADS),)


UPSTREAM = {
    "version": "0.1.0",
    "training_hash": "nogit:0123456789abcdef",
    "input_tensor": "mel_spectrogram",
    "output_tensor": "intent_output",
    "head_order": list(HEADS),
    "default_thresholds": {threshold_key(head): 0.5 for head in HEADS},
}
"""what its contract documents; its exporters add `backend` and more"""


@pytest.mark.parametrize(
    ("name", "sidecar", "extra"),
    [
        ("inherent.tflite", "inherent.metadata.json", {}),
        (
            "inherent.tflite",
            "inherent.metadata.json",
            {"backend": "tflite", "artifact_format": "tflite", "reports": {}},
        ),
        (
            "inherent.onnx",
            "inherent.onnx.metadata.json",
            {"backend": "onnx", "runtime_tensor_contract": {"selection": "by shape"}},
        ),
    ],
)
def test_upstream_artifacts_with_their_metadata_run(
    artifacts: dict[str, Path], tmp_path: Path, name: str, sidecar: str, extra: dict[str, object]
) -> None:
    ours = artifacts["small-litert-windowed.tflite" if name.endswith("tflite") else "small-windowed.onnx"]
    path = tmp_path / name
    path.write_bytes(ours.read_bytes())
    (tmp_path / sidecar).write_text(json.dumps(UPSTREAM | extra))
    upstream, windowed = open_runtime(path), open_runtime(artifacts["small-windowed.onnx"])
    assert (upstream.metadata.form, upstream.metadata.frontend) == ("windowed", None)
    assert isinstance(upstream, SlidingWindow)
    assert upstream.static_frames == (3000 if name.endswith("tflite") else None)
    mel = log_mel(SPEC, noise(1, 7))[None]
    assert isinstance(windowed, SlidingWindow)
    assert np.allclose(upstream.score(upstream.padded(mel)), windowed.score(upstream.padded(mel)), atol=1e-5)
    assert peak_scores(upstream, mel[0]).shape == (len(HEADS),)


def test_every_file_is_told_which_accelerators_take_it(artifacts: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "delegates.json"
    delegates.write(path, [artifacts["small-litert.tflite"], artifacts["small.onnx"]])
    attempts = json.loads(path.read_text())
    assert {attempt["artifact"] for attempt in attempts} == {"small-litert.tflite", "small.onnx"}
    assert {"cpu", "gpu", "npu", "tpu", "openvino"} <= {attempt["delegate"] for attempt in attempts}
    for attempt in attempts:
        assert (attempt["step_us"] is None) == bool(attempt["refused"])
    assert all(attempt["step_us"] > 0 for attempt in attempts if attempt["delegate"] == "cpu")


def test_the_command_leaves_only_what_was_compared(loaded: Checkpoint, tmp_path: Path) -> None:
    """The files, a sidecar each, and the report; with --only nothing else, and no file that was not written."""
    weights, limits, out = tmp_path / "a.safetensors", tmp_path / "thresholds.json", tmp_path / "out"
    checkpoint.save(weights, loaded.model, loaded.frontend, {})
    limits.write_text(json.dumps({"thresholds": dict.fromkeys(HEADS, 0.5), "record": {}}))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--checkpoint", str(weights), "--thresholds", str(limits), "--out", str(out)]
    assert command.run(parser.parse_args([*given, "--backend", "litertlm"])) == 0
    found = {path.name for path in out.iterdir()}
    assert found == {
        "inherent.litertlm",
        "inherent-litert.tflite",
        "inherent-litert.metadata.json",
        "inherent-delegates.json",
    }
    assert command.run(parser.parse_args([*given, "--backend", "mlx", "--only", "inherent-mlx.safetensors"])) == 0
    assert {path.name for path in out.iterdir()} - found == {"inherent-mlx.safetensors", "inherent-mlx.metadata.json"}
    with pytest.raises(ExportError, match=r"--only nothing\.onnx: not written, expected some of inherent-mlx"):
        command.run(parser.parse_args([*given, "--backend", "mlx", "--only", "nothing.onnx"]))
