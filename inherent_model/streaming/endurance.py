"""Hours of every kind of sound through a runtime, and whether it still scores as a freshly started one does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from inherentd.inherent_model.degrade import RATE_HZ, gain_to
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.noises import noise, talk
from inherentd.inherent_model.sounds import PIECE_SAMPLES, pieces_of_sound
from inherentd.pipeline import frontend
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.runtimes import Runtime, State


@dataclass(frozen=True)
class Endurance:
    """What hours of sound did to the state."""

    hours: float
    steps: int
    seconds_taken: float
    largest_state: float
    """the largest magnitude in any state tensor, looked at every 10 s of audio"""
    largest_difference: float
    """of any score over the probe, from those of a fresh start"""


def endure(
    runtime: Runtime, seconds: float, clips: Sequence[np.ndarray], seed: int, settle_seconds: float
) -> Endurance:
    """Return what so many seconds of audio did to a runtime's state; ModelError as soon as a state or score is not
    finite.

    Then the used and a fresh state both hear the same `settle_seconds` of noise, since a state remembers what it just
    heard, and the same probe of talk, over which their scores are compared.
    """
    rng = np.random.default_rng(seed)
    spec = runtime.metadata.frontend or FrontendSpec()
    started, steps, largest = time.monotonic(), 0, 0.0
    state, frontend_state = runtime.initial_state(), frontend.initial_state(spec)
    pending = np.zeros((0, spec.mel_bins), np.float32)
    pieces = max(1, round(seconds * RATE_HZ / PIECE_SAMPLES))
    sounds = pieces_of_sound(rng, clips)
    for piece in tqdm(range(pieces), desc="audio", unit_scale=PIECE_SAMPLES / RATE_HZ, unit="s", disable=None):
        kind, samples = next(sounds)
        frontend_state, frames = frontend.step(spec, frontend_state, samples)
        scores, state, pending = _run(runtime, np.concatenate([pending, frames]), state)
        steps += len(scores)
        largest = max(largest, _check(scores, state, f"{kind} after {piece * PIECE_SAMPLES // RATE_HZ} s"))
    settle = noise("pink", round(settle_seconds * RATE_HZ), rng) * gain_to(-40)
    probe = np.concatenate([talk(PIECE_SAMPLES, rng) * gain_to(-25), *clips[:3]])
    heard = log_mel(spec, np.concatenate([settle, probe]).astype(np.float32))
    first = spec.frame_count(len(settle)) // runtime.step_frames
    used, _, _ = _run(runtime, heard, state)
    fresh, _, _ = _run(runtime, heard, runtime.initial_state())
    return Endurance(
        hours=round(pieces * PIECE_SAMPLES / RATE_HZ / 3600, 4),
        steps=steps,
        seconds_taken=round(time.monotonic() - started, 1),
        largest_state=largest,
        largest_difference=float(np.abs(used[first:] - fresh[first:]).max()),
    )


def _run(runtime: Runtime, frames: np.ndarray, state: State) -> tuple[np.ndarray, State, np.ndarray]:
    """Return the scores of every whole step [steps, heads], the next state and the frames that are left over."""
    count = len(frames) // runtime.step_frames
    scores = np.zeros((count, len(runtime.metadata.head_order)), np.float32)
    for step in range(count):
        start = step * runtime.step_frames
        scores[step], state = runtime.step(frames[None, start : start + runtime.step_frames], state)
    return scores, state, frames[count * runtime.step_frames :]


def _check(scores: np.ndarray, state: State, when: str) -> float:
    """Return the largest magnitude in the state; ModelError when it, or a score, is not finite."""
    wrong = [name for name, tensor in state.items() if not np.isfinite(tensor).all()]
    if wrong or not np.isfinite(scores).all():
        raise ModelError(
            f"{', '.join(wrong) or 'scores'}: not finite at {when}, expected finite numbers; do not ship it"
        )
    return max((float(np.abs(tensor).max()) for tensor in state.values() if tensor.size), default=0.0)
