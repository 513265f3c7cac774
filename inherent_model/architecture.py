"""The causal model, written once: `forward(mel, state) -> (logits per step, next state)`.

A stem halves the frame rate (one step = `step_frames` frames), residual blocks of depthwise and pointwise causal
convolutions follow, then a linear layer per head. Every layer with memory names its state, the state is a plain
dict of tensors, and all memory is a finite left context: nothing can drift over days. Windowed, streaming and audio
forms (export/) are this function; training runs it from the initial state over whole clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network. Receptive field: `receptive_field_frames`."""

    heads: tuple[str, ...]
    mel_bins: int = 128
    channels: int = 192
    stem_kernel_frames: int = 6
    step_frames: int = 2
    kernel_steps: int = 5
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 8)
    """one residual block each; the phoneme output is read after `phoneme_blocks` of them"""
    phoneme_blocks: int = 4
    phonemes: tuple[str, ...] = ()
    """symbols of the auxiliary phoneme output, without the CTC blank (index 0); empty: no such output"""

    @property
    def receptive_field_frames(self) -> int:
        """Return how many frames back a score can depend on."""
        return self.stem_kernel_frames + self.step_frames * (self.kernel_steps - 1) * sum(self.dilations)


class Block(nn.Module):
    """Residual causal block: depthwise convolution over time, then two pointwise layers' worth of mixing.

    In training the depthwise convolution is written as shifted multiply-adds, which on many CPUs is faster backwards
    than a grouped convolution. Its state is the last `context_steps` inputs, shape [batch, channels, context_steps].
    """

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.context_steps = (kernel - 1) * dilation
        self.depthwise = nn.Parameter(torch.randn(kernel, channels, 1) / kernel**0.5)
        self.norm = nn.BatchNorm1d(channels)
        self.pointwise = nn.Conv1d(channels, channels, 1, bias=False)
        self.out_norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, channels, steps] and the next context, from the same shapes."""
        steps = x.shape[2]
        padded = torch.cat([context, x], dim=2)
        if steps == 1:
            # One step, as the daemon runs it: five taps, one product, one sum.
            mixed = (padded[:, :, :: self.dilation] * self.depthwise.permute(2, 1, 0)).sum(2, keepdim=True)
        elif self.training:
            mixed = padded[:, :, :steps] * self.depthwise[0]
            for tap in range(1, self.depthwise.shape[0]):
                start = tap * self.dilation
                mixed = mixed + padded[:, :, start : start + steps] * self.depthwise[tap]
        else:
            # The same sum as one operation: exporters fold the norm into it.
            kernel = self.depthwise.permute(1, 2, 0)
            mixed = nn.functional.conv1d(padded, kernel, dilation=self.dilation, groups=x.shape[1])
        mixed = self.out_norm(self.pointwise(torch.relu(self.norm(mixed))))
        return torch.relu(x + mixed), padded[:, :, padded.shape[2] - self.context_steps :]


class InherentModel(nn.Module):
    """Gate and intents over log-mel frames. `mel_mean` and `mel_std` (per bin) come from the training data."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_mean", torch.zeros(config.mel_bins))
        self.register_buffer("mel_std", torch.ones(config.mel_bins))
        self.stem = nn.Conv1d(
            config.mel_bins, config.channels, config.stem_kernel_frames, stride=config.step_frames, bias=False
        )
        self.stem_norm = nn.BatchNorm1d(config.channels)
        self.blocks = nn.ModuleList(
            Block(config.channels, config.kernel_steps, dilation) for dilation in config.dilations
        )
        self.score = nn.Linear(config.channels, len(config.heads))
        self.phoneme = nn.Linear(config.channels, len(config.phonemes) + 1) if config.phonemes else None

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first frame: zeros, float32, by name."""
        config = self.config
        state = {"stem": torch.zeros(batch, config.mel_bins, config.stem_kernel_frames - config.step_frames)}
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            state[f"block{index}"] = torch.zeros(batch, config.channels, block.context_steps)
        return state

    def forward(self, mel: Tensor, state: State) -> tuple[Tensor, State]:
        """Return head logits [batch, steps, heads] and the next state.

        mel: float32 [batch, frames, mel_bins], frames a multiple of `step_frames`; state: as `initial_state` gives
        it. A score is the sigmoid of its logit.
        """
        logits, _, state = self.forward_with_phonemes(mel, state)
        return logits, state

    def forward_with_phonemes(self, mel: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        """Return head logits, phoneme logits [batch, steps, symbols + 1] (None without them) and the next state."""
        following: State = {}
        x = ((mel - self.mel_mean) / self.mel_std).transpose(1, 2)
        padded = torch.cat([state["stem"], x], dim=2)
        following["stem"] = padded[:, :, padded.shape[2] - state["stem"].shape[2] :]
        x = torch.relu(self.stem_norm(self.stem(padded)))
        phonemes = None
        for index, block in enumerate(self.blocks):
            x, following[f"block{index}"] = block(x, state[f"block{index}"])
            if self.phoneme is not None and index + 1 == self.config.phoneme_blocks:
                phonemes = self.phoneme(x.transpose(1, 2))
        return self.score(x.transpose(1, 2)), phonemes, following
