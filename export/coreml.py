"""Checkpoint -> Core ML packages: windowed and streaming (its memory as Core ML states), float16, and 4-bit palettized.

Conversion runs anywhere; prediction needs macOS, and every note says whether it was run.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import coremltools as _coremltools
import numpy as np
import torch

from inherentd.export.artifacts import Artifact, Job, Tensor
from inherentd.export.forms import WindowedForm
from inherentd.inherent_model.architecture import InherentModel

coremltools: Any = _coremltools
PALETTE_BITS = 4
MOST_FRAMES = 3000
NOT_RUN = "" if sys.platform == "darwin" else f"not run: Core ML predicts on macOS only, this is {sys.platform}"


class _Remembering(torch.nn.Module):
    """`mel_chunk -> intent_output`: the streaming form whose states are buffers that it writes to itself."""

    def __init__(self, model: InherentModel) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(model.initial_state())
        for name, value in model.initial_state().items():
            self.register_buffer(name, value)
        self.eval()

    def forward(self, mel_chunk: torch.Tensor) -> torch.Tensor:
        logits, following = self.model(mel_chunk, {name: getattr(self, name) for name in self.names})
        for name in self.names:
            getattr(self, name)[:] = following[name]
        return torch.sigmoid(logits[:, 0])


def write(job: Job) -> Iterator[Artifact]:
    """Write every Core ML package and yield each as it is done."""
    model = job.folded
    config = model.config
    states = [
        coremltools.StateType(coremltools.TensorType(shape=tuple(value.shape), dtype=np.float16), name=name)
        for name, value in model.initial_state().items()
    ]
    step = torch.zeros(1, config.step_frames, config.mel_bins)
    frames = coremltools.RangeDim(config.step_frames, MOST_FRAMES, default=100)
    for variant, form, module, example, shape, held in (
        ("coreml", "streaming", _Remembering(model), step, tuple(step.shape), states),
        ("coreml-windowed", "windowed", WindowedForm(model), torch.zeros(1, 100, config.mel_bins),
         (1, frames, config.mel_bins), []),
    ):  # fmt: skip
        name = "mel_chunk" if form == "streaming" else "mel_spectrogram"
        package = _convert(module, example, name, shape, held)
        contract = {name: Tensor(name, 0, (1, -1 if form == "windowed" else config.step_frames, config.mel_bins)),
                    "intent_output": Tensor("intent_output", 0, (1, len(config.heads)))}  # fmt: skip
        contract |= {f"state.{state}": Tensor(state, 0, tuple(value.shape), "float16")
                     for state, value in model.initial_state().items() if held}  # fmt: skip
        for quantization, made in (("float16", package), (f"palettized-{PALETTE_BITS}bit", _palettized(package))):
            path = job.path(variant if quantization == "float16" else f"{variant}-{quantization}", ".mlpackage")
            made.save(str(path))
            yield Artifact(path, "coreml", form, quantization, contract, not_run=NOT_RUN)


def _convert(
    module: torch.nn.Module, example: torch.Tensor, name: str, shape: tuple[Any, ...], states: list[Any]
) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, example, check_trace=False)
        return coremltools.convert(
            traced,
            inputs=[coremltools.TensorType(name=name, shape=shape, dtype=np.float32)],
            outputs=[coremltools.TensorType(name="intent_output", dtype=np.float32)],
            states=states or None,
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS18,
        )


def _palettized(package: Any) -> Any:
    optimize = coremltools.optimize.coreml
    palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=PALETTE_BITS)
    return optimize.palettize_weights(package, optimize.OptimizationConfig(global_config=palette))
