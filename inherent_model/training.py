"""`inherent train`: phoneme CTC first, then the heads with CTC and the words beside them; averaged weights, the best on
validation kept.

Under `torchrun` every process takes its share of the batches and gradients are averaged (DistributedDataParallel).
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import distributed, nn
from tqdm import tqdm

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.augment import Augmenter
from inherentd.inherent_model.conditions import for_training
from inherentd.inherent_model.corpus.engines import phonemes
from inherentd.inherent_model.curves import Curves
from inherentd.inherent_model.dataset import Batch, BatchMaker, examples, noise_examples
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import head_figures, peak_scores
from inherentd.inherent_model.features import extract, read_audio
from inherentd.inherent_model.lesson import Lesson
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.mining import hardest
from inherentd.inherent_model.recipe import (
    TrainRecipe,
    load_recipe,
    measured_clips,
    noise_files,
    same_recipe,
    utterances,
)
from inherentd.inherent_model.single_label import accuracy
from inherentd.inherent_model.start import fits_into, grown
from inherentd.inherent_model.whole import whole
from inherentd.inherent_model.words import vocabulary, words
from inherentd.pipeline.frontend import FrontendSpec, log_mel

__all__ = ["TrainRecipe", "load_recipe", "prepare", "train", "utterances"]

# Stress, length and punctuation are left out of the phoneme targets: they are not sounds of their own.
NOT_PHONEMES = frozenset("ˈˌː ,.!?;:—…\"'()“”-")
AVERAGE_WARMUP_STEPS = 20
"""the average follows the weights closely at first: decay is at most step / (step + this)"""


@dataclass(frozen=True)
class Prepared:
    """The data of a run: batches to learn from, and the validation clips with their features."""

    maker: BatchMaker
    held: list[Utterance]
    held_clips: list[np.ndarray]
    training_clips: int
    sequence_words: int
    """how many words the loss of their sequence tells apart"""
    fingerprint: str
    """which clips these are, what is said in them, and which noise there is: a run goes on with the same only"""


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
        with whole(cache) as unfinished:
            unfinished.write_text(json.dumps(known))
    return {text: "".join(symbol for symbol in known[text] if symbol not in NOT_PHONEMES) for text in texts if text}


def rows_and_phonemes(recipe: TrainRecipe) -> tuple[list[Utterance], dict[str, str]]:
    """Return the clips of a recipe that are not for testing, and the phonemes of each text."""
    rows = [row for row in utterances(recipe) if row.split != "test"]
    cache = Path(recipe.cache or recipe.out) / "phonemes.json"
    return rows, phoneme_table([row.said for row in rows], cache)


def prepare(recipe: TrainRecipe, config: ModelConfig, rows: list[Utterance], spoken: dict[str, str]) -> Prepared:
    """Return the data of a recipe from its clips and the phonemes of their texts, numbered as `config` does; ModelError
    without validation clips."""
    spec = FrontendSpec()
    symbols = {symbol: index + 1 for index, symbol in enumerate(config.phonemes)}
    under = for_training(rows, recipe.conditions, recipe.conditions_share) if recipe.conditions else ()
    features = extract([row.path for row in rows], spec, recipe.features_folder, under)
    terms = vocabulary((row.said for row in rows if row.split == "train"), recipe.terms)
    known_words = vocabulary((row.said for row in rows if row.split == "train"), recipe.sequence_words, words)
    word_numbers = {word: number for number, word in enumerate(known_words, 1)}
    prepared = examples(rows, features, recipe.heads, symbols, spoken, vocabulary=terms, word_numbers=word_numbers)
    training = [(example, row) for example, row in zip(prepared, rows, strict=True) if row.split == "train"]
    pool = [example for example, row in training for _ in range(recipe.repeat.get(row.speaker.split(":")[0], 1))]
    held = measured_clips(recipe, rows, "validation")
    if not held:
        raise ModelError("no validation clips: give some lines of a manifest `split: validation`")
    voices = [example.mel for example, row in training if row.said]
    noises = _noises(recipe, spec)
    if recipe.noise_share:
        pool += noise_examples(noises, spec, len(recipe.heads), recipe.seed)
    maker = BatchMaker(pool, Augmenter(recipe.augment, spec, noises, voices), spec,
                       step_frames=config.step_frames, batch_frames=recipe.batch_frames, seed=recipe.seed,
                       terms=len(terms), group_shares=recipe.group_shares, tempo=recipe.augment.tempo,
                       uneven_tempo=recipe.augment.uneven_tempo, cut_probability=recipe.augment.cut_probability,
                       noise_share=recipe.noise_share)  # fmt: skip
    clips = {row.path: index for index, row in enumerate(rows)}
    said = [(row.path, row.split, row.said, row.heads, row.addressed) for row in rows]
    told = [said, [path.name for path in noise_files(recipe)]]
    fingerprint = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return Prepared(maker, held, [features.clip(clips[row.path]) for row in held], len(training),
                    len(word_numbers), fingerprint)  # fmt: skip


def train(
    recipe: TrainRecipe, *, steps: int | None = None, resume: bool = False, stop_after: int | None = None
) -> Path:
    """Train from the recipe and return the best checkpoint (highest validation score), `out/best.safetensors`.

    `out/log.jsonl` gets one line a validation, `out/curves.png` and TensorBoard files the same as curves. `steps`
    overrides the recipe's, for trials; `stop_after` ends early, its state written, as an interruption would. `resume`
    goes on from `out/resume.pt`, which exists until a run has ended, with the very numbers that an uninterrupted run
    would have had, of one process or as many as before.
    """
    rank, world = _join()
    torch.manual_seed(recipe.seed)
    total = steps or recipe.steps
    if total <= recipe.phoneme_steps:
        raise ModelError(f"{total} steps end within the {recipe.phoneme_steps} of the phonemes; train for longer")
    out = Path(recipe.out)
    out.mkdir(parents=True, exist_ok=True)
    if rank > 0:
        distributed.barrier()  # the first process makes the caches that all of them read
    rows, spoken = rows_and_phonemes(recipe)
    model = initial_model(recipe, spoken, quiet=rank > 0 or resume)
    data = prepare(recipe, model.config, rows, spoken)
    if world > 1 and rank == 0:
        distributed.barrier()
    if recipe.warm_start is None:
        _set_statistics(model, data.maker)
    lesson = Lesson(model, recipe.phoneme_weight, recipe.word_weight, data.maker.terms,
                    single_label=recipe.single_label, class_weight=recipe.class_weight,
                    gate_weight=recipe.gate_weight, sequence_words=data.sequence_words,
                    sequence_weight=recipe.sequence_weight, sequence_blocks=recipe.sequence_blocks)  # fmt: skip
    run = _Run(recipe, lesson, total, rank, world)
    if resume:
        run.restore(out / "resume.pt", data)
    if rank == 0:
        print(f"{data.training_clips} training clips, {len(data.held)} validation clips, "
              f"{sum(p.numel() for p in model.parameters())} parameters, receptive field "
              f"{model.config.receptive_field_frames} frames", file=sys.stderr)  # fmt: skip
    learner = nn.parallel.DistributedDataParallel(lesson) if world > 1 else lesson
    if rank == 0 and not resume:
        # What an earlier run left must not pass for this one's; every process has read by now what it begins with.
        for name in ("resume.pt", "best.safetensors", "log.jsonl"):
            (out / name).unlink(missing_ok=True)
    # A state is written before its step's validation, which is therefore made again.
    again = resume and run.due and bool(run.seen)
    curves = Curves(out, run.step - again) if rank == 0 else None
    if curves and again:
        run.validate(data, curves, out)
    for batch in islice(data.maker.batches(run.step * world + rank, world), (stop_after or total) - run.step):
        run.learn(learner, batch)
        if recipe.mine_every and run.step > recipe.phoneme_steps and run.step % recipe.mine_every == 0:
            run.mine(data.maker)
        idle = time.monotonic() - run.kept > 60 * recipe.keep_every_minutes
        if rank == 0 and (run.due or idle or run.step == stop_after):
            run.keep(out / "resume.pt", data)
        if curves and run.due:
            run.validate(data, curves, out)
    if rank == 0 and run.step == total:
        (out / "resume.pt").unlink(missing_ok=True)
    if world > 1:
        distributed.barrier()
        distributed.destroy_process_group()
    return out / "best.safetensors"


class _Run:
    """What changes from step to step: all that `resume.pt` holds."""

    def __init__(self, recipe: TrainRecipe, lesson: Lesson, total: int, rank: int, world: int) -> None:
        self.recipe = recipe
        self.lesson = lesson
        self.model = lesson.model
        self.total = total
        self.rank, self.world = rank, world
        self.average = copy.deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(
            lesson.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, recipe.learning_rate, total, pct_start=0.08)
        self.step = 0
        self.best = -1.0
        self.minutes = 0.0
        self.seen: list[list[float]] = []
        self.started = self.kept = time.monotonic()
        self.autocast = recipe.bfloat16 and _multiplies_bfloat16()
        if recipe.bfloat16 and not self.autocast and rank == 0:
            print("no bfloat16 that is known of on this CPU: training in float32", file=sys.stderr)

    @property
    def due(self) -> bool:
        """Whether this step ends with a validation."""
        return self.step == self.total or (self.step > 0 and self.step % self.recipe.validate_every == 0)

    def learn(self, lesson: nn.Module, batch: Batch) -> None:
        self.model.train()
        # Dropout follows from seed, process and step alone: nothing of it has to be kept to go on exactly.
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, self.rank, self.step]).generate_state(1)[0]))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            phonemes_only = self.step < self.recipe.phoneme_steps
            loss, parts = lesson(batch, phonemes_only=phonemes_only)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.lesson.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        decay = min(self.recipe.average_decay, self.step / (self.step + AVERAGE_WARMUP_STEPS))
        checkpoint.move_towards(self.average, self.model, 1 - decay)
        self.seen.append(parts.tolist())

    def mine(self, maker: BatchMaker) -> None:
        """Look for hard negatives with the averaged weights; every process goes on with those that the first found."""
        rng = np.random.default_rng([self.recipe.seed, self.step])
        places = hardest(self.average, maker.pool, self.recipe.mine_clips, rng) if self.rank == 0 else []
        rounds = maker.rounds
        if self.world > 1:
            known: list[Any] = [None] * self.world
            distributed.all_gather_object(known, (maker.rounds, places))
            places = known[0][1]
            rounds = max(ahead for ahead, _ in known)  # a process may have planned a round that another has not reached
        maker.harden(places, rounds)

    def validate(self, data: Prepared, curves: Curves, out: Path) -> None:
        """Log the figures of the averaged weights on validation; keep the weights where they are the best so far."""
        score, figures = _figures(self.average, data, self.recipe)
        minutes = round(self.minutes + (time.monotonic() - self.started) / 60, 1)
        *losses, sequence = np.mean(self.seen, 0).round(4).tolist()
        line: dict[str, Any] = {"step": self.step, "minutes": minutes, "dense_peak_phoneme_word": losses}
        if self.lesson.sequence is not None:
            line["loss_sequence"] = sequence
        line |= figures
        self.seen = []
        print(json.dumps(line), file=sys.stderr, flush=True)
        curves.add(line)
        if score > self.best and self.step > self.recipe.phoneme_steps:
            self.best = score
            notes = {"recipe": msgspec.to_builtins(self.recipe), "validation": line}
            checkpoint.save(out / "best.safetensors", self.average, FrontendSpec(), notes)

    def keep(self, path: Path, data: Prepared) -> None:
        """Write everything that an interrupted run needs to go on, whole or not at all."""
        self.minutes += (time.monotonic() - self.started) / 60
        self.started = self.kept = time.monotonic()
        state = {
            "recipe": msgspec.to_builtins(self.recipe), "total": self.total, "data": data.fingerprint, "world": self.world,
            "step": self.step, "best": self.best, "minutes": self.minutes, "seen": self.seen,
            "lesson": self.lesson.state_dict(), "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict(),
            "mined": data.maker.mined,
        }  # fmt: skip
        with whole(path) as unfinished:
            torch.save(state, unfinished)

    def restore(self, path: Path, data: Prepared) -> None:
        """Go on from a state; ModelError where it is another run's."""
        if not path.is_file():
            raise ModelError(f"{path}: nothing to resume; begin with `inherent train` without --resume")
        state = torch.load(path, weights_only=True)
        if not same_recipe(state["recipe"], self.recipe):
            raise ModelError(f"{path}: was written by another recipe; resume with that one, or begin anew")
        # An older state may lack what was added since.
        if state.get("total", self.total) != self.total:
            raise ModelError(
                f"{path}: is of a run of {state['total']} steps, got {self.total}; resume with as many, or begin anew"
            )
        if state.get("world", self.world) != self.world:
            raise ModelError(
                f"{path}: is of a run of {state['world']} processes, got {self.world}; resume with as many, or begin anew"
            )
        if state.get("data", data.fingerprint) != data.fingerprint:
            raise ModelError(
                f"{path}: the clips or the recordings of noise have changed since; bring them back, or begin anew"
            )
        if "lesson" not in state:
            raise ModelError(f"{path}: was written by an earlier version; begin anew")
        self.lesson.load_state_dict(state["lesson"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.best, self.minutes = (state[key] for key in ("step", "best", "minutes"))
        self.seen = [[*parts, 0.0][:5] for parts in state["seen"]]  # without the words' sequence in an older one
        data.maker.mined = state.get("mined", [])


def initial_model(recipe: TrainRecipe, spoken: dict[str, str], *, quiet: bool = False) -> InherentModel:
    """Return the model as training begins: from `warm_start`, or at random. Unless `quiet`, a line on stderr says which
    heads keep their weights where they are others than before."""
    if recipe.warm_start:
        earlier = checkpoint.load(Path(recipe.warm_start)).model
        expected = recipe.model_config(earlier.config.phonemes)
        if not fits_into(earlier.config, expected):
            raise ModelError(f"warm_start {recipe.warm_start}: its model is {earlier.config}, the recipe's {expected}")
        return grown(earlier, expected, quiet=quiet)
    return InherentModel(recipe.model_config(tuple(sorted(set("".join(spoken.values()))))))


def _join() -> tuple[int, int]:
    """Return this process's rank and how many there are; joins the others where `torchrun` started us."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        # The first process may be at the features for hours; `torchrun` ends us all where one of us dies.
        distributed.init_process_group("gloo", timeout=timedelta(days=7))
        return distributed.get_rank(), world
    return 0, 1


def _multiplies_bfloat16() -> bool:
    """Return whether this CPU is known to; where it does not (AVX2), autocast is ten times slower than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, bool])()  # older versions of torch cannot tell
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _noises(recipe: TrainRecipe, spec: FrontendSpec) -> list[np.ndarray]:
    files = noise_files(recipe)
    if not files:
        print(f"no recorded noise ({recipe.noise_folder}): synthetic noise only", file=sys.stderr)
    return [log_mel(spec, read_audio(path, spec.sample_rate_hz)) for path in files]


def _set_statistics(model: InherentModel, maker: BatchMaker) -> None:
    """Set the per-bin mean and standard deviation from a few augmented batches, as training will see them."""
    frames = torch.cat([batch.mel.flatten(0, 1) for _, batch in zip(range(20), maker.batches(), strict=False)])
    model.mel_mean.copy_(frames.mean(0))
    model.mel_std.copy_(frames.std(0))


def _figures(model: InherentModel, data: Prepared, recipe: TrainRecipe) -> tuple[float, dict[str, object]]:
    """Return the figure that picks the best checkpoint (gate AUC + mean intent AUC; where there is one class a clip, how
    many are told rightly) and a line for the log."""
    model.eval()
    peaks = peak_scores(model, data.held_clips)
    figures = head_figures(model.config.heads, data.held, peaks)
    intents = [figure.auc for figure in figures[1:] if figure.auc is not None]
    mean = float(np.mean(intents)) if intents else 0.0
    gate = figures[0].auc or 0.0
    line: dict[str, object] = {
        "gate_auc": round(gate, 4), "gate_eer": figures[0].eer, "intents_mean_auc": round(mean, 4)
    }  # fmt: skip
    if recipe.single_label:
        line["accuracy"] = right = accuracy(model.config.heads, data.held, peaks, recipe.single_label)["accuracy"]
        return right, line
    return gate + mean, line
