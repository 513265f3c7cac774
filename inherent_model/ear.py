"""The ear: log-mel frames -> one embedding of the last 0.8 s of sound a step, causal, with named state.

Its second part has the shape of Google's speech_embedding network (Lin, Kilgour, Roblek & Sharifi 2020, "Training
keyword spotters with limited and synthesized speech data"), so that its weights, which have heard far more voices
than we ever can, are where training begins (`inherent ear`). Its first part, the adapter, turns our frames (128 bins
every 20 ms) into what that network was trained on (32 bins every 10 ms).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_BINS = 32
"""mel bins of a frame between adapter and network"""
FRAMES_PER_INPUT = 2
"""of these frames (10 ms) for each of ours (20 ms)"""
STEP_FRAMES = 4
"""our frames per embedding: the pooling layers halve 10 ms frames three times"""
CONTEXT = 2
"""frames of the past that a convolution over time (kernel 3) keeps, at its own rate"""
LEAK = 0.2
# Time and frequency factors of the pooling after each stage; speech_embedding's own.
POOLS = ((2, 2), (1, 2), (2, 2), (1, 2), (2, 2))


class EarConvolution(nn.Module):
    """A convolution over frequency (kernel 1x3), over time (3x1) or both, with speech_embedding's activation.

    Over time it is causal: its state is the last two input frames, [batch, channels, 2, bins].
    """

    def __init__(self, channels_in: int, channels: int, kernel: tuple[int, int], *, last: bool = False) -> None:
        super().__init__()
        self.over_time = kernel[0] > 1
        self.last = last
        self.convolution = nn.Conv2d(channels_in, channels, kernel, padding=(0, kernel[1] // 2))
        # He et al. 2015: without it an ear that begins at random, twenty layers deep, would let nothing through.
        nn.init.kaiming_normal_(self.convolution.weight, a=LEAK)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, channels, time, bins] of an input that carries its context in front."""
        x = self.convolution(x)
        # The original: leaky ReLU with slope 0.2, cut off below at -0.4.
        return x if self.last else nn.functional.leaky_relu(x, LEAK).clamp(min=-0.4)


class Ear(nn.Module):
    """Adapter and network; `channels` of the four widths (24, 48, 72, 96 in the original)."""

    def __init__(self, mel_bins: int, adapter_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.mel_bins = mel_bins
        self.hidden = nn.Conv1d(mel_bins, adapter_channels, CONTEXT + 1)
        self.frames = nn.Conv1d(adapter_channels, FRAMES_PER_INPUT * INPUT_BINS, 1)
        widths = (*channels, channels[-1])
        layers: list[EarConvolution] = []
        self.pool_after: dict[int, tuple[int, int]] = {}
        before = 1
        for stage, (width, pool) in enumerate(zip(widths, POOLS, strict=True)):
            kernels = ((3, 3), (1, 3), (3, 1)) if stage == 0 else ((1, 3), (3, 1), (1, 3), (3, 1))
            for kernel in kernels:
                layers.append(EarConvolution(before, width, kernel))
                before = width
            self.pool_after[len(layers) - 1] = pool
        layers.append(EarConvolution(before, before, (3, 1), last=True))
        self.layers = nn.ModuleList(layers)
        self.embedding_size = before

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return the state before the first frame: zeros, float32, by name."""
        state = {"adapter": torch.zeros(batch, self.mel_bins, CONTEXT)}
        channels, bins = 1, INPUT_BINS
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, EarConvolution)
            if layer.over_time:
                state[f"ear{index}"] = torch.zeros(batch, channels, CONTEXT, bins)
            channels = layer.convolution.out_channels
            bins //= self.pool_after.get(index, (1, 1))[1]
        return state

    def forward(self, mel: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return embeddings [batch, embedding_size, steps] and the next state, from normalized log-mel
        [batch, mel_bins, frames], frames a multiple of `STEP_FRAMES`."""
        following: dict[str, Tensor] = {}
        padded = torch.cat([state["adapter"], mel], dim=2)
        following["adapter"] = padded[:, :, -CONTEXT:]
        x = self.frames(torch.relu(self.hidden(padded)))
        # Two 10 ms frames stand in the channels of one of ours: lay them one after the other in time.
        x = x.reshape(x.shape[0], FRAMES_PER_INPUT, INPUT_BINS, -1).permute(0, 3, 1, 2)
        x = x.reshape(x.shape[0], 1, -1, INPUT_BINS)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, EarConvolution)
            if layer.over_time:
                x = torch.cat([state[f"ear{index}"], x], dim=2)
                following[f"ear{index}"] = x[:, :, -CONTEXT:]
            x = layer(x)
            if index in self.pool_after:
                x = nn.functional.max_pool2d(x, self.pool_after[index])
        return x[:, :, :, 0], following
