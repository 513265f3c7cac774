"""Materialized batches: what a frozen ear made of augmented streams, with their targets, kept in files.

Hearing costs ten times what understanding does. While the ear is frozen, each augmented batch is heard once, and the
blocks behind the ear learn from it many times. A shard is a safetensors file of one batch; number n follows from the
recipe alone, whoever makes it.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from inherentd.inherent_model.whole import whole

if TYPE_CHECKING:
    from inherentd.inherent_model.training import TrainRecipe


@dataclass(frozen=True)
class Heard:
    """A batch behind the ear: embeddings [batch, embedding_size, steps]; the rest as in `dataset.Batch`."""

    embeddings: Tensor
    target: Tensor
    weight: Tensor
    phonemes: Tensor
    phoneme_lengths: Tensor
    has_text: Tensor


def path_of(folder: Path, number: int) -> Path:
    """Return the file of batch `number`."""
    return folder / f"{number:05d}.safetensors"


def load(path: Path) -> Heard:
    """Return one batch as it was heard; float16 and uint8 in the file, float32 here."""
    stored = load_file(path)
    return Heard(
        stored["embeddings"].float(), stored["target"].float(), stored["weight"].float() / 10, stored["phonemes"].long(),
        stored["phoneme_lengths"].long(), stored["phoneme_lengths"] > 0,
    )  # fmt: skip


def materialize(recipe: TrainRecipe, weights: Path, folder: Path, count: int, workers: int) -> None:
    """Hear batches 0 .. count - 1 of the recipe with the ear of the checkpoint `weights` and write the missing ones."""
    folder.mkdir(parents=True, exist_ok=True)
    if all(path_of(folder, number).is_file() for number in range(count)):
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        shares = [range(first, count, workers) for first in range(workers)]
        jobs = [pool.submit(_hear, recipe, weights, folder, share) for share in shares]
        for job in jobs:
            job.result()


@torch.inference_mode()
def _hear(recipe: TrainRecipe, weights: Path, folder: Path, mine: range) -> None:
    from inherentd.inherent_model import checkpoint, training

    torch.set_num_threads(1)
    model = checkpoint.load(weights).model
    numbers = [number for number in mine if not path_of(folder, number).is_file()]
    if not numbers:
        return
    maker = training.prepare(recipe, model.config).maker
    skipped = mine.index(numbers[0])
    for number, batch in zip(mine[skipped:], islice(maker.batches(numbers[0], mine.step), len(mine)), strict=False):
        path = path_of(folder, number)
        if path.is_file():
            continue
        embeddings, _ = model.listen(batch.mel, model.initial_state(batch.mel.shape[0]))
        stored = {
            "embeddings": embeddings.half(), "target": batch.target.byte(), "weight": (batch.weight * 10).round().byte(),
            "phonemes": batch.phonemes.to(torch.int16), "phoneme_lengths": batch.phoneme_lengths.to(torch.int16),
        }  # fmt: skip
        with whole(path) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in stored.items()}, unfinished)
