"""The network that the upstream project's windowed artifacts come from, with random weights: a Conformer (Gulati et al. 2020)
of 6 layers of width 256 over log-mel at 50 Hz. For speed only: it was never trained here."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn


class FeedForward(nn.Sequential):
    """Half a step of it is added on either side of a layer."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class ConvolutionModule(nn.Module):
    """Pointwise with a gate, depthwise over time, pointwise."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.leave = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, time, width]."""
        gated = nn.functional.glu(self.enter(self.norm(x).transpose(1, 2)), 1)
        return self.leave(nn.functional.silu(self.batch_norm(self.depthwise(gated)))).transpose(1, 2)


class Layer(nn.Module):
    """Feed-forward, attention, convolution, feed-forward."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.before, self.after = FeedForward(width), FeedForward(width)
        self.attention_norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads = heads
        self.convolution = ConvolutionModule(width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, time, width]."""
        x = x + 0.5 * self.before(x)
        batch, time, width = x.shape
        projected = self.project(self.attention_norm(x)).reshape(batch, time, 3, self.heads, width // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        attention = torch.softmax(query @ key.transpose(2, 3) / (width // self.heads) ** 0.5, -1)
        x = x + self.leave((attention @ value).transpose(1, 2).reshape(batch, time, width))
        x = x + self.convolution(x)
        return self.last_norm(x + 0.5 * self.after(x))


class Conformer(nn.Module):
    """`mel_spectrogram [1, T, 128] -> intent_output [1, 13]`."""

    def __init__(self, layers: int = 6, width: int = 256, heads: int = 4, kernel: int = 31, outputs: int = 13) -> None:
        super().__init__()
        self.enter = nn.Linear(128, width)
        self.layers = nn.Sequential(*(Layer(width, heads, kernel) for _ in range(layers)))
        self.score = nn.Linear(width, outputs)
        self.eval()

    def forward(self, mel_spectrogram: Tensor) -> Tensor:
        """Return the highest score over time."""
        return torch.sigmoid(self.score(self.layers(self.enter(mel_spectrogram)))).amax(1)


def export(path: Path, frames: int) -> None:
    """Write it as ONNX for windows of so many frames."""
    torch.manual_seed(0)
    torch.onnx.export(Conformer(), (torch.zeros(1, frames, 128),), str(path), dynamo=False, opset_version=17,
                      input_names=["mel_spectrogram"], output_names=["intent_output"])  # fmt: skip
