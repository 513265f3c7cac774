"""Accelerators that are not here: the CPU stands in and says so, or strictly an error. Never in silence."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inherentd.pipeline import runtimes
from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import BACKENDS, Backend, open_fastest, open_runtime
from inherentd.pipeline.runtimes.processor import DelegateError, Processor
from tests import tiny_model

NOWHERE = ("tpu", "mediatek", "google_tensor")
"""no ONNX Runtime has these; the others are in some of its packages"""


@pytest.mark.parametrize("delegate", [*NOWHERE, *([] if sys.platform == "darwin" else BACKENDS["onnx"].delegates)])
def test_a_refused_delegate_is_told_with_its_reason(tmp_path: Path, delegate: str) -> None:
    path = tiny_model.build(tmp_path)
    runtime = open_runtime(path, delegate=delegate)
    assert runtime.processor.asked == delegate
    assert runtime.processor.running == "cpu"
    assert "onnxruntime" in runtime.processor.reason.lower().replace(" ", "")
    assert f"asked for {delegate}" in str(runtime.processor)
    with pytest.raises(PipelineError, match=f"delegate '{delegate}'"):
        open_runtime(path, delegate=delegate, strict_delegate=True)


def test_the_cpu_is_no_fallback(tmp_path: Path) -> None:
    for delegate in ("auto", "cpu"):
        processor = open_runtime(tiny_model.build(tmp_path), delegate=delegate, strict_delegate=True).processor
        assert (processor.running, processor.reason) == ("cpu", "")


class Wrong:
    """An accelerator that opens and computes something else."""

    def __init__(self, metadata: ArtifactMetadata) -> None:
        self.metadata = metadata
        self.step_frames = metadata.step_frames
        self.processor = Processor("onnx", "cpu", "cpu")

    def initial_state(self) -> dict[str, Any]:
        return {}

    def step(self, given: np.ndarray, state: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        return np.full(len(self.metadata.head_order), 0.25, np.float32) + 0 * given.max(), state


class Broken(Wrong):
    """An accelerator that opens, runs some steps and breaks."""

    steps = 0

    def step(self, given: np.ndarray, state: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        self.steps += 1
        if self.steps > 2:
            raise RuntimeError
        return super().step(given, state)


def open_model(model: Path, metadata: ArtifactMetadata, delegate: str) -> Any:
    """This file is a backend too: on the CPU as ONNX, on a GPU wrong, on an NPU not at all."""
    from inherentd.pipeline.runtimes import onnx

    if delegate == "npu":
        raise DelegateError("the driver said no")
    if delegate == "tpu":
        return Broken(metadata)
    return Wrong(metadata) if delegate == "gpu" else onnx.open_model(model, metadata, "cpu")


@pytest.fixture
def fickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtimes.BACKENDS, "onnx", Backend(__name__, ".onnx", "", ()))


@pytest.mark.usefixtures("fickle")
def test_an_accelerator_that_computes_something_else_is_not_used(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    runtime = open_runtime(path, delegate="gpu")
    assert runtime.processor.running == "cpu"
    assert "golden" in runtime.processor.reason
    with pytest.raises(PipelineError, match="golden"):
        open_runtime(path, delegate="gpu", strict_delegate=True)
    assert open_runtime(path, delegate="npu").processor.reason == "the driver said no"
    broken = open_runtime(path, delegate="tpu").processor
    assert (broken.running, broken.reason.endswith("(RuntimeError)")) == ("cpu", True)


def test_the_fastest_of_those_that_open_is_taken(tmp_path: Path) -> None:
    good = tiny_model.build(tmp_path)
    damaged = tiny_model.build(tmp_path, name="damaged")
    damaged.write_bytes(b"nothing")
    slow = tiny_model.build(tmp_path, form="windowed", name="slow")
    chosen = open_fastest([damaged, slow, good], seconds=lambda runtime: float(runtime.metadata.form == "windowed"))
    assert chosen.metadata.form == "streaming"
    assert chosen.processor.reason == ""
    with pytest.raises(PipelineError, match="sha256"):
        open_fastest([damaged])


def test_one_that_computes_something_else_is_left_out_and_named(tmp_path: Path) -> None:
    good, wrong = tiny_model.build(tmp_path), tiny_model.build(tmp_path, name="wrong")
    tiny_model.write_metadata(wrong, "streaming", golden={"mel": [[-6.0] * 128] * 4, "scores": [0.9, 0.9, 0.9]})
    assert "wrong.onnx: scores its golden" in open_fastest([wrong, good]).processor.reason
    assert open_runtime(wrong, allow_unsupported=True).processor.running == "cpu"
    assert "wrong.onnx: scores its golden" in open_fastest([wrong], allow_unsupported=True).processor.reason


def test_the_delegates_that_are_promised_are_those_of_the_code() -> None:
    for name in ("onnx", "litert"):
        assert BACKENDS[name].delegates == importlib.import_module(BACKENDS[name].module).DELEGATES


def test_a_file_for_another_backend_is_refused(tmp_path: Path) -> None:
    path = tiny_model.build(tmp_path)
    with pytest.raises(PipelineError, match="is for backend 'onnx', got 'litert'"):
        open_runtime(path, "litert")
    with pytest.raises(PipelineError, match=r"suffix '\.bin'"):
        open_runtime(path.rename(tmp_path / "tiny.bin"))
