"""A corpus that a test makes: tones for requests, noise for talk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

TONES_HZ = {"hasHighTone": 2500, "hasLowTone": 400}


def clip(kind: str | None, seed: int) -> np.ndarray:
    """Return 0.75 s with a tone for `kind`, or a burst of noise."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.02, 12_000)
    if kind is not None:
        hz = TONES_HZ[kind] * rng.uniform(0.9, 1.1)
        samples[3000:9000] += 0.4 * np.sin(2 * np.pi * hz * np.arange(6000) / 16000)
    else:
        samples[3000:9000] *= 10
    return samples.astype(np.float32)


def write_corpus(folder: Path, clips: int, *, spoken: bool = False) -> Path:
    """Write clips of all three kinds and splits, and return their manifest. spoken: as if words of the kind and of the
    split were said in each."""
    lines = []
    for index in range(clips):
        kind = [None, "hasHighTone", "hasLowTone"][index % 3]
        split = "test" if index % 27 > 20 else "validation" if index % 27 > 11 else "train"
        soundfile.write(folder / f"{index}.wav", clip(kind, index), 16_000)
        lines.append({"path": f"{index}.wav", "text": f"{kind or 'no'} {split}" if spoken else "", "addressed": int(kind is not None), "split": split,
                      "heads": [kind] if kind else [], "seconds": 0.75})  # fmt: skip
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder / "manifest.jsonl"
