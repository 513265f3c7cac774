"""What every exporter is given, and what it hands back: a file, its form, its numbers, and its tensors' names."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inherentd.inherent_model.architecture import Block, CausalConvolution, InherentModel
from inherentd.inherent_model.checkpoint import Checkpoint
from inherentd.inherent_model.thresholds import Calibration
from inherentd.pipeline.frontend import log_mel

FLOAT_TOLERANCES = {"float32": 1e-4, "float16": 1e-3}


def tolerance(backend: str, quantization: str) -> float | None:
    """Return how far scores may be from torch's. None: judged by `inherent parity`, as what is quantized further is, and
    Core ML, which computes in half precision too, where others only keep weights in it."""
    return None if backend == "coreml" else FLOAT_TOLERANCES.get(quantization)


SINGLE_PRECISION_BLOCKS = (("ear", 0), ("phrase", 0), ("phrase", 1))
"""blocks by stack that stay float32 in float16 files: what they round, all others hear. They are a sixth of the weights and half
of the error (squared, measured on the shipped model: 1.2e-3 at most without this, over 300 clips)"""


@dataclass(frozen=True)
class Job:
    """One export."""

    loaded: Checkpoint
    calibration: Calibration
    folder: Path
    name: str
    version: str
    clips: tuple[NDArray[np.float32], ...] = ()
    """16 kHz samples of speech, by which static int8 chooses its ranges; empty: no static int8"""

    @functools.cached_property
    def folded(self) -> InherentModel:
        """Return the model with every batch normalization folded into the convolution before it."""
        return fold(self.loaded.model)

    def path(self, variant: str, suffix: str) -> Path:
        """Return the place of an artifact: NAME-variant.suffix, or NAME.suffix where `variant` is empty."""
        return self.folder / (f"{self.name}-{variant}{suffix}" if variant else f"{self.name}{suffix}")

    @functools.cached_property
    def mels(self) -> tuple[NDArray[np.float32], ...]:
        """Return log-mel [frames, bins] of the clips."""
        return tuple(log_mel(self.loaded.frontend, clip) for clip in self.clips)

    def steps(self, form: str, count: int) -> Iterator[NDArray[np.float32]]:
        """Yield up to `count` steps of the clips, one clip after another: [1, step_frames, bins], or [1, span] samples for
        the audio form."""
        spec, frames = self.loaded.frontend, self.loaded.model.config.step_frames
        samples = form == "audio"
        advance = frames * spec.hop_samples if samples else frames
        span = spec.span_samples(frames) if samples else frames
        cut = (
            clip[None, start : start + span]
            for clip in (self.clips if samples else self.mels)
            for start in range(0, len(clip) - span + 1, advance)
        )
        return itertools.islice(cut, count)


@dataclass(frozen=True)
class Tensor:
    """A tensor as the file names it; -1 in `shape` is a dynamic dimension."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Artifact:
    """A file or folder that an exporter wrote."""

    path: Path
    backend: str
    form: str
    """streaming, windowed, audio or frontend"""
    quantization: str
    tensors: dict[str, Tensor]
    """by logical name"""
    not_run: str = ""
    """why it could not be run where it was written; empty where it can"""


def fold(model: InherentModel) -> InherentModel:
    """Return a copy whose batch normalizations are part of the convolutions: the same scores, fewer operations."""
    folded = copy.deepcopy(model).eval()
    folded.phoneme = None  # it taught the ear; no artifact has it
    for layer in folded.modules():
        if isinstance(layer, CausalConvolution):
            layer.convolution = torch.nn.utils.fuse_conv_bn_eval(layer.convolution, layer.norm)
        elif isinstance(layer, Block):
            layer.pointwise = torch.nn.utils.fuse_conv_bn_eval(layer.pointwise, layer.norm)
        else:
            continue
        layer.norm = torch.nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return folded
