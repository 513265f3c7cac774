"""Does a runtime compute what was trained? Its first step, its golden, and how long a step takes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from inherentd.pipeline.errors import PipelineError, first_line
from inherentd.pipeline.frontend import FrontendSpec
from inherentd.pipeline.runtimes.processor import Processor
from inherentd.pipeline.runtimes.protocol import Array, Runtime
from inherentd.pipeline.runtimes.window import SlidingWindow

TAIL_FRAMES = 24
"""of silence after a clip that is scored by itself, so that its last sound counts too (the engine does the same at the end)"""
MEASURED_STEPS = 30


class CheckError(PipelineError):
    """A runtime that does not compute what was trained, or nothing at all."""


def checked(model: Path, runtime: Runtime, processor: Processor, *, allow: bool = False) -> Runtime:
    """Return the runtime, its first step run and its golden scored: what does not fit is refused here, as a CheckError, and
    not in the middle of a stream. With `allow` a wrong golden is told by the `processor` instead."""
    runtime.processor = processor
    metadata = runtime.metadata
    heads = len(metadata.head_order)
    try:
        scores, _ = runtime.step(_zeros(runtime), runtime.initial_state())
        difference = golden_difference(runtime)
    except Exception as error:  # each runtime has exceptions of its own for a tensor that does not fit
        raise CheckError(f"model {model}: cannot score {list(_zeros(runtime).shape)} ({first_line(error)})") from error
    if scores.shape != (heads,) or not ((scores >= 0) & (scores <= 1)).all():
        raise CheckError(f"model {model}: scored {scores.tolist()}, expected {heads} numbers in [0, 1]")
    tolerance = metadata.golden.tolerance if metadata.golden is not None else 0.0
    if not difference <= tolerance:
        wrong = (
            f"model {model}: scores its golden {difference:.2g} off, expected at most {tolerance:g}; this "
            "runtime does not compute what was trained: use another version of it, or export the model again"
        )
        if not allow:
            raise CheckError(wrong)
        runtime.processor = processor.noting(wrong)
    return runtime


def golden_difference(runtime: Runtime) -> float:
    """Return how far the runtime scores the golden of its metadata; 0 where there is none. A window scores it at once, the
    other forms step by step."""
    golden = runtime.metadata.golden
    if golden is None:
        return 0.0
    if isinstance(runtime, SlidingWindow):
        found = runtime.score(runtime.padded(golden.given[None]))
    else:
        found = peak_scores(runtime, golden.given)
    return float(np.abs(found - golden.scores).max())


def peak_scores(runtime: Runtime, given: Array) -> Array:
    """Return each head's highest score over log-mel [frames, mel_bins], or samples [n] where the runtime takes those, from
    the initial state, whole steps only."""
    metadata, frames = runtime.metadata, runtime.step_frames
    advance, span = frames, frames
    if metadata.form == "audio":
        advance, span = frames * (metadata.frontend or FrontendSpec()).hop_samples, metadata.span_samples
    state = runtime.initial_state()
    peaks = np.zeros(len(metadata.head_order), np.float32)
    for start in range(0, len(given) - span + 1, advance):
        scores, state = runtime.step(given[None, start : start + span], state)
        peaks = np.maximum(peaks, scores)
    return peaks


def step_seconds(runtime: Runtime) -> float:
    """Return the wall-clock time of a step of zeros, the median of some."""
    state = runtime.initial_state()
    given = _zeros(runtime)
    taken: list[float] = []
    for _ in range(MEASURED_STEPS):
        before = time.perf_counter()
        _, state = runtime.step(given, state)
        taken.append(time.perf_counter() - before)
    return float(np.median(taken))


def _zeros(runtime: Runtime) -> Array:
    """Return what one step is given, all zeros."""
    metadata = runtime.metadata
    spec = metadata.frontend or FrontendSpec()
    shape = (1, metadata.span_samples) if metadata.form == "audio" else (1, runtime.step_frames, spec.mel_bins)
    return np.zeros(shape, np.float32)
