"""Checkpoint -> MLX: the weights as safetensors, batch normalization folded into them, and the shape of the network in the
file's header. `pipeline/runtimes/mlx.py` has the network itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import torch
from safetensors.torch import save_file

from inherentd.export.artifacts import Artifact, Job, Tensor
from inherentd.inherent_model.architecture import InherentModel, Stack

SHAPE = ("ear_dilations", "dilations", "kernel", "mel_bins")


def write(job: Job) -> Iterator[Artifact]:
    """Write the streaming, the windowed and the audio form, the same weights in each, and yield them."""
    model = job.folded
    heads = len(model.config.heads)
    shape = {name: getattr(model.config, name) for name in SHAPE} | {"step_frames": model.config.step_frames}
    states = {
        f"state.{name}": Tensor(name, 0, _channels_last(tuple(value.shape)))
        for name, value in model.initial_state().items()
    }
    following = {f"next_{logical}": tensor for logical, tensor in states.items()}
    spec = job.loaded.frontend
    step = model.config.step_frames
    scores = {"intent_output": Tensor("intent_output", 0, (1, heads))}
    for form, variant, given in (
        ("streaming", "mlx", {"mel_chunk": Tensor("mel_chunk", 0, (1, step, model.config.mel_bins)), **states}),
        ("windowed", "mlx-windowed", {"mel_spectrogram": Tensor("mel_spectrogram", 0, (1, -1, model.config.mel_bins))}),
        ("audio", "mlx-audio", {"samples_chunk": Tensor("samples_chunk", 0, (1, spec.span_samples(step))), **states}),
    ):
        path = job.path(variant, ".safetensors")
        header = {"shape": json.dumps(shape), "form": form, "frontend": json.dumps(dataclasses.asdict(spec))}
        save_file(weights(model), path, metadata=header)
        yield Artifact(path, "mlx", form, "float32", {**given, **scores, **({} if form == "windowed" else following)})


def weights(model: InherentModel) -> dict[str, torch.Tensor]:
    """Return the float32 weights of a folded model by name, convolutions as MLX has them: [out, kernel, in]."""
    named = {"mel_mean": model.mel_mean, "mel_std": model.mel_std,
             "score.weight": model.score.weight, "score.bias": model.score.bias}  # fmt: skip
    for name, stack in (("ear", model.ear), ("phrase", model.phrase)):
        named |= _stack(name, stack)
    return {name: value.detach().float().contiguous().clone() for name, value in named.items()}


def _stack(name: str, stack: Stack) -> dict[str, torch.Tensor]:
    named: dict[str, torch.Tensor] = {}
    for index, layer in enumerate(stack.over_time()):
        named |= _convolution(f"{name}.over_time{index}", layer.convolution)
    # Two inputs in a row are one with the channels of both: torch takes channel by channel, a reshape of
    # [batch, time, channels] takes input by input.
    entry = named[f"{name}.over_time0.weight"]
    by_channel = entry.reshape(*entry.shape[:2], -1, 2)
    named[f"{name}.over_time0.weight"] = by_channel.transpose(2, 3).reshape(entry.shape)
    for index, block in enumerate(stack.blocks, 1):
        named |= _convolution(f"{name}.pointwise{index}", block.pointwise)  # pyright: ignore[reportArgumentType]
    return named


def _convolution(name: str, layer: torch.nn.Conv1d) -> dict[str, torch.Tensor]:
    assert layer.bias is not None
    return {f"{name}.weight": layer.weight.transpose(1, 2), f"{name}.bias": layer.bias}


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    batch, channels, time = shape
    return batch, time, channels
