"""Score labelled recordings with a checkpoint or an artifact, and say of each which heads were right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.labels import Labels
from inherentd.pipeline.artifact import threshold_key
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import TAIL_FRAMES, open_runtime, peak_scores

UNCALIBRATED = 0.5


@dataclass(frozen=True)
class Scorer:
    """A model that is ready to score: `peaks` takes log-mels [frames, mel_bins] and returns [clips, heads]."""

    model: str
    heads: tuple[str, ...]
    thresholds: tuple[float, ...]
    frontend: FrontendSpec
    peaks: Callable[[Sequence[np.ndarray]], np.ndarray]
    """each head's highest score over log-mel clips and `TAIL_FRAMES` of silence"""


def artifact_scorer(path: Path) -> Scorer:
    """Return a scorer through the daemon's own runtimes, with the artifact's thresholds."""
    try:
        runtime = open_runtime(path)
    except PipelineError as error:
        raise ModelError(str(error)) from error
    metadata = runtime.metadata
    spec = metadata.frontend or FrontendSpec()

    def with_tail(clip: np.ndarray) -> np.ndarray:
        return np.pad(clip, ((0, TAIL_FRAMES), (0, 0)), constant_values=np.log(spec.log_floor))

    return Scorer(
        model=str(path),
        heads=metadata.head_order,
        thresholds=tuple(metadata.default_thresholds[threshold_key(head)] for head in metadata.head_order),
        frontend=spec,
        peaks=lambda clips: np.stack([peak_scores(runtime, with_tail(clip)) for clip in clips]),
    )


def checkpoint_scorer(path: Path, thresholds: Path | None) -> Scorer:
    """Return a scorer in torch; without a calibration every threshold is 0.5."""
    from inherentd.inherent_model import checkpoint, evaluation
    from inherentd.inherent_model.thresholds import load

    loaded = checkpoint.load(path)
    heads = loaded.model.config.heads
    return Scorer(
        model=str(path),
        heads=heads,
        thresholds=load(thresholds, heads).thresholds if thresholds else (UNCALIBRATED,) * len(heads),
        frontend=loaded.frontend,
        peaks=lambda clips: evaluation.peak_scores(loaded.model, clips),
    )


def report(labels: Labels, scorer: Scorer) -> dict[str, Any]:
    """Return, JSON-ready, what each recording should fire, what it scored, what was heard, and the totals.

    An intent is heard only when the gate is: that is how the daemon tells them.
    """
    from inherentd.inherent_model.features import read_audio

    spec = scorer.frontend
    recordings = [read_audio(labels.audio(row), spec.sample_rate_hz) for row in labels.rows]
    scores = scorer.peaks([log_mel(spec, samples) for samples in recordings])
    thresholds = np.array(scorer.thresholds, np.float32)
    heard = scores >= thresholds
    heard[:, 1:] &= heard[:, :1]
    expected = np.array([[head in row.fired for head in scorer.heads] for row in labels.rows])
    sentences = [
        {
            "text": row.transcript,
            "audio_path": row.audio_path,
            "expected": _named(scorer.heads, expected[index]),
            "heard": _named(scorer.heads, heard[index]),
            "right": bool((heard[index] == expected[index]).all()),
            "wrong_heads": _named(scorer.heads, heard[index] != expected[index]),
            "scores": {head: round(float(score), 4) for head, score in zip(scorer.heads, scores[index], strict=True)},
        }
        for index, row in enumerate(labels.rows)
    ]
    totals = {
        head: {
            "expected": int(expected[:, index].sum()),
            "heard": int((heard & expected)[:, index].sum()),
            "false": int((heard & ~expected)[:, index].sum()),
            "right": int((heard == expected)[:, index].sum()),
        }
        for index, head in enumerate(scorer.heads)
    }
    return {
        "model": scorer.model,
        "thresholds": dict(zip(scorer.heads, scorer.thresholds, strict=True)),
        "sentences": sentences,
        "totals": {
            "sentences": len(sentences),
            "all_right": sum(bool(row["right"]) for row in sentences),
            "heads": totals,
        },
    }


def _named(heads: Sequence[str], chosen: np.ndarray) -> list[str]:
    return [head for head, is_chosen in zip(heads, chosen, strict=True) if is_chosen]
