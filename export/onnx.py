"""Checkpoint -> ONNX, streaming and windowed, float32."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from inherentd.export.forms import StreamingForm, WindowedForm
from inherentd.inherent_model.architecture import InherentModel

OPSET = 17


def export_streaming(model: InherentModel, path: Path) -> None:
    """Write the streaming form: one step, named states in and out, every shape fixed."""
    form = StreamingForm(model)
    states = tuple(model.initial_state().values())
    mel = torch.zeros(1, model.config.step_frames, model.config.mel_bins)
    _export(
        form,
        (mel, *states),
        path,
        input_names=["mel_chunk", *(f"state.{name}" for name in form.state_names)],
        output_names=["intent_output", *(f"next_state.{name}" for name in form.state_names)],
        dynamic={},
    )


def export_windowed(model: InherentModel, path: Path) -> None:
    """Write the windowed form, its number of frames T dynamic."""
    mel = torch.zeros(1, 50, model.config.mel_bins)
    _export(WindowedForm(model), (mel,), path, input_names=["mel_spectrogram"], output_names=["intent_output"],
            dynamic={"mel_spectrogram": {1: "T"}})  # fmt: skip


def _export(form: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, *, input_names: list[str],
            output_names: list[str], dynamic: dict[str, dict[int, str]]) -> None:  # fmt: skip
    with warnings.catch_warnings():
        # The tracer-based exporter is deprecated in torch, but its graphs run faster here and keep our names.
        warnings.simplefilter("ignore")
        torch.onnx.export(form, inputs, str(path), dynamo=False, opset_version=OPSET, input_names=input_names,
                          output_names=output_names, dynamic_axes=dynamic)  # fmt: skip
    onnx.checker.check_model(onnx.load(str(path)))
