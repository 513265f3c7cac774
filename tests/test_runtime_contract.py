"""contracts/runtime_contract.md against the code and the shipped artifacts: who binds by that page binds rightly."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from inherentd.daemon.engine_setup import MODELS
from inherentd.export.forms import AudioForm
from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.pipeline.artifact import FORMS, load_metadata, threshold_key
from inherentd.pipeline.frontend import FrontendSpec

PAGE = (Path(__file__).parents[1] / "contracts" / "runtime_contract.md").read_text()
SPEC = FrontendSpec()


def test_heads_and_keys() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert [(int(index), head, key) for index, head, key in rows] == [
        (index, head, threshold_key(head)) for index, head in enumerate(SHIPPED_HEADS)
    ]


def test_forms_and_their_tensors() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (`.*) \|$", PAGE, re.MULTILINE))
    assert tuple(rows) == FORMS
    streaming = load_metadata(MODELS / "inherent.onnx", SPEC)
    contract = streaming.runtime_tensor_contract
    for form, logical in (("streaming", "mel_chunk"), ("streaming", "intent_output")):
        assert f"`{logical} {list(contract[logical].shape)}`" in rows[form]
    assert {f"state.{state.name}" for state in streaming.states} <= contract.keys()
    windowed = load_metadata(MODELS / "inherent-windowed.onnx", SPEC).runtime_tensor_contract["mel_spectrogram"]
    assert f"`mel_spectrogram {list(windowed.shape)}`".replace("-1", "T") in rows["windowed"]
    assert {state.initial_value for state in streaming.states} == {0.0}
    litert = load_metadata(MODELS / "inherent-litert.tflite", SPEC).runtime_tensor_contract
    assert {tensor.name for logical, tensor in litert.items() if logical.startswith("state.")} == {
        f"state_{state.name}" for state in streaming.states
    }


def test_audio_chunks_overlap_as_told() -> None:
    form = AudioForm(checkpoint.load(MODELS / "inherent.safetensors").model, SPEC)
    told = re.search(
        r"(\d+) samples are given, and the next chunk begins (\d+) samples later \(the last (\d+) again\)", PAGE
    )
    assert told is not None
    assert [int(number) for number in told.groups()] == [
        form.span_samples, form.step_samples, form.span_samples - form.step_samples
    ]  # fmt: skip
    assert f"[1, {form.span_samples}]" in PAGE
    assert f"until there are {form.step_samples} new ones" in PAGE


def test_the_frontend_is_described_with_its_numbers() -> None:
    section = PAGE[PAGE.index("## The frontend") : PAGE.index("## Is it right?")]
    numbers = {float(text) for text in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", section)}
    values = [value for value in dataclasses.asdict(SPEC).values() if isinstance(value, (int, float))]
    assert {float(value) for value in values if value != SPEC.sample_rate_hz} <= numbers
    assert f"{SPEC.sample_rate_hz // 1000} kHz" in section
    for value in dataclasses.asdict(SPEC).values():
        if isinstance(value, str):
            assert value.lower() in section.lower()


def test_the_windows_of_the_tflite_files() -> None:
    from inherentd.export.litert import WINDOWS_FRAMES

    assert all(f"`[1, {frames}, {SPEC.mel_bins}]`" in PAGE for frames in WINDOWS_FRAMES)
