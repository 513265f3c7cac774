"""Checkpoint -> ONNX: streaming, windowed and audio forms and the frontend by itself; float32, float16, static int8."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from inherentd.export.artifacts import SINGLE_PRECISION_BLOCKS, Artifact, Job, Tensor
from inherentd.export.forms import AudioForm, BatchedForm, Frontend, StreamingForm, WindowedForm

OPSET = 17
LARGE_WEIGHTS = 2000
"""numbers in a tensor, from which on half precision is worth it"""
CALIBRATION_STEPS = 1000
"""of speech, 80 s, by which static int8 chooses the range of every tensor"""


def write(job: Job) -> Iterator[Artifact]:
    """Write every ONNX artifact and yield each as it is done."""
    model = job.loaded.model
    spec = job.loaded.frontend
    states = tuple(model.initial_state().values())
    names = [f"state.{name}" for name in model.initial_state()]
    scores_and_states = ["intent_output", *(f"next_{name}" for name in names)]
    mel = torch.zeros(1, model.config.step_frames, model.config.mel_bins)

    streaming = job.path("", ".onnx")
    _trace(StreamingForm(model), (mel, *states), streaming, ["mel_chunk", *names], scores_and_states)
    yield _artifact(streaming, "streaming", "float32")
    batched = job.path("batched", ".onnx")
    together = BatchedForm(job.folded)
    batch = torch.zeros(2, *mel.shape[1:])
    _trace(together, (batch, *together.initial_states(2)), batched, ["mel_chunk", *names], scores_and_states,
           dynamic={name: {0: "batch"} for name in ("mel_chunk", *names, *scores_and_states)})  # fmt: skip
    yield _artifact(batched, "streaming", "float32")
    windowed = job.path("windowed", ".onnx")
    window = torch.zeros(1, 50, model.config.mel_bins)
    _trace(
        WindowedForm(model),
        (window,),
        windowed,
        ["mel_spectrogram"],
        ["intent_output"],
        dynamic={"mel_spectrogram": {1: "T"}},
    )
    yield _artifact(windowed, "windowed", "float32")
    audio = job.path("audio", ".onnx")
    form = AudioForm(model, spec)
    chunk = torch.zeros(1, form.span_samples)
    _trace(form, (chunk, *states), audio, ["samples_chunk", *names], scores_and_states)
    yield _artifact(audio, "audio", "float32")
    frontend = job.path("frontend", ".onnx")
    _trace(Frontend(spec), (torch.zeros(1, 16_000),), frontend, ["samples"], ["mel_spectrogram"],
           dynamic={"samples": {1: "samples"}, "mel_spectrogram": {1: "frames"}})  # fmt: skip
    yield _artifact(frontend, "frontend", "float32")

    for path, kind in ((streaming, "streaming"), (windowed, "windowed"), (audio, "audio")):
        half = path.with_name(f"{path.stem}-float16.onnx")
        _float16(path, half)
        yield _artifact(half, kind, "float16")
    if job.clips:
        for path, kind, batches in (
            (streaming, "streaming", _streamed(job, streaming, "streaming")),
            (windowed, "windowed", ({"mel_spectrogram": mel[None]} for mel in job.mels)),
            (audio, "audio", _streamed(job, audio, "audio")),
        ):
            small = path.with_name(f"{path.stem}-int8.onnx")
            _int8(path, small, batches)
            yield _artifact(small, kind, "int8")


def _trace(form: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path, input_names: list[str],
           output_names: list[str], *, dynamic: dict[str, dict[int, str]] | None = None) -> None:  # fmt: skip
    with warnings.catch_warnings():
        # The tracer-based exporter is deprecated in torch, but its graphs run faster here and keep our names.
        warnings.simplefilter("ignore")
        torch.onnx.export(form, inputs, str(path), dynamo=False, opset_version=OPSET, input_names=input_names,
                          output_names=output_names, dynamic_axes=dynamic or {})  # fmt: skip
    onnx.checker.check_model(onnx.load(str(path)))


def _float16(source: Path, target: Path) -> None:
    """Write the network's weights in half precision: half the size. ONNX Runtime casts them once, when it opens the file;
    arithmetic stays float32, since 22 layers of half precision are more than 1e-3 off. What comes before the normalized mel
    stays as it is: half precision does not hold the Fourier transform's dynamic range. So do biases and the last layer: they
    are 1% of the size, and half of the error (measured on the shipped model: 1.5e-3 with them, 8e-4 without)."""
    model = onnx.load(str(source))
    graph = model.graph
    normalized = next(index for index, node in enumerate(graph.node) if node.op_type == "Div")
    exact = {name for node in graph.node[: normalized + 1] for name in node.input}
    spared = tuple(f"/{stack}/blocks.{index}/" for stack, index in SINGLE_PRECISION_BLOCKS)
    exact |= {name for node in graph.node if any(part in node.name for part in spared) for name in node.input}
    casts = []
    for weight in graph.initializer:
        large = np.prod(weight.dims) >= LARGE_WEIGHTS
        if weight.data_type == onnx.TensorProto.FLOAT and large and weight.name not in exact:
            half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}.half")
            casts.append(helper.make_node("Cast", [half.name], [weight.name], to=onnx.TensorProto.FLOAT))
            weight.CopyFrom(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _int8(source: Path, target: Path, batches: Iterator[dict[str, np.ndarray]]) -> None:
    """Write weights (per channel) and activations in 8 bits, ranges from `batches`; inputs and outputs stay float32."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            return next(batches, None)

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    frontend = [node.name for node in onnx.load(str(prepared)).graph.node if "/frontend/" in node.name]
    # Convolutions only: sums along the residual path would be rounded again at every block, and the last sigmoid would
    # leave 256 scores. reduce_range (weights in 7 bits) because of AVX2, whose instruction for u8 times s8 saturates.
    quantize_static(str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"],
                    nodes_to_exclude=frontend)  # fmt: skip
    prepared.unlink()


def _streamed(job: Job, path: Path, form: str) -> Iterator[dict[str, np.ndarray]]:
    """Yield what the streaming or the audio form is given over the clips, its own states fed back."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    state = {
        name: np.zeros(value.shape, np.float32)
        for name, value in zip(inputs[1:], session.get_inputs()[1:], strict=True)
    }
    for step in job.steps(form, CALIBRATION_STEPS):
        given = {inputs[0]: step, **state}
        yield given
        _, *following = session.run(None, given)
        state = dict(zip(inputs[1:], following, strict=True))


def _artifact(path: Path, form: str, quantization: str) -> Artifact:
    graph = onnx.load(str(path)).graph
    tensors: dict[str, Tensor] = {}
    for values in (graph.input, graph.output):
        for index, value in enumerate(values):
            tensor = value.type.tensor_type
            shape = tuple(dimension.dim_value or -1 for dimension in tensor.shape.dim)
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
            tensors[value.name] = Tensor(value.name, index, shape, dtype)
    return Artifact(path, "onnx", form, quantization, tensors)
