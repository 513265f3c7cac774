"""The two forms of one model, as modules an exporter can trace: inputs and outputs are named tensors, no dicts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inherentd.inherent_model.architecture import InherentModel


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
