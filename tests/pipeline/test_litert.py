"""LiteRT with the model that ships: accelerators that are refused, and one that is there (OpenVINO on the CPU)."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from inherentd.daemon.engine_setup import SHIPPED_MODELS
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes import litert, open_runtime

MODEL = SHIPPED_MODELS["litert"]
MEL = np.random.default_rng(0).normal(-8, 2, (1, 4, FrontendSpec().mel_bins)).astype(np.float32)


@pytest.mark.parametrize("delegate", [*litert.DELEGATES, "coreml"])
def test_what_was_asked_for_runs_or_it_is_told_why_not(delegate: str, capfd: pytest.CaptureFixture[str]) -> None:
    processor = open_runtime(MODEL, delegate=delegate).processor
    assert processor.asked == delegate
    assert (processor.running == delegate) == (processor.reason == "")
    said = capfd.readouterr()
    assert (said.out, said.err if processor.reason else "") == ("", "")
    if processor.reason:
        assert processor.running == "cpu"
        assert "\n" not in str(processor)
        assert not processor.reason.startswith("ERROR")
        with pytest.raises(PipelineError, match=f"delegate '{delegate}' of backend 'litert'"):
            open_runtime(MODEL, delegate=delegate, strict_delegate=True)


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="Intel's package is for Linux on x86-64"
)
def test_openvino_really_runs() -> None:
    """Compiled by Intel's package: other kernels than XNNPACK, so that scores differ a little, and by little."""
    openvino, cpu = (open_runtime(MODEL, delegate=name, strict_delegate=True) for name in ("openvino", "cpu"))
    assert openvino.processor.running == "openvino"
    states = [runtime.initial_state() for runtime in (openvino, cpu)]
    differences = []
    for _ in range(100):
        (one, states[0]), (other, states[1]) = (
            runtime.step(MEL, state) for runtime, state in zip((openvino, cpu), states, strict=True)
        )
        differences.append(np.abs(one - other).max())
    assert 0 < max(differences) < 2e-3


def test_a_vendor_whose_package_is_missing_is_named() -> None:
    reason = open_runtime(MODEL, delegate="qualcomm").processor.reason
    assert "ai-edge-litert-sdk-qualcomm" in reason


def test_a_damaged_file_is_not_blamed_on_the_accelerator(tmp_path: Path) -> None:
    from inherentd.pipeline.artifact import load_metadata
    from inherentd.pipeline.runtimes.litert import open_model

    path = tmp_path / "broken.tflite"
    path.write_bytes(MODEL.read_bytes()[:100_000])
    with pytest.raises(PipelineError, match="LiteRT cannot load it"):
        open_model(path, load_metadata(MODEL, FrontendSpec()), "tpu")
