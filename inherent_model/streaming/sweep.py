"""One gate threshold after another over recorded streams: how often it opens for nobody, and for whom it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inherentd.inherent_model.degrade import RATE_HZ
from inherentd.inherent_model.streaming.recording import CLOSE_SHARE
from inherentd.inherent_model.streaming.streams import Segment
from inherentd.pipeline.gate import Closed, GateConfig, Opened
from inherentd.pipeline.replay import Recording, replay

ACCEPT_WITHIN_SAMPLES = 24_000
"""a gate that is open at most 1.5 s after the end of a request has accepted it"""
HOUR_SAMPLES = 3600 * RATE_HZ
ADDRESSED_QUANTILES = np.linspace(0.025, 0.975, 20)
RATES_PER_HOUR = np.geomspace(0.05, 240, 26)


@dataclass(frozen=True)
class Heard:
    """A stream as the model heard it, and what lay where in it."""

    recording: Recording
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Sweep:
    """Counts by threshold, from the highest down, and by speaker: what a bootstrap draws from."""

    thresholds: np.ndarray
    """[thresholds], descending"""
    false_accepts: np.ndarray
    """openings in unaddressed audio, [thresholds, unaddressed speakers]"""
    hours: np.ndarray
    """of unaddressed audio, [unaddressed speakers]"""
    accepted: np.ndarray
    """requests for which the gate was open, [thresholds, addressed speakers]"""
    phrases: np.ndarray
    """requests, [addressed speakers]"""


def run_sweep(config: GateConfig, unaddressed: Heard, addressed: Heard) -> Sweep:
    """Return the counts at thresholds around those where something changes, the gate's own among them."""
    thresholds = choose_thresholds(config, unaddressed, addressed)
    quiet_speakers, quiet = _speakers(unaddressed.segments)
    speakers, of_phrase = _speakers(addressed.segments)
    false_accepts = np.zeros((len(thresholds), quiet_speakers))
    accepted = np.zeros((len(thresholds), speakers))
    for index, threshold in enumerate(thresholds):
        openings = spans(gate_only(config, float(threshold)), unaddressed.recording)
        np.add.at(false_accepts[index], quiet[segments_of(openings[:, 0], unaddressed.segments)], 1)
        taken = accepted_phrases(spans(gate_only(config, float(threshold)), addressed.recording), addressed.segments)
        np.add.at(accepted[index], of_phrase[taken], 1)
    lengths = np.array([segment.stop - segment.start for segment in unaddressed.segments])
    hours = np.bincount(quiet, lengths, quiet_speakers) / HOUR_SAMPLES
    return Sweep(thresholds, false_accepts, hours, accepted, np.bincount(of_phrase, minlength=speakers))


def gate_only(config: GateConfig, threshold: float) -> GateConfig:
    """Return the same gate at another threshold and without intents: when it opens and closes does not depend on them."""
    return dataclasses.replace(config, heads=config.heads[:1], intent_thresholds=(), lookback_samples=0,
                               open_threshold=threshold, close_threshold=threshold * CLOSE_SHARE)  # fmt: skip


def spans(config: GateConfig, recording: Recording) -> np.ndarray:
    """Return when the gate opened and closed again, int64 [openings, 2] in samples; the end of the stream closes it."""
    if len(config.heads) == 1:
        recording = dataclasses.replace(recording, scores=recording.scores[:, :1])
    found: list[list[int]] = []
    for at_sample, transition in replay(config, recording):
        if isinstance(transition, Opened):
            found.append([at_sample, recording.samples])
        elif isinstance(transition, Closed):
            found[-1][1] = at_sample
    return np.array(found, np.int64).reshape(-1, 2)


def segments_of(at_samples: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Return in which segment each decision fell; one at the very end of a segment is that segment's."""
    return np.searchsorted([segment.stop for segment in segments], at_samples)


def accepted_phrases(openings: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Return of each segment whether the gate was open in it before `ACCEPT_WITHIN_SAMPLES` after its speech, bool."""
    taken = np.zeros(len(segments), bool)
    for index, segment in enumerate(segments):
        until = min(segment.speech_stop + ACCEPT_WITHIN_SAMPLES, segment.stop)
        taken[index] = ((openings[:, 0] <= until) & (openings[:, 1] > segment.speech_start)).any()
    return taken


def choose_thresholds(config: GateConfig, unaddressed: Heard, addressed: Heard) -> np.ndarray:
    """Return thresholds, descending: the gate's own, those that divide the requests' peaks evenly, and those that some
    false accepts an hour stay over."""
    peaks = np.sort(segment_peaks(unaddressed))[::-1]
    hours = unaddressed.recording.samples / HOUR_SAMPLES
    ranks = np.unique(np.floor(RATES_PER_HOUR * hours).astype(int))
    over = peaks[ranks[ranks < len(peaks)]] + 1e-6
    even = np.quantile(segment_peaks(addressed), ADDRESSED_QUANTILES)
    chosen = np.clip(np.concatenate([over, even, [config.open_threshold]]), 1e-4, 1.0)
    return np.unique(chosen)[::-1]


def segment_peaks(heard: Heard) -> np.ndarray:
    """Return the gate's highest score in each segment, [segments]; 0 where the engine slept."""
    peaks = np.zeros(len(heard.segments))
    places = np.minimum(segments_of(heard.recording.at_sample, heard.segments), len(peaks) - 1)
    np.maximum.at(peaks, places, heard.recording.scores[:, 0])
    return peaks


def _speakers(segments: Sequence[Segment]) -> tuple[int, np.ndarray]:
    names, members = np.unique([segment.speaker for segment in segments], return_inverse=True)
    return len(names), members
