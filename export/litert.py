"""Checkpoint -> LiteRT (TFLite): windowed [1, 3000, 128] with upstream's tensor contract, short windows, streaming and
audio forms, the frontend by itself; float32, float16, dynamic and static int8, always with float inputs and outputs."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from ai_edge_quantizer.utils import qsv_utils

from inherentd.export.artifacts import SINGLE_PRECISION_BLOCKS, Artifact, Job, Tensor
from inherentd.export.forms import AudioForm, Frontend, StreamingForm, WindowedForm

WINDOWS_FRAMES = (3000, 50, 100)
"""the first is upstream's: 60 s, shorter input padded with zeros"""
FRONTEND_SAMPLES = 16_192
"""50 frames: one second, and the overlap"""
CALIBRATION_STEPS = 1000
"""of speech, 80 s, by which static int8 chooses the range of every tensor: a thousand take this exporter a minute"""
SIGNATURE = "serving_default"
FRONTEND = r".*forms\.Frontend.*"
"""operations of the mel frontend, by their scope"""


class _Named(torch.nn.Module):
    """A form whose inputs are keywords and whose outputs are a dict: these become the tensor names of the file."""

    def __init__(self, form: torch.nn.Module, inputs: list[str], outputs: list[str]) -> None:
        super().__init__()
        self.form = form
        self.inputs, self.outputs = inputs, outputs
        self.eval()

    def forward(self, **named: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.form(*(named[name] for name in self.inputs))
        return dict(zip(self.outputs, found if isinstance(found, tuple) else (found,), strict=True))


def write(job: Job) -> Iterator[Artifact]:
    """Write every LiteRT artifact and yield each as it is done."""
    model, spec = job.folded, job.loaded.frontend
    states = model.initial_state()
    audio = AudioForm(model, spec)
    forms: list[tuple[str, str, torch.nn.Module, dict[str, torch.Tensor], list[str]]] = [
        ("litert", "streaming", StreamingForm(model),
         {"mel_chunk": torch.zeros(1, model.config.step_frames, model.config.mel_bins), **_given(states)}, _told(states)),
        ("litert-audio", "audio", audio, {"samples_chunk": torch.zeros(1, audio.span_samples), **_given(states)}, _told(states)),
        ("litert-frontend", "frontend", Frontend(spec), {"samples": torch.zeros(1, FRONTEND_SAMPLES)}, ["mel_spectrogram"]),
    ]  # fmt: skip
    for frames in WINDOWS_FRAMES:
        variant = "litert-windowed" if frames == WINDOWS_FRAMES[0] else f"litert-windowed-{frames}"
        window = {"mel_spectrogram": torch.zeros(1, frames, model.config.mel_bins)}
        forms.append((variant, "windowed", WindowedForm(model), window, ["intent_output"]))
    for variant, kind, form, given, told in forms:
        path = job.path(variant, ".tflite")
        litert_torch.signature(SIGNATURE, _Named(form, list(given), told), sample_kwargs=given).convert().export(
            str(path)
        )
        yield _artifact(path, kind, "float32")
        if kind == "frontend":
            continue
        for quantization in ("float16", "dynamic-int8", "int8"):
            if quantization == "int8" and not job.clips:
                continue
            smaller = path.with_name(f"{path.stem}-{quantization}.tflite")
            _quantize(path, smaller, quantization, _calibration(job, path, kind, given))
            yield _artifact(smaller, kind, quantization)


def _given(states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"state_{name}": value for name, value in states.items()}


def _told(states: dict[str, torch.Tensor]) -> list[str]:
    return ["intent_output", *(f"next_state_{name}" for name in states)]


def _quantize(source: Path, target: Path, quantization: str, calibration: Iterator[dict[str, np.ndarray]]) -> None:
    """Write a smaller file; what goes in and comes out stays float32, since scales of a state in and out would differ."""
    worker: Any = quantizer.Quantizer(str(source))
    if quantization == "float16":
        weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        worker.update_quantization_recipe(
            ".*", qtyping.TFLOperationName.ALL_SUPPORTED,
            qtyping.OpQuantizationConfig(weight_tensor_config=weights, explicit_dequantize=True,
                                         compute_precision=qtyping.ComputePrecision.FLOAT),
            algorithm_key="float_casting",
        )  # fmt: skip
        # The last layer is small, and makes half of the error.
        worker.update_quantization_recipe(".*", qtyping.TFLOperationName.FULLY_CONNECTED, algorithm_key="no_quantize")
        for stack, index in SINGLE_PRECISION_BLOCKS:
            worker.update_quantization_recipe(
                rf".*Stack_{stack}/[^/]*Block_{index}\b.*",
                qtyping.TFLOperationName.CONV_2D,
                algorithm_key="no_quantize",
            )
        _spare_frontend(worker)
        worker.quantize().export_model(str(target))
    elif quantization == "dynamic-int8":
        worker.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        _spare_frontend(worker)
        worker.quantize().export_model(str(target))
    else:
        # Convolutions only: sums along the residual path would be rounded again at every block, the last sigmoid would leave
        # 256 scores, and states would be handed on in int8, each in a scale of its own.
        convolutions = qtyping.TFLOperationName.CONV_2D
        static: list[Any] = [{**each, "operation": convolutions} for each in recipe.static_wi8_ai8()]
        static.append({"regex": FRONTEND, "operation": convolutions, "algorithm_key": "no_quantize"})
        worker.load_quantization_recipe(static)
        worker.quantize(_ranges(static, source, list(calibration))).export_model(str(target))


def _ranges(static: Any, source: Path, given: list[dict[str, np.ndarray]]) -> Any:
    """Return the least and the greatest value that each tensor took. The quantizer's own `calibrate` averages them over
    steps, which cuts off what is loud: that was four times as far from torch."""
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(static)
    meter: Any = calibrator.Calibrator(str(source), qsv_update_func=qsv_utils.min_max_update)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bars, one for each tensor of each step
        meter.calibrate({SIGNATURE: given}, manager)
    return meter.get_model_qsvs()


def _spare_frontend(worker: Any) -> None:
    """Leave the Fourier transform as it is: half precision and int8 do not hold its dynamic range."""
    worker.update_quantization_recipe(
        regex=FRONTEND, operation_name=qtyping.TFLOperationName.ALL_SUPPORTED, algorithm_key="no_quantize"
    )


def _calibration(job: Job, path: Path, kind: str, given: dict[str, torch.Tensor]) -> Iterator[dict[str, np.ndarray]]:
    """Yield what the form is given over the clips: windows, or steps with its own states fed back."""
    if kind == "windowed":
        frames = given["mel_spectrogram"].shape[1]
        for mel in job.mels[: max(20, 100_000 // frames)]:
            window = np.zeros((1, frames, mel.shape[1]), np.float32)
            window[0, : len(mel)] = mel[:frames]
            yield {"mel_spectrogram": window}
        return
    run = Interpreter(str(path), num_threads=1).get_signature_runner(SIGNATURE)
    state = {name: value.numpy() for name, value in given.items() if name.startswith("state_")}
    first = next(iter(given))
    for step in job.steps(kind, CALIBRATION_STEPS):
        tensors = {first: step, **state}
        yield tensors
        found = run(**tensors)
        state = {name: found[f"next_{name}"] for name in state}


def _artifact(path: Path, form: str, quantization: str) -> Artifact:
    """Return the artifact with the tensors of its signature, by logical name and by their names in the file."""
    interpreter = Interpreter(str(path), num_threads=1)
    tensors: dict[str, Tensor] = {}
    signature = interpreter.get_signature_list()[SIGNATURE]
    runner = interpreter.get_signature_runner(SIGNATURE)
    for names, details in (
        (signature["inputs"], runner.get_input_details()),
        (signature["outputs"], runner.get_output_details()),
    ):
        for index, name in enumerate(names):
            detail = details[name]
            logical = re.sub(r"^((?:next_)?state)_", r"\1.", name)  # TFLite has no dots in names
            tensors[logical] = Tensor(
                name, index, tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"]).name
            )
    return Artifact(path, "litert", form, quantization, tensors)
