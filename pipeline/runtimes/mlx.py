"""MLX: the network written in mlx.core, with the weights that `export/mlx.py` wrote.

Arrays are [batch, time, channels] here, as MLX's convolutions have them, states too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as _mx
import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError, first_line
from inherentd.pipeline.frontend import FrontendSpec, hann, mel_filters
from inherentd.pipeline.runtimes.processor import DelegateError, Processor
from inherentd.pipeline.runtimes.protocol import Array, Runtime, State
from inherentd.pipeline.runtimes.window import SlidingWindow

mx: Any = _mx


class Network:
    """The causal model over mel [batch, frames, bins], frames a multiple of `step_frames`."""

    def __init__(self, weights: dict[str, Any], shape: dict[str, Any]) -> None:
        self.weights = weights
        self.kernel = int(shape["kernel"])
        self.step_frames = int(shape["step_frames"])
        self.dilations = {"ear": (1, *shape["ear_dilations"]), "phrase": (1, *shape["dilations"])}

    def __call__(self, mel: Any, state: State) -> tuple[Any, dict[str, Any]]:
        """Return scores [batch, steps, heads] and the next state, from mel and the state by name."""
        following: dict[str, Any] = {}
        x = (mel - self.weights["mel_mean"]) / self.weights["mel_std"]
        for stack in ("ear", "phrase"):
            x = self._stack(stack, x, state, following)
        return mx.sigmoid(x @ self.weights["score.weight"].T + self.weights["score.bias"]), following

    def channels(self, stack: str, index: int) -> int:
        """Return how many channels go into a convolution over time."""
        return self.weights[f"{stack}.over_time{index}.weight"].shape[2]

    def _stack(self, stack: str, x: Any, state: State, following: dict[str, Any]) -> Any:
        batch, time, channels = x.shape
        x = x.reshape(batch, time // 2, 2 * channels)
        for index, dilation in enumerate(self.dilations[stack]):
            name = f"{stack}{index}"
            padded = mx.concatenate([state[name], x], axis=1)
            following[name] = padded[:, padded.shape[1] - (self.kernel - 1) * dilation :]
            over_time = mx.maximum(self._convolve(f"{stack}.over_time{index}", padded, dilation), 0)
            x = mx.maximum(x + self._convolve(f"{stack}.pointwise{index}", over_time, 1), 0) if index else over_time
        return x

    def _convolve(self, name: str, x: Any, dilation: int) -> Any:
        return mx.conv1d(x, self.weights[f"{name}.weight"], dilation=dilation) + self.weights[f"{name}.bias"]


class Frontend:
    """16 kHz samples [1, n] -> log-mel [1, frames, bins], as `pipeline/frontend.py`."""

    def __init__(self, spec: FrontendSpec) -> None:
        self.spec = spec
        self.window = mx.array(hann(spec.window_samples))
        self.filters = mx.array(mel_filters(spec))

    def __call__(self, samples: Any) -> Any:
        """Return [1, (n - window) // hop + 1, bins]."""
        spec = self.spec
        starts = mx.arange(spec.frame_count(samples.shape[1])) * spec.hop_samples
        framed = samples[0][starts[:, None] + mx.arange(spec.window_samples)] * self.window
        power = mx.square(mx.abs(mx.fft.rfft(framed, spec.fft_size)))
        return mx.log(mx.maximum(power @ self.filters, spec.log_floor))[None]


class MlxStreaming:
    """One step at a time; the state stays in MLX's arrays."""

    def __init__(self, metadata: ArtifactMetadata, network: Network, frontend: Frontend | None) -> None:
        self.metadata = metadata
        self.processor = Processor(metadata.backend, "cpu", "cpu")
        self.step_frames = network.step_frames
        self._network = network
        self._frontend = frontend

    def initial_state(self) -> State:
        """Return the state before the first frame, by the network's names."""
        return {
            state.name: mx.full(self.metadata.runtime_tensor_contract[f"state.{state.name}"].shape, state.initial_value)
            for state in self.metadata.states
        }

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Return the scores [heads] and the next state."""
        mel = mx.array(given)
        scores, following = self._network(mel if self._frontend is None else self._frontend(mel), state)
        mx.eval(scores, *following.values())
        return np.array(scores[0, 0]), following


def open_model(model: Path, metadata: ArtifactMetadata, delegate: str = "cpu") -> Runtime:
    """Return a runtime for what `export/mlx.py` wrote. PipelineError when it is something else; DelegateError for what is
    neither the CPU nor a GPU that MLX has here."""
    if delegate not in ("cpu", "gpu"):
        raise DelegateError(f"MLX has no delegate {delegate!r}; it knows gpu")
    if delegate == "gpu" and not mx.metal.is_available() and not mx.is_available(mx.gpu):
        raise DelegateError("MLX has no GPU here")
    mx.set_default_device(mx.gpu if delegate == "gpu" else mx.cpu)
    try:
        weights, header = mx.load(str(model), return_metadata=True)
        network = Network(weights, json.loads(header["shape"]))
    except Exception as error:  # MLX raises types of its own for a file that it cannot read
        raise PipelineError(f"model {model}: MLX cannot load it ({first_line(error)})") from error
    frontend = metadata.frontend or FrontendSpec()
    if metadata.form != "windowed":
        return MlxStreaming(metadata, network, Frontend(frontend) if metadata.form == "audio" else None)

    def score(mel: Array) -> Array:
        missing = -mel.shape[1] % network.step_frames
        padded = mx.array(np.pad(mel, ((0, 0), (0, missing), (0, 0))))
        state = {f"{stack}{index}": mx.zeros((1, (network.kernel - 1) * dilation, network.channels(stack, index)))
                 for stack, dilations in network.dilations.items() for index, dilation in enumerate(dilations)}  # fmt: skip
        scores, _ = network(padded, state)
        return np.array(scores[0].max(axis=0))

    return SlidingWindow(metadata, score, static_frames=None)
