"""The causal model, written once: `forward(mel, state) -> (logits per step, next state)`.

The ear (`ear.py`) turns every 80 ms of frames into an embedding of what was just heard; residual blocks of causal
convolutions with growing dilation follow, which hear whole phrases; then a linear layer per head. Every layer with
memory names its state, the state is a plain dict of tensors, and all memory is a finite left context: nothing can
drift over days. Windowed, streaming and audio forms (export/) are this function; training runs it from the initial
state over whole clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from inherentd.inherent_model.ear import CONTEXT, STEP_FRAMES, Ear

State = dict[str, Tensor]
EAR_REACH_FRAMES = 40
"""how many of our frames an embedding covers: 76 frames of 10 ms, and the adapter's two of ours"""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network. Receptive field: `receptive_field_frames`."""

    heads: tuple[str, ...]
    mel_bins: int = 128
    adapter_channels: int = 96
    ear_channels: tuple[int, ...] = (24, 48, 72, 96)
    channels: int = 128
    kernel_steps: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """one residual block each; the phoneme output is read after `phoneme_blocks` of them"""
    dropout: float = 0.1
    """in training only, before the first convolution and after every block"""
    phoneme_blocks: int = 1
    phonemes_per_step: int = 3
    """the phoneme output looks this often a step, because speech has more than one phoneme in 80 ms"""
    phonemes: tuple[str, ...] = ()
    """symbols of the auxiliary phoneme output, without the CTC blank (index 0); empty: no such output"""

    step_frames: ClassVar[int] = STEP_FRAMES

    @property
    def receptive_field_frames(self) -> int:
        """Return how many frames back a score can depend on."""
        return EAR_REACH_FRAMES + STEP_FRAMES * (self.kernel_steps - 1) * (1 + sum(self.dilations))


class CausalConvolution(nn.Module):
    """Convolution over time that sees the past only; its state is the last `context_steps` inputs,
    [batch, channels, context_steps]."""

    def __init__(self, channels_in: int, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.context_steps = (kernel - 1) * dilation
        self.convolution = nn.Conv1d(channels_in, channels, kernel, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, channels, steps] before its activation, and the next context."""
        padded = torch.cat([context, x], dim=2)
        return self.norm(self.convolution(padded)), padded[:, :, padded.shape[2] - self.context_steps :]


class Block(nn.Module):
    """Residual block: a causal convolution over time, then a pointwise one."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.over_time = CausalConvolution(channels, channels, kernel, dilation)
        self.pointwise = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, channels, steps] and the next context, from the same shapes."""
        mixed, following = self.over_time(x, context)
        mixed = self.norm(self.pointwise(torch.relu(mixed)))
        return self.dropout(torch.relu(x + mixed)), following


class InherentModel(nn.Module):
    """Gate and intents over log-mel frames. `mel_mean` and `mel_std` (per bin) come from the training data."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_mean", torch.zeros(config.mel_bins))
        self.register_buffer("mel_std", torch.ones(config.mel_bins))
        self.ear = Ear(config.mel_bins, config.adapter_channels, config.ear_channels)
        # Scales embeddings only; learns nothing, so that a frozen ear stays frozen.
        self.embedding_norm = nn.BatchNorm1d(self.ear.embedding_size, affine=False)
        self.dropout = nn.Dropout(config.dropout)
        self.entry = CausalConvolution(self.ear.embedding_size, config.channels, config.kernel_steps)
        self.blocks = nn.ModuleList(
            Block(config.channels, config.kernel_steps, dilation, config.dropout) for dilation in config.dilations
        )
        self.score = nn.Linear(config.channels, len(config.heads))
        symbols = config.phonemes_per_step * (len(config.phonemes) + 1)
        self.phoneme = nn.Linear(config.channels, symbols) if config.phonemes else None

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first frame: zeros, float32, by name."""
        state = self.ear.initial_state(batch)
        state["entry"] = torch.zeros(batch, self.ear.embedding_size, self.entry.context_steps)
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            state[f"block{index}"] = torch.zeros(batch, self.config.channels, block.over_time.context_steps)
        return state

    def forward(self, mel: Tensor, state: State) -> tuple[Tensor, State]:
        """Return head logits [batch, steps, heads] and the next state.

        mel: float32 [batch, frames, mel_bins], frames a multiple of `step_frames`; state: as `initial_state` gives
        it. A score is the sigmoid of its logit.
        """
        embeddings, heard = self.listen(mel, state)
        logits, _, understood = self.understand(embeddings, state)
        return logits, {**heard, **understood}

    def listen(self, mel: Tensor, state: State) -> tuple[Tensor, State]:
        """Return embeddings [batch, embedding_size, steps] and the ear's next state: the first half of `forward`."""
        return self.ear(((mel - self.mel_mean) / self.mel_std).transpose(1, 2), state)

    def understand(self, embeddings: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        """Return head logits, phoneme logits [batch, steps * phonemes_per_step, symbols + 1] (None without them) and
        the next state of the blocks: the second half of `forward`."""
        following: State = {}
        x = self.dropout(self.embedding_norm(embeddings))
        x, following["entry"] = self.entry(x, state["entry"])
        x = torch.relu(x)
        phonemes = None
        for index, block in enumerate(self.blocks):
            x, following[f"block{index}"] = block(x, state[f"block{index}"])
            if self.phoneme is not None and index + 1 == self.config.phoneme_blocks:
                phonemes = self.phoneme(x.transpose(1, 2)).reshape(x.shape[0], -1, len(self.config.phonemes) + 1)
        return self.score(x.transpose(1, 2)), phonemes, following


assert CONTEXT == 2, "EAR_REACH_FRAMES counts on kernels of three"
