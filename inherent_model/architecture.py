"""The causal model, written once: `forward(mel, state) -> (logits per step, next state)`.

The ear, residual blocks of causal convolutions over frames of 40 ms, hears sounds; the same kind of blocks over steps of
80 ms, with growing dilation, understands phrases; then a linear layer per head. Every layer with memory names its
state, the state is a plain dict of tensors, and all memory is a finite left context: nothing can drift over days.
Windowed, streaming and audio forms (export/) are this function; training runs it from the initial state over whole clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network. Receptive field: `receptive_field_frames`."""

    heads: tuple[str, ...]
    mel_bins: int = 128
    ear_channels: int = 128
    ear_dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    """one residual block each, over pairs of frames"""
    channels: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """one residual block each, over steps; the phoneme output is read after `phoneme_blocks` of them"""
    kernel: int = 3
    dropout: float = 0.1
    """in training only, after every block"""
    phoneme_blocks: int = 1
    phonemes_per_step: int = 3
    """the phoneme output looks this often a step, because speech has more than one phoneme in 80 ms"""
    phonemes: tuple[str, ...] = ()
    """symbols of the auxiliary phoneme output, without the CTC blank (index 0); empty: no such output"""

    step_frames: ClassVar[int] = 4
    """a score per so many frames: they are paired twice"""

    @property
    def receptive_field_frames(self) -> int:
        """Return how many frames back a score can depend on, its own step's included."""
        pairs, steps = ((self.kernel - 1) * (1 + sum(dilations)) for dilations in (self.ear_dilations, self.dilations))
        return self.step_frames * (1 + steps) + 2 * pairs


class CausalConvolution(nn.Module):
    """Convolution over time that sees the past only; its state is the last `context` inputs,
    [batch, channels, context]."""

    def __init__(self, channels_in: int, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.context = (kernel - 1) * dilation
        self.convolution = nn.Conv1d(channels_in, channels, kernel, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def initial_state(self, batch: int) -> Tensor:
        """Return the context before the first input."""
        return torch.zeros(batch, self.convolution.in_channels, self.context)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, channels, time] before its activation, and the next context."""
        padded = torch.cat([context, x], dim=2)
        return self.norm(self.convolution(padded)), padded[:, :, -self.context :]


class Block(nn.Module):
    """Residual block: a causal convolution over time, then a pointwise one."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.over_time = CausalConvolution(channels, channels, kernel, dilation)
        self.pointwise = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, channels, time] and the next context, from the same shapes."""
        mixed, following = self.over_time(x, context)
        mixed = self.norm(self.pointwise(torch.relu(mixed)))
        return self.dropout(torch.relu(x + mixed)), following


class Stack(nn.Module):
    """Pairs of inputs, a causal convolution over them, and residual blocks: half as many outputs as inputs. Its states are
    `NAME0` of the first convolution, `NAME1` of the first block, and so on."""

    def __init__(
        self, name: str, channels_in: int, channels: int, kernel: int, *, dilations: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__()
        self.name = name
        self.entry = CausalConvolution(2 * channels_in, channels, kernel)
        self.blocks = nn.ModuleList(Block(channels, kernel, dilation, dropout) for dilation in dilations)

    def initial_state(self, batch: int) -> State:
        """Return the state of every convolution over time, by name."""
        return {f"{self.name}{index}": layer.initial_state(batch) for index, layer in enumerate(self.over_time())}

    def over_time(self) -> list[CausalConvolution]:
        """Return the layers that have memory."""
        return [self.entry, *(block.over_time for block in self.blocks)]  # pyright: ignore[reportReturnType]

    def forward(self, x: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Return what comes out of the entry and of every block, each [batch, channels, time / 2], and the next state,
        from [batch, channels_in, time], time even."""
        following: State = {}
        x = x.unflatten(2, (-1, 2)).transpose(2, 3).flatten(1, 2)
        x, following[f"{self.name}0"] = self.entry(x, state[f"{self.name}0"])
        outputs = [torch.relu(x)]
        for index, block in enumerate(self.blocks, 1):
            x, following[f"{self.name}{index}"] = block(outputs[-1], state[f"{self.name}{index}"])
            outputs.append(x)
        return outputs, following


class InherentModel(nn.Module):
    """Gate and intents over log-mel frames. `mel_mean` and `mel_std` (per bin) come from the training data."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_mean", torch.zeros(config.mel_bins))
        self.register_buffer("mel_std", torch.ones(config.mel_bins))
        self.ear = Stack("ear", config.mel_bins, config.ear_channels, config.kernel,
                         dilations=config.ear_dilations, dropout=config.dropout)  # fmt: skip
        self.phrase = Stack("phrase", config.ear_channels, config.channels, config.kernel,
                            dilations=config.dilations, dropout=config.dropout)  # fmt: skip
        self.score = nn.Linear(config.channels, len(config.heads))
        symbols = config.phonemes_per_step * (len(config.phonemes) + 1)
        self.phoneme = nn.Linear(config.channels, symbols) if config.phonemes else None

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first frame: zeros, float32, by name."""
        return self.ear.initial_state(batch) | self.phrase.initial_state(batch)

    def forward(self, mel: Tensor, state: State) -> tuple[Tensor, State]:
        """Return head logits [batch, steps, heads] and the next state.

        mel: float32 [batch, frames, mel_bins], frames a multiple of `step_frames`; state: as `initial_state` gives
        it. A score is the sigmoid of its logit.
        """
        understood, _, following = self.understand(mel, state)
        return self.score(understood[-1]), following

    def understand(self, mel: Tensor, state: State) -> tuple[list[Tensor], Tensor | None, State]:
        """Return what comes out of the phrase's entry and of each of its blocks, [batch, steps, channels] each, of which
        the heads read the last; the phoneme logits [batch, steps * phonemes_per_step, symbols + 1], None without them; and
        the next state. Inputs as of `forward`."""
        x = ((mel - self.mel_mean) / self.mel_std).transpose(1, 2)
        heard, ear = self.ear(x, state)
        outputs, phrase = self.phrase(heard[-1], state)
        understood = [output.transpose(1, 2) for output in outputs]
        phonemes = None
        if self.phoneme is not None:
            early = understood[self.config.phoneme_blocks]
            phonemes = self.phoneme(early).reshape(early.shape[0], -1, len(self.config.phonemes) + 1)
        return understood, phonemes, ear | phrase
