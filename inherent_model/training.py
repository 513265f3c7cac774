"""`inherent train`: phoneme CTC first, then the heads with CTC beside them, averaged weights, best on validation kept."""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
import yaml
from torch import Tensor, nn
from tqdm import tqdm

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.augment import AugmentConfig, Augmenter
from inherentd.inherent_model.corpus.engines import phonemes
from inherentd.inherent_model.dataset import Batch, BatchMaker, examples
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import head_figures, peak_scores
from inherentd.inherent_model.features import extract, read_audio
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.manifest import Utterance, read_manifests
from inherentd.pipeline.frontend import FrontendSpec, log_mel

# Stress, length and punctuation are left out of the phoneme targets: they are not sounds of their own.
NOT_PHONEMES = frozenset("ˈˌː ,.!?;:—…\"'()“”-")


class TrainRecipe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `configs/train/*.yaml` may hold. Paths are relative to the working directory."""

    seed: int = 0
    heads: tuple[str, ...] = SHIPPED_HEADS
    manifests: list[str]
    optional_manifests: list[str] = []
    """used where they exist"""
    noise_folder: str | None = None
    """recordings mixed under the speech, optional"""
    out: str = "runs/train"
    warm_start: str | None = None
    """a checkpoint to go on from; its heads, shape and phonemes must be the recipe's"""
    channels: int = 192
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 8)
    phoneme_blocks: int = 4
    steps: int
    phoneme_steps: int
    """the first so many steps train the phoneme output only"""
    batch_frames: int = 12_000
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    phoneme_weight: float = 0.3
    average_decay: float = 0.999
    bfloat16: bool = False
    """autocast: faster where the CPU multiplies bfloat16 (AVX512-BF16, AMX), ten times slower where it does not (AVX2)"""
    validate_every: int = 1000


def load_recipe(path: Path) -> TrainRecipe:
    """Return the recipe of a YAML file; a wrong key or type is a ModelError that names it."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), TrainRecipe)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such training recipe; configs/train/ holds the project's own") from error
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: {error}") from error


def utterances(recipe: TrainRecipe) -> list[Utterance]:
    """Return the labelled clips of the recipe's manifests, optional ones where they are here."""
    optional = [Path(path) for path in recipe.optional_manifests]
    for path in optional:
        if not path.is_file():
            print(f"{path} is not here: going on without it", file=sys.stderr)
    return read_manifests([*map(Path, recipe.manifests), *(path for path in optional if path.is_file())])


def phoneme_table(texts: list[str], cache: Path) -> dict[str, str]:
    """Return the phonemes of each distinct text, kept in `cache` (JSON) between runs."""
    known: dict[str, str] = json.loads(cache.read_text()) if cache.is_file() else {}
    missing = sorted(set(texts) - set(known) - {""})
    if missing:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            spoken = tqdm(
                pool.map(phonemes, missing, chunksize=64), total=len(missing), desc="phonemes", file=sys.stderr
            )
            known |= dict(zip(missing, spoken, strict=True))
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known))
    return {text: "".join(symbol for symbol in known[text] if symbol not in NOT_PHONEMES) for text in texts if text}


@dataclass(frozen=True)
class Losses:
    """The three parts of the loss, each a mean."""

    dense: Tensor
    peak: Tensor
    phoneme: Tensor


def losses(model: InherentModel, batch: Batch) -> Losses:
    """Return what is minimized: every step's targets, each stream's peak, and phoneme CTC.

    The peak term is what a gate is judged by: over a stream without a fired head its highest score counts, wherever
    it occurs; with one, the highest within the time in which the head should be certain.
    """
    logits, phoneme_logits, _ = model.forward_with_phonemes(batch.mel, model.initial_state(batch.mel.shape[0]))
    logits = logits.float()
    bce = nn.functional.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    emphasis = batch.weight * (1 + 3 * batch.target)
    dense = (bce * emphasis).sum() / emphasis.sum()
    positive = (batch.target * (batch.weight > 0)).amax(1)
    inside = logits.masked_fill(batch.target < 1, -30.0).amax(1)
    outside = logits.masked_fill((batch.target > 0) | (batch.weight == 0), -30.0).amax(1)
    softplus = nn.functional.softplus
    peak = (positive * softplus(-inside) * 2 + softplus(outside)).mean()
    return Losses(dense, peak, _phoneme_loss(phoneme_logits, batch))


def _phoneme_loss(logits: Tensor | None, batch: Batch) -> Tensor:
    if logits is None or not batch.has_text.any():
        return torch.zeros(())
    chosen = logits[batch.has_text].float().log_softmax(-1).transpose(0, 1)
    lengths = batch.phoneme_lengths[batch.has_text]
    steps = torch.full((chosen.shape[1],), chosen.shape[0])
    total = nn.functional.ctc_loss(chosen, batch.phonemes, steps, lengths, reduction="sum", zero_infinity=True)
    return total / lengths.sum()


def train(recipe: TrainRecipe, *, steps: int | None = None) -> Path:
    """Train from the recipe and return the best checkpoint (highest validation score), `out/best.safetensors`.

    `out/log.jsonl` gets one line a validation. `steps` overrides the recipe's, for trials.
    """
    torch.manual_seed(recipe.seed)
    total_steps = steps or recipe.steps
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    # An earlier run's checkpoint must not pass for this one's.
    (out / "best.safetensors").unlink(missing_ok=True)
    spec = FrontendSpec()
    rows = [row for row in utterances(recipe) if row.split != "test"]
    spoken = phoneme_table([row.text for row in rows], out / "phonemes.json")
    earlier = checkpoint.load(Path(recipe.warm_start)).model if recipe.warm_start else None
    inventory = earlier.config.phonemes if earlier else sorted(set("".join(spoken.values())))
    symbols = {symbol: index + 1 for index, symbol in enumerate(inventory)}
    features = extract([row.path for row in rows], spec, out / "cache")
    prepared = examples(rows, features, recipe.heads, symbols, spoken)
    training = [example for example, row in zip(prepared, rows, strict=True) if row.split == "train"]
    held = [index for index, row in enumerate(rows) if row.split == "validation"]
    if not held:
        raise ModelError("no validation clips: give some lines of a manifest `split: validation`")
    maker = BatchMaker(training, Augmenter(AugmentConfig(), spec, _noises(recipe, spec), recipe.seed), spec,
                       step_frames=ModelConfig.step_frames, batch_frames=recipe.batch_frames, seed=recipe.seed)  # fmt: skip
    config = ModelConfig(heads=tuple(recipe.heads), channels=recipe.channels, dilations=tuple(recipe.dilations),
                         phoneme_blocks=recipe.phoneme_blocks, phonemes=tuple(symbols))  # fmt: skip
    model = InherentModel(config)
    if earlier is None:
        _set_statistics(model, maker)
    elif earlier.config != config:
        raise ModelError(f"warm_start {recipe.warm_start}: its model is {earlier.config}, the recipe's {config}")
    else:
        model.load_state_dict(earlier.state_dict())
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps, pct_start=0.08)
    print(f"{len(training)} training clips, {len(held)} validation clips, {sum(p.numel() for p in model.parameters())} "
          f"parameters, receptive field {config.receptive_field_frames} frames", file=sys.stderr)  # fmt: skip
    best, started, seen = -1.0, time.monotonic(), []
    for step, batch in enumerate(maker, 1):
        model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
            part = losses(model, batch)
        heads_weight = 0.0 if step <= recipe.phoneme_steps else 1.0
        phoneme_weight = 1.0 if step <= recipe.phoneme_steps else recipe.phoneme_weight
        loss = heads_weight * (part.dense + 0.5 * part.peak) + phoneme_weight * part.phoneme
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        _average(average, model, min(recipe.average_decay, step / (step + 20)))
        seen.append([float(part.dense.detach()), float(part.peak.detach()), float(part.phoneme.detach())])
        if step % recipe.validate_every == 0 or step == total_steps:
            score, line = _validate(average, features, rows, held)
            line = {"step": step, "minutes": round((time.monotonic() - started) / 60, 1),
                    "dense_peak_phoneme": np.mean(seen, 0).round(4).tolist(), **line}  # fmt: skip
            seen = []
            print(json.dumps(line), file=sys.stderr, flush=True)
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            if score > best and step > recipe.phoneme_steps:
                best = score
                notes = {"recipe": msgspec.to_builtins(recipe), "validation": line, "augment": asdict(AugmentConfig())}
                checkpoint.save(out / "best.safetensors", average, spec, notes)
        if step == total_steps:
            break
    if best < 0:
        raise ModelError(
            f"{total_steps} steps ended within the {recipe.phoneme_steps} of the phonemes; train for longer"
        )
    return out / "best.safetensors"


def _noises(recipe: TrainRecipe, spec: FrontendSpec) -> list[np.ndarray]:
    folder = Path(recipe.noise_folder) if recipe.noise_folder else None
    if folder is None or not folder.is_dir():
        print(f"no recorded noise ({folder}): synthetic noise only", file=sys.stderr)
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix in {".opus", ".ogg", ".wav", ".flac"})
    return [log_mel(spec, read_audio(path, spec.sample_rate_hz)) for path in files]


def _set_statistics(model: InherentModel, maker: BatchMaker) -> None:
    """Set the per-bin mean and standard deviation from a few augmented batches, as training will see them."""
    frames = torch.cat([batch.mel.flatten(0, 1) for _, batch in zip(range(20), maker, strict=False)])
    model.mel_mean.copy_(frames.mean(0))
    model.mel_std.copy_(frames.std(0))


@torch.no_grad()
def _average(average: InherentModel, model: InherentModel, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _validate(
    model: InherentModel, features: object, rows: list[Utterance], held: list[int]
) -> tuple[float, dict[str, object]]:
    """Return the figure that picks the best checkpoint (gate AUC + mean intent AUC) and a line for the log."""
    model.eval()
    scores = peak_scores(model, [features.clip(index) for index in held])  # type: ignore[attr-defined]
    figures = head_figures(model.config.heads, [rows[index] for index in held], scores)
    intents = [figure.auc for figure in figures[1:] if figure.auc is not None]
    mean = float(np.mean(intents)) if intents else 0.0
    gate = figures[0].auc or 0.0
    return gate + mean, {"gate_auc": round(gate, 4), "gate_eer": figures[0].eer, "intents_mean_auc": round(mean, 4)}
