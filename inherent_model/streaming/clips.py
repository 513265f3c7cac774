"""The clips of the evaluation's streams: requests of the test split; talk of the test split and of any folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from inherentd.inherent_model.conditions import Rendering, heard
from inherentd.inherent_model.degrade import RATE_HZ, Condition
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import speaker_of
from inherentd.inherent_model.features import read_audio, speech_bounds
from inherentd.inherent_model.manifest import Utterance, read_manifests
from inherentd.inherent_model.streaming.streams import Clip
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import TAIL_FRAMES

SUFFIXES = {".wav", ".flac", ".ogg", ".opus"}


def unaddressed_rows(sources: Sequence[Path]) -> list[Utterance]:
    """Return the clips of folders (every audio file under them, none addressed, nobody knows who speaks) and of
    manifests (their unaddressed lines). ModelError for a source without any."""
    rows: list[Utterance] = []
    for source in sources:
        if source.is_dir():
            files = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
            found = [Utterance(str(path), "", (), False, source.name, "real", "test") for path in files]
        else:
            found = [row for row in read_manifests([source]) if not row.addressed]
        if not found:
            raise ModelError(f"{source}: no unaddressed clip; expected a folder of audio files or a manifest with some")
        rows += found
    return rows


def clips(
    rows: Sequence[Utterance],
    rendering: Rendering,
    condition: Condition,
    spec: FrontendSpec,
    *,
    at_least_samples: int = 0,
) -> Iterator[Clip]:
    """Yield the clips in a random order as they are heard under a condition, requests with where their speech lies.

    Goes through them once, and again, each time as another take, until there are `at_least_samples`.
    """
    order = np.random.default_rng(rendering.seed)
    tail = TAIL_FRAMES * spec.hop_samples
    laid = take = 0
    while take == 0 or laid < at_least_samples:
        for index in order.permutation(len(rows)):
            row = rows[index]
            samples = heard(rendering, condition, row.path, tail, take)
            laid += len(samples)
            speech = speech_samples(row.path, spec) if row.addressed else (0, len(samples))
            yield Clip(row.path, samples, speaker_of(row), row.source, row.heads, speech)
            if take and laid >= at_least_samples:
                return
        take += 1


def speech_samples(path: str, spec: FrontendSpec) -> tuple[int, int]:
    """Return the first sample of speech in a clean clip and the one after the last."""
    clean = read_audio(path, RATE_HZ)
    mel = log_mel(spec, clean)
    if not len(mel):
        return 0, len(clean)
    first, last = speech_bounds(mel)
    return first * spec.hop_samples, (last - 1) * spec.hop_samples + spec.window_samples


def in_training(rows: Sequence[Utterance], training: Sequence[Utterance]) -> list[Utterance]:
    """Return the clips that the model was trained with: their false accepts say little."""
    known = {Path(row.path).resolve() for row in training}
    return [row for row in rows if Path(row.path).resolve() in known]


def only(rows: Sequence[Utterance], limit: int | None, seed: int) -> list[Utterance]:
    """Return at most `limit` of the clips, drawn by the seed."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:limit])
    return [rows[index] for index in chosen]
