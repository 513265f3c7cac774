"""Conditions to evaluate under, from YAML, and the test clips as they are heard under each."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from tqdm import tqdm

from inherentd.inherent_model.degrade import RATE_HZ, Condition, degrade, drawn_for
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.yaml_files import load
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import TAIL_FRAMES

BABBLE_CLIPS = 200


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `configs/eval/conditions.yaml` holds. All that is random in a clip comes from `seed` and the clip's name."""

    seed: int = 0
    noise_files: str | None = None
    """recordings for the noise "recorded": a pattern of files in one folder, e.g. noise/*.wav"""
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse conditions that cannot be told apart."""
        names = [condition.name for condition in self.conditions]
        if not names or len(set(names)) < len(names):
            raise ModelError(f"conditions {names}, expected one or more, each with a name of its own")

    def named(self, name: str) -> Condition:
        """Return a condition by its name; ModelError with those there are."""
        for condition in self.conditions:
            if condition.name == name:
                return condition
        raise ModelError(f"condition {name!r} is unknown; known: {', '.join(each.name for each in self.conditions)}")


def load_conditions(path: Path) -> Conditions:
    """Return the conditions of a YAML file; a wrong key, type or value is a ModelError that names it."""
    return load(path, Conditions)


@dataclass(frozen=True)
class Rendering:
    """What clips are rendered with: the seed, and by kind of noise the sounds that it is made of."""

    seed: int
    sounds: dict[str, list[np.ndarray]]


def rendering(conditions: Conditions, rows: Sequence[Utterance]) -> Rendering:
    """Return the seed and the sounds that the conditions need: babble of unaddressed clips of `rows`, and recordings.

    ModelError when a condition wants recordings and there are none.
    """
    wanted = {kind for condition in conditions.conditions if condition.snr_db for kind in condition.noise}
    sounds: dict[str, list[np.ndarray]] = {}
    if "babble" in wanted:
        talk = [row.path for row in rows if not row.addressed] or [row.path for row in rows]
        chosen = np.random.default_rng(conditions.seed).permutation(len(talk))[:BABBLE_CLIPS]
        sounds["babble"] = [read_audio(talk[index], RATE_HZ) for index in chosen]
    if "recorded" in wanted:
        pattern = Path(conditions.noise_files or "")
        files = sorted(pattern.parent.glob(pattern.name)) if pattern.name else []
        if not files:
            raise ModelError(f"noise_files: {conditions.noise_files!r} matches no file; give a pattern of recordings")
        sounds["recorded"] = [read_audio(file, RATE_HZ) for file in files]
    return Rendering(conditions.seed, sounds)


def heard(rendering: Rendering, condition: Condition, path: str, tail_samples: int = 0, take: int = 0) -> np.ndarray:
    """Return one clip under a condition, float32 [samples] at 16 kHz, with a tail for the room to die away in.

    What is random depends on the seed, the condition, the clip's file name and the number of the take only, not on the
    clips around it.
    """
    samples = np.pad(read_audio(path, RATE_HZ), (0, tail_samples))
    return degrade(samples, condition, drawn_for(condition, path, rendering.seed, take), rendering.sounds)


def for_training(rows: Sequence[Utterance], known: Conditions, share: float) -> list[Condition | None]:
    """Return under which of the conditions each clip is heard: so many of the training clips under one of them, by the
    seed and the clip's name, no other clip."""
    found: list[Condition | None] = []
    for row in rows:
        rng = np.random.default_rng([known.seed, zlib.crc32(Path(row.path).name.encode())])
        under = known.conditions[int(rng.integers(len(known.conditions)))]
        found.append(under if row.split == "train" and rng.random() < share else None)
    return found


def mels_under(
    rendering: Rendering, condition: Condition, rows: Sequence[Utterance], spec: FrontendSpec
) -> list[np.ndarray]:
    """Return the log-mel of each clip as it is heard under a condition, float32 [frames, mel_bins] each."""
    tail = TAIL_FRAMES * spec.hop_samples
    return [
        log_mel(spec, heard(rendering, condition, row.path, tail))
        for row in tqdm(rows, desc=condition.name, unit="clip", file=sys.stderr, leave=False, disable=None)
    ]
