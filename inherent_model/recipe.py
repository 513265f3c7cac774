"""What a training recipe may hold (`configs/train/*.yaml`)."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from inherentd.inherent_model.architecture import ModelConfig
from inherentd.inherent_model.augment import AugmentConfig
from inherentd.inherent_model.conditions import Conditions
from inherentd.inherent_model.heads import SHIPPED_HEADS
from inherentd.inherent_model.manifest import Utterance, measured, read_manifests
from inherentd.inherent_model.single_label import SingleLabel, check_one_class, class_names
from inherentd.inherent_model.yaml_files import load

GROUP_SHARES = (0.36, 0.16, 0.34, 0.14)
NOISE_SUFFIXES = (".opus", ".ogg", ".wav", ".flac")


class TrainRecipe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One run. Paths are relative to the working directory."""

    seed: int = 0
    heads: tuple[str, ...] = SHIPPED_HEADS
    """the gate first; in a recipe file either the names themselves or a file with one name a line"""
    manifests: list[str]
    optional_manifests: list[str] = []
    """used where they exist"""
    leave_out: list[str] = []
    """engines whose training clips are left out, for trials"""
    repeat: dict[str, int] = {}
    """training clips of these engines (as in `leave_out`) are in the pool so many times: few clips of many voices weigh
    as much as many of one"""
    group_shares: tuple[float, float, float, float] = GROUP_SHARES
    """how often a stream begins with one of the 12 kinds, another request, a sentence that is not addressed, and other
    sound that is not (real recordings, of which nobody wrote down the words)"""
    noise_folder: str | None = None
    """recordings mixed under the speech, optional"""
    augment: AugmentConfig = AugmentConfig()
    conditions: Conditions | None = None
    """rooms and devices through which training clips are heard, as samples and before all that `augment` says; in a recipe file
    the name of another, seen from it, as `conditions.yaml`. Recordings (`noise_files`) and babble cannot be among them"""
    conditions_share: float = 0.5
    """of the training clips, with `conditions`: each under one of them, the same in every batch"""
    noise_share: float = 0.0
    """of the streams: nobody says anything in them, but something hums, clicks, plays or is quite silent"""
    splits: dict[str, str] = {}
    """of the speakers and sessions of recordings (`label_splits.remembered`): the weights take it along, for later builds"""
    out: str = "runs/train"
    cache: str | None = None
    """a folder for features and phonemes, where not in `out`. Runs with the same clips can share it"""
    warm_start: str | None = None
    """a checkpoint to go on from; its shape must be the recipe's, its phonemes are taken over. It may have fewer
    blocks or channels: the new ones begin by changing nothing. Heads that both have keep their weights, others begin at
    random"""
    ear_channels: int = 128
    ear_dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    channels: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    dropout: float = 0.1
    phoneme_blocks: int = 1
    steps: int
    """training steps in all"""
    phoneme_steps: int
    """the first so many steps train the phoneme output only"""
    batch_frames: int = 12_000
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    phoneme_weight: float = 0.3
    gate_weight: float = 1.0
    """how much the gate counts in the losses of the heads, in which each other head counts 1"""
    word_weight: float = 0.1
    terms: int = 0
    """how many words and pairs of words of the training texts the auxiliary word loss knows; 0: no such loss"""
    sequence_words: int = 0
    """how many words of the training texts the auxiliary loss of their sequence tells apart, all others being one more; 0: no
    such loss"""
    sequence_weight: float = 0.1
    sequence_blocks: int = 2
    """the sequence of words is read after so many phrase blocks: those behind it begin with words"""
    average_decay: float = 0.999
    bfloat16: bool = False
    """autocast, where the CPU multiplies bfloat16 (AVX512-BF16, AMX): a step in 0.7 of the time; float32 elsewhere"""
    single_label: SingleLabel | None = None
    """one class a clip, as public tasks have it (single_label.py): "closed", always one of the heads after the gate, or
    "open", maybe another word or none; `inherent eval` then reports how many clips are told rightly"""
    class_weight: float = 0.0
    """with `single_label`: of the cross entropy over the classes' peaks, beside each head's own loss"""
    mine_every: int = 0
    """after so many steps of new batches, look again for unaddressed clips that the gate takes for requests; 0: never"""
    mine_clips: int = 3000
    """among how many, drawn anew each time"""
    validate_every: int = 1000
    keep_every_minutes: float = 5.0
    """how often the whole state is written, for `inherent train --resume`"""

    def __post_init__(self) -> None:
        """Refuse what would only fail, or be passed over, in the middle of a run."""
        if self.validate_every < 1:
            raise ValueError(f"validate_every: got {self.validate_every}, expected 1 or more steps")
        addressed, unaddressed = sum(self.group_shares[:2]), sum(self.group_shares[2:])
        if min(*self.group_shares) < 0 or not addressed or not unaddressed:
            raise ValueError(f"group_shares: got {self.group_shares}, expected 0 or more each, some of both sides")
        for name in ("conditions_share", "noise_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name):g}, expected 0 or more, below 1")
        for condition in self.conditions.conditions if self.conditions else ():
            if condition.snr_db and {"babble", "recorded"} & {*condition.noise}:
                raise ValueError(
                    f"conditions: {condition.name!r} has noise {', '.join(condition.noise)}; babble and recordings are mixed in "
                    "by `augment` (babble_share) and `noise_folder`"
                )
        if self.class_weight and self.single_label is None:
            raise ValueError(f"class_weight: got {self.class_weight:g} without single_label; say closed or open")
        if self.sequence_words < 0:
            raise ValueError(f"sequence_words: got {self.sequence_words}, expected 0 or more")
        if self.sequence_words and not 0 <= self.sequence_blocks <= len(self.dilations):
            raise ValueError(
                f"sequence_blocks: got {self.sequence_blocks}, expected 0 to {len(self.dilations)}, the blocks of `dilations`"
            )
        if self.single_label:
            class_names(self.heads, self.single_label)
        if any(times < 1 for times in self.repeat.values()):
            raise ValueError(f"repeat: got {self.repeat}, expected 1 or more times each; `leave_out` leaves clips out")

    @property
    def features_folder(self) -> Path:
        """Where the features of the clips are kept."""
        return Path(self.cache or f"{self.out}/cache")

    def model_config(self, phonemes: tuple[str, ...]) -> ModelConfig:
        """Return the shape of the network with this phoneme inventory."""
        return ModelConfig(
            heads=tuple(self.heads), ear_channels=self.ear_channels, ear_dilations=tuple(self.ear_dilations),
            channels=self.channels, dilations=tuple(self.dilations), dropout=self.dropout,
            phoneme_blocks=self.phoneme_blocks, phonemes=phonemes,
        )  # fmt: skip


def load_recipe(path: Path) -> TrainRecipe:
    """Return the recipe of a YAML file; a wrong key or type is a ModelError that names it."""
    return load(path, TrainRecipe)


def quick(recipe: TrainRecipe) -> TrainRecipe:
    """Return the recipe with a few small steps, to see that everything works: what it trains is good for nothing."""
    return msgspec.structs.replace(recipe, steps=10, phoneme_steps=min(2, recipe.phoneme_steps), batch_frames=2000)


def same_recipe(stored: object, asked: TrainRecipe) -> bool:
    """Return whether a run's stored recipe is the one asked for. A key that it lacks has its default; where things are
    cached makes no difference."""
    try:
        return msgspec.structs.replace(msgspec.convert(stored, TrainRecipe), cache=asked.cache) == asked
    except msgspec.ValidationError:
        return False


def utterances(recipe: TrainRecipe) -> list[Utterance]:
    """Return the labelled clips of the recipe's manifests, optional ones where they are here; ModelError where there is
    one class a clip and one has two."""
    optional = [Path(path) for path in recipe.optional_manifests]
    for path in optional:
        if not path.is_file():
            print(f"{path} is not here: going on without it", file=sys.stderr)
    rows = read_manifests([*map(Path, recipe.manifests), *(path for path in optional if path.is_file())])
    if recipe.single_label:
        check_one_class(recipe.heads, rows)
    return [row for row in rows if row.split != "train" or row.speaker.split(":")[0] not in recipe.leave_out]


def measured_clips(recipe: TrainRecipe, rows: list[Utterance], split: str) -> list[Utterance]:
    """Return the clips of a split that figures are made of; with one class a clip that is all of them, silence too."""
    return [row for row in rows if row.split == split] if recipe.single_label else measured(rows, split)


def noise_files(recipe: TrainRecipe) -> list[Path]:
    """Return the recordings in the recipe's noise folder, sorted; none where there is no such folder."""
    folder = Path(recipe.noise_folder) if recipe.noise_folder else None
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in NOISE_SUFFIXES)
