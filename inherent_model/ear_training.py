"""`inherent ear`: fit the adapter, and fit the network to it, so that our frames give the embeddings that Google's
network gives of the same sound.

No labels are needed: any sound teaches. What the ear then hears in voices it has never met, it owes to its teacher.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from inherentd.inherent_model import recipe as recipes
from inherentd.inherent_model import speech_embedding
from inherentd.inherent_model.ear import FRAMES_PER_INPUT, INPUT_BINS, STEP_FRAMES, Ear
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.yaml_files import load
from inherentd.pipeline.frontend import FrontendSpec, log_mel

WARM_UP_STEPS = 9
"""steps from the first frame until an embedding's 775 ms are all there: nothing to compare before"""


class EarRecipe(recipes.TrainRecipe, forbid_unknown_fields=True, kw_only=True):
    """What `configs/train/ear.yaml` may hold: a training recipe's data and shape, and these."""

    clips: int = 3000
    """training clips used, as many of each engine as there are, drawn by the seed"""
    crop_frames: int = 160
    crops: int = 16
    """per step"""
    adapter_steps: int = 800
    """the first steps fit the adapter alone, to the teacher's own spectrum"""


@dataclass(frozen=True)
class Lecture:
    """One sound: our log-mel [frames, bins] float16, the teacher's spectrum [2 * frames, 32] float16 and embeddings
    [steps - WARM_UP_STEPS, size] float16 for every step of 4 frames from the tenth on."""

    mel: np.ndarray
    spectrum: np.ndarray
    embeddings: np.ndarray


def fit(recipe: EarRecipe) -> Path:
    """Fit an ear and return its file, `out/ear.safetensors`: the tensors of `ear.`, `mel_mean`, `mel_std` and the
    scale of the embeddings, under the names they have in the model."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    lectures = _lectures(recipe, rng)
    held, training = lectures[: len(lectures) // 20 + 1], lectures[len(lectures) // 20 + 1 :]
    training = [lecture for lecture in training if len(lecture.mel) >= recipe.crop_frames + STEP_FRAMES]
    if not training:
        raise ModelError(f"no clip is as long as {recipe.crop_frames + STEP_FRAMES} frames; lower crop_frames")
    frames = np.concatenate([lecture.mel for lecture in lectures]).astype(np.float32)
    heard = np.concatenate([lecture.embeddings for lecture in lectures]).astype(np.float32)
    mean, spread = torch.from_numpy(frames.mean(0)), torch.from_numpy(frames.std(0))
    scale = torch.from_numpy(heard.std(0))
    ear = Ear(recipe.model_config(()).mel_bins, recipe.adapter_channels, tuple(recipe.ear_channels))
    speech_embedding.load_network(ear)
    _fit_adapter(ear, training, mean, spread, recipe)
    print(f"with the adapter alone {_unexplained(ear, held, mean, spread, scale):.3f} of the embeddings' variance is "
          "unexplained", file=sys.stderr)  # fmt: skip
    adapter = [*ear.hidden.parameters(), *ear.frames.parameters()]
    rates = [recipe.learning_rate, recipe.learning_rate * recipe.ear_learning_rate]
    optimizer = torch.optim.AdamW([{"params": adapter}, {"params": ear.layers.parameters()}], weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, recipe.steps, pct_start=0.1)
    started, losses = time.monotonic(), []
    for step in range(1, recipe.steps + 1):
        crops = [
            _crop(training[index], recipe.crop_frames, rng) for index in rng.integers(len(training), size=recipe.crops)
        ]
        mel = (torch.from_numpy(np.stack([mel for mel, _ in crops])) - mean) / spread
        target = torch.from_numpy(np.stack([embeddings for _, embeddings in crops]))
        error = (_hear(ear, mel) - target) / scale
        loss = (error**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 100 == 0 or step == recipe.steps:
            line = {"step": step, "minutes": round((time.monotonic() - started) / 60, 1),
                    "unexplained_training": round(float(np.mean(losses)), 4),
                    "unexplained_held_out": round(_unexplained(ear, held, mean, spread, scale), 4)}  # fmt: skip
            losses = []
            print(json.dumps(line), file=sys.stderr, flush=True)
            tensors = {f"ear.{name}": tensor.contiguous() for name, tensor in ear.state_dict().items()}
            tensors |= {"mel_mean": mean, "mel_std": spread, "embedding_norm.running_var": scale**2,
                        "embedding_norm.running_mean": torch.from_numpy(heard.mean(0))}  # fmt: skip
            save_file(tensors, out / "ear.safetensors", metadata={"fit": json.dumps(line)})
    return out / "ear.safetensors"


def _lectures(recipe: EarRecipe, rng: np.random.Generator) -> list[Lecture]:
    rows = [row for row in recipes.utterances(recipe) if row.split == "train"]
    by_engine: dict[str, list[str]] = defaultdict(list)
    for index in rng.permutation(len(rows)):
        by_engine[rows[index].speaker.split(":")[0]].append(rows[index].path)
    # As many of each engine as there are: the fewer of one, the more of the others.
    chosen: list[str] = []
    for left, paths in zip(range(len(by_engine), 0, -1), sorted(by_engine.values(), key=len), strict=True):
        chosen += paths[: (recipe.clips - len(chosen)) // left]
    noises = list(map(str, recipes.noise_files(recipe)))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=torch.set_num_threads,
                             initargs=(1,)) as pool:  # fmt: skip
        jobs = pool.map(_lecture, chosen, [noises] * len(chosen), range(len(chosen)), chunksize=16)
        found = [lecture for lecture in tqdm(jobs, total=len(chosen), desc="lectures", file=sys.stderr) if lecture]
    if not found:
        raise ModelError(
            f"{len(chosen)} training clips and none of a second or more; give the recipe manifests of speech"
        )
    return [found[index] for index in rng.permutation(len(found))]


_TEACHER: list[tuple[Ear, speech_embedding.MelFilters]] = []


def _lecture(path: str, noises: list[str], seed: int) -> Lecture | None:
    """Return the clip at a random level, half of the time in noise, as we and the teacher hear it."""
    if not _TEACHER:
        ear = Ear(1, 1, (24, 48, 72, 96))
        speech_embedding.load_network(ear)
        _TEACHER.append((ear, speech_embedding.mel_filters()))
    ear, filters = _TEACHER[0]
    rng = np.random.default_rng(seed)
    spec = FrontendSpec()
    samples = read_audio(path, spec.sample_rate_hz) * 10 ** (rng.uniform(-30, 0) / 20)
    if noises and seed % 2:
        noise = np.resize(read_audio(noises[int(rng.integers(len(noises)))], spec.sample_rate_hz), len(samples))
        samples = samples + noise * (samples.std() / (noise.std() + 1e-9) * 10 ** (rng.uniform(-20, 5) / 20))
    samples = samples + rng.normal(size=len(samples)) * 10 ** (rng.uniform(-80, -45) / 20)
    samples = np.clip(samples, -1, 1).astype(np.float32)
    mel = log_mel(spec, samples)
    # The teacher's frame 2 i begins with our frame i. Frame 2 i - 1, just before it, is the other one of the pair.
    spectrum = filters.log_power(samples)
    steps = min(len(mel), (len(spectrum) + 1) // FRAMES_PER_INPUT) // STEP_FRAMES
    if steps <= WARM_UP_STEPS + 2:
        return None
    spectrum = torch.cat([spectrum[:1], spectrum])[: steps * STEP_FRAMES * FRAMES_PER_INPUT]
    # The window that ends with step 9 (from 0) begins 4 frames in: 10 steps of 8 frames less 76.
    start = (WARM_UP_STEPS + 1) * STEP_FRAMES * FRAMES_PER_INPUT - speech_embedding.WINDOW_FRAMES
    heard = speech_embedding.embeddings(ear, spectrum[start:])
    return Lecture(mel[: steps * STEP_FRAMES].astype(np.float16), spectrum.numpy().astype(np.float16),
                   heard.numpy().astype(np.float16))  # fmt: skip


def _crop(lecture: Lecture, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return mel [frames, bins] from a random step on, and the embeddings whose sound lies in it."""
    first = int(rng.integers(0, (len(lecture.mel) - frames) // STEP_FRAMES + 1))
    mel = lecture.mel[first * STEP_FRAMES : first * STEP_FRAMES + frames].astype(np.float32)
    return mel, lecture.embeddings[first : first + frames // STEP_FRAMES - WARM_UP_STEPS].astype(np.float32)


def _hear(ear: Ear, mel: Tensor) -> Tensor:
    """Return the ear's embeddings [batch, steps - WARM_UP_STEPS, size] of normalized mel [batch, frames, bins]."""
    found, _ = ear(mel.transpose(1, 2), ear.initial_state(mel.shape[0]))
    return found[:, :, WARM_UP_STEPS:].transpose(1, 2)


def _fit_adapter(ear: Ear, lectures: list[Lecture], mean: Tensor, spread: Tensor, recipe: EarRecipe) -> None:
    rng = np.random.default_rng(recipe.seed)
    parameters = [*ear.hidden.parameters(), *ear.frames.parameters()]
    optimizer = torch.optim.Adam(parameters)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, recipe.adapter_steps)
    with torch.no_grad():
        assert ear.frames.bias is not None
        ear.frames.bias.fill_(float(np.mean(lectures[0].spectrum)))
    for _ in range(recipe.adapter_steps):
        chosen = [lectures[index] for index in rng.integers(len(lectures), size=4)]
        loss = torch.zeros(())
        for lecture in chosen:
            mel = ((torch.from_numpy(lecture.mel).float() - mean) / spread).T[None]
            found = ear.frames(torch.relu(ear.hidden(mel)))[0].T
            expected = torch.from_numpy(lecture.spectrum).float().reshape(-1, FRAMES_PER_INPUT * INPUT_BINS)
            loss = loss + nn.functional.mse_loss(found, expected[2:]) / len(chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _unexplained(ear: Ear, lectures: list[Lecture], mean: Tensor, spread: Tensor, scale: Tensor) -> float:
    """Return the share of the embeddings' variance that the ear misses: mean square error over variance."""
    errors = []
    for lecture in lectures:
        mel = ((torch.from_numpy(lecture.mel).float() - mean) / spread)[None]
        errors.append((((_hear(ear, mel)[0] - torch.from_numpy(lecture.embeddings).float()) / scale) ** 2).mean())
    return float(torch.stack(errors).mean())


def load_recipe(path: Path) -> EarRecipe:
    """Return the recipe of a YAML file; a wrong key or type is a ModelError that names it."""
    return load(path, EarRecipe)
