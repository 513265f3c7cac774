"""The clips that decisions are compared on: test lines of manifests, or test sentences spoken here by quick synthesizers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.field import RATE_HZ
from benchmarks.field.streams import clip_of, pcm, quiet
from benchmarks.rig.scene import speech_bounds

from inherentd.inherent_model.corpus.build import CorpusRecipe, build
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import Utterance, read_manifests

QUICK_PROGRAMS = {"flite": "flite", "espeak": "espeak-ng", "festival": "text2wave"}
"""synthesizers that have a voice for the test split and take a fraction of a second -> their program"""
BEFORE_SECONDS, AFTER_SECONDS = 0.5, 1.5
"""of a quiet room around a clip, so that who waits for a pause finds one"""


def labelled(manifests: Sequence[Path], count: int | None) -> list[Utterance]:
    """Return the test clips whose words are known; `count` of them, evenly drawn, where it is given."""
    return _drawn([row for row in read_manifests(manifests) if row.split == "test" and row.text], count)


def unlabelled(manifests: Sequence[Path], count: int | None) -> list[Utterance]:
    """Return the unaddressed test clips that nobody wrote down: real talk to nobody."""
    rows = [row for row in read_manifests(manifests) if row.split == "test" and not row.text and not row.addressed]
    return _drawn(rows, count)


def synthesized(folder: Path, count: int) -> Path:
    """Speak so many test sentences of the project's grammar with the quick synthesizers that are here, in the voices of the test
    split; return the manifest. ModelError where there is none."""
    engines = [name for name, program in QUICK_PROGRAMS.items() if shutil.which(program)]
    if not engines:
        raise ModelError(f"--synthesize: none of {', '.join(QUICK_PROGRAMS.values())} is here; apt-get install flite")
    shares = {name: len(range(index, count, len(engines))) for index, name in enumerate(engines)}
    recipe = CorpusRecipe(seed=5, out=str(folder), phrases=("first", "near", "life", "wide"),
                          per_phrasing={"train": 1, "validation": 1, "test": 3}, clips={"test": shares})  # fmt: skip
    build(recipe, workers=1)
    return folder / "manifest.jsonl"


def in_a_room(path: str) -> tuple[np.ndarray, int]:
    """Return a clip with a quiet room before and after it, int16, and the sample at which its last speech ends."""
    clip = clip_of(Path(path))
    before, after = (round(seconds * RATE_HZ) for seconds in (BEFORE_SECONDS, AFTER_SECONDS))
    padded = np.pad(clip, (before, after))
    room = quiet(len(padded) / RATE_HZ, np.random.default_rng(3))
    return pcm(padded + room), before + speech_bounds(clip)[1]


def _drawn(rows: list[Utterance], count: int | None) -> list[Utterance]:
    if count is None or count >= len(rows):
        return rows
    return [rows[round(index)] for index in np.linspace(0, len(rows) - 1, count)]
