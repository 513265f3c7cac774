"""The forms of one model, as modules an exporter can trace: inputs and outputs are named tensors, no dicts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inherentd.inherent_model.architecture import Block, InherentModel, Stack, State
from inherentd.pipeline.frontend import FrontendSpec, hann, mel_filters


class StreamingForm(nn.Module):
    """`(mel_chunk [1, step_frames, bins], *states) -> (intent_output [1, heads], *next states)`: one step."""

    def __init__(self, model: InherentModel) -> None:
        super().__init__()
        self.model = model
        self.state_names = tuple(model.initial_state())
        # A wrapper left in training mode would put the shared network back into it during the export.
        self.eval()

    def forward(self, mel_chunk: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the scores of this step and the next states, in the order of `state_names`."""
        logits, following = self.model(mel_chunk, dict(zip(self.state_names, states, strict=True)))
        return (torch.sigmoid(logits[:, 0]), *(following[name] for name in self.state_names))


class BatchedForm(nn.Module):
    """The streaming form for many streams at once, `(mel_chunk [batch, step_frames, bins], *states [batch, context, channels])
    -> (intent_output [batch, heads], *next states)`, of a model whose normalizations are folded.

    Every convolution is one product of matrices over all streams: a convolution operator works off a batch one by one, each of
    them too small for the processor (measured on 32 streams: 155 µs a step of each, against 35).
    """

    def __init__(self, folded: InherentModel) -> None:
        super().__init__()
        self.model = folded
        self.state_names = tuple(folded.initial_state())
        self.eval()

    def initial_states(self, batch: int) -> tuple[Tensor, ...]:
        """Return the states before the first frame, in the order of `state_names`."""
        return tuple(state.transpose(1, 2).contiguous() for state in self.model.initial_state(batch).values())

    def forward(self, mel_chunk: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the scores of this step and the next states, in the order of `state_names`."""
        state = dict(zip(self.state_names, states, strict=True))
        x = (mel_chunk - self.model.mel_mean) / self.model.mel_std
        following: list[Tensor] = []
        frames = self.model.config.step_frames
        for stack in (self.model.ear, self.model.phrase):
            frames //= 2
            x = self._stack(stack, x, frames, state, following)
        return (torch.sigmoid(self.model.score(x[:, 0])), *following)

    def _stack(self, stack: Stack, x: Tensor, frames: int, state: State, following: list[Tensor]) -> Tensor:
        # Pairs of inputs, each channel's two beside each other as in `Stack.forward`.
        x = x.reshape(-1, frames, 2, x.shape[2]).transpose(2, 3).flatten(2)
        for index, layer in enumerate(stack.over_time()):
            padded = torch.cat([state[f"{stack.name}{index}"], x], dim=1)
            following.append(padded[:, -layer.context :])
            dilation, kernel = layer.convolution.dilation[0], layer.convolution.kernel_size[0]
            taps = [padded[:, tap * dilation : tap * dilation + frames] for tap in range(kernel)]
            mixed = torch.relu(_product(torch.cat(taps, dim=2), layer.convolution))
            block = stack.blocks[index - 1] if index else None
            x = torch.relu(x + _product(mixed, block.pointwise)) if isinstance(block, Block) else mixed
        return x


def _product(columns: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Return a convolution of what each of its outputs hears, [batch, time, taps * channels in]."""
    mixed = columns @ convolution.weight.permute(2, 1, 0).flatten(0, 1)
    return mixed if convolution.bias is None else mixed + convolution.bias


class WindowedForm(nn.Module):
    """`mel_spectrogram [1, T, bins] -> intent_output [1, heads]`: the highest score over the steps of T frames.

    T may be anything from 1: a last frame that fills no step is completed with zeros, which is how shorter input is
    padded everywhere in the windowed contract.
    """

    def __init__(self, model: InherentModel) -> None:
        super().__init__()
        self.model = model
        self.step_frames = model.config.step_frames
        self.eval()

    def forward(self, mel_spectrogram: Tensor) -> Tensor:
        """Return [1, heads] in [0, 1]."""
        padded = nn.functional.pad(mel_spectrogram, (0, 0, 0, self.step_frames - 1))
        whole = (mel_spectrogram.shape[1] + self.step_frames - 1) // self.step_frames * self.step_frames
        logits, _ = self.model(padded[:, :whole], self.model.initial_state())
        return torch.sigmoid(logits).amax(1)


class Frontend(nn.Module):
    """`samples [1, n] -> log-mel [1, frames, bins]`, `pipeline/frontend.py` as convolutions: the window and the Fourier
    transform are one filter bank of cosines and one of sines, `hop_samples` apart.

    A transform as a matrix needs no FFT operator, which few runtimes have, and gives the same power to float32 precision.
    """

    waves: Tensor
    filters: Tensor

    def __init__(self, spec: FrontendSpec) -> None:
        super().__init__()
        self.spec = spec
        bins = np.arange(spec.fft_size // 2 + 1)[:, None]
        phase = 2 * np.pi * (bins * np.arange(spec.window_samples) % spec.fft_size) / spec.fft_size
        waves = np.concatenate([np.cos(phase), np.sin(phase)]) * hann(spec.window_samples)
        self.register_buffer("waves", torch.from_numpy(waves).float()[:, None])
        # The power of a bin is the sum of two squares: the filters add them up as they add up bins.
        self.register_buffer("filters", torch.from_numpy(np.tile(mel_filters(spec), (2, 1))))
        self.eval()

    def forward(self, samples: Tensor) -> Tensor:
        """Return [1, (n - window) // hop + 1, bins] for float32 samples in [-1, 1], n at least a window."""
        parts = nn.functional.conv1d(samples[:, None], self.waves, stride=self.spec.hop_samples)
        power = parts.pow(2).transpose(1, 2)
        return torch.log(torch.clamp(power @ self.filters, min=self.spec.log_floor))


class AudioForm(nn.Module):
    """`(samples_chunk [1, span], *states) -> (intent_output [1, heads], *next states)`: the streaming form that takes
    16 kHz samples.

    A step's frames cover `span_samples`; the next step begins `step_samples` later, so that the last
    `span_samples - step_samples` of a chunk are given again at the beginning of the next one.
    """

    def __init__(self, model: InherentModel, spec: FrontendSpec) -> None:
        super().__init__()
        self.frontend = Frontend(spec)
        self.streaming = StreamingForm(model)
        self.state_names = self.streaming.state_names
        self.step_samples = model.config.step_frames * spec.hop_samples
        self.span_samples = spec.span_samples(model.config.step_frames)
        self.eval()

    def forward(self, samples_chunk: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the scores of this step and the next states, in the order of `state_names`."""
        return self.streaming(self.frontend(samples_chunk), *states)
