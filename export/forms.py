"""The forms of one model, as modules an exporter can trace: inputs and outputs are named tensors, no dicts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inherentd.inherent_model.architecture import InherentModel
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
