"""Samples in, events out: ring, frontend, model, gate. The only mutable thing here besides the ring.

Everything is decided on a fixed grid (step i covers frames [i * step_frames, (i + 1) * step_frames)), so any split of
the same samples gives the same events, with the same audio in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline import activity, gate
from inherentd.pipeline.activity import ROOM, ActivityConfig
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened, Intent, Scores
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.resampling import SAMPLE_TYPES, to_int16
from inherentd.pipeline.ring import Pcm, Ring
from inherentd.pipeline.runtimes import Runtime
from inherentd.pipeline.together import Work, alone

Measure = Callable[[Pcm, int], NDArray[np.float64]]
"""(samples, hop_samples) -> dBFS of each hop"""
StepListener = Callable[[int, NDArray[np.float32]], None]
"""called with (at_sample, scores [heads]) after every scored step: plots and tests"""

CONTEXT_SAMPLES = 128_000
"""what a model that is changed in hears of the past: more than any of ours looks back"""
SLICE_SAMPLES = 160_000
"""a longer chunk is worked off in slices of 10 s, so that memory stays bounded"""


@dataclass(frozen=True)
class EngineConfig:
    """All times in samples of the 16 kHz stream."""

    gate: gate.GateConfig
    activity: ActivityConfig = field(default_factory=ActivityConfig)
    ring_samples: int = 480_000
    sleep_below_dbfs: float | None = -65.0
    """frontend and model rest while every hop is quieter than this; None: they never rest"""
    sleep_in: ActivityConfig | None = ROOM
    """also while none stands out from the room's own noise; None: in quiet rooms only"""
    sleep_after_samples: int = 32_000
    wake_lookback_samples: int = 32_000
    """on waking, the model starts so long before the first loud hop"""
    audio_chunk_samples: int = 1_280
    scores_every_samples: int = 0
    """0: no `Scores` events"""
    flush_samples: int = 7_680
    """silence that the model hears after the end of a stream, to decide on its last word"""


class Engine:
    """One stream. `push` samples as they come; `finish` at the end of the stream; `reset` for another."""

    def __init__(self, config: EngineConfig, runtime: Runtime, *, listener: StepListener | None = None) -> None:
        self.listener = listener
        self._use(config, runtime)
        self.reset()

    def _use(self, config: EngineConfig, runtime: Runtime) -> None:
        needed = config.gate.preroll_samples + SLICE_SAMPLES + config.wake_lookback_samples
        if config.ring_samples < needed:
            raise PipelineError(f"ring_samples: got {config.ring_samples}, expected {needed} or more for this pre-roll")
        self.config = config
        self.runtime = runtime
        self.spec = runtime.metadata.frontend or FrontendSpec()
        self.heads = runtime.metadata.head_order
        self._step_samples: int = runtime.step_frames * self.spec.hop_samples
        self._span_samples = self.spec.span_samples(runtime.step_frames)

    def reset(self) -> None:
        """Start a new stream at sample 0; utterances count from 1 again."""
        self.bad_samples = 0
        self.steps = 0
        self.level_dbfs = activity.SILENCE_DBFS
        self.asleep = False
        self._asleep_from = 0
        self._broken = False
        self._peaks = np.zeros(len(self.heads), np.float32)
        self._ring = Ring(self.config.ring_samples)
        self._state = self.runtime.initial_state()
        self._activity = activity.initial_state(self.config.activity)
        self._room = activity.initial_state(self.config.sleep_in or ROOM)
        self._gate = gate.initial_state(self.config.gate)
        self._grid_start = 0
        self._next_step: int = 0
        self._context_step = 0
        self._quiet_samples = 0
        self._utterance = 0
        self._audio_from = 0
        self._next_scores = 0
        self._end: int | None = None

    @property
    def samples(self) -> int:
        """Return how many samples the stream has had."""
        return self._ring.written if self._end is None else self._end

    @property
    def oldest(self) -> int:
        """Return the first sample that `audio` can still give."""
        return self._ring.oldest

    @property
    def peaks(self) -> dict[str, float]:
        """Return the highest score of each head in this stream so far."""
        return self._named(self._peaks)

    @property
    def is_open(self) -> bool:
        """Return whether an utterance is open."""
        return self._gate.opened_at is not None

    def audio(self, start: int, stop: int) -> Pcm:
        """Return samples [start, stop) that the ring still holds; PipelineError with the held range otherwise."""
        return self._ring.read(start, stop)

    def push(self, samples: NDArray[Any]) -> list[Event]:
        """Return what the next samples caused, in order. int16, or float in [-1, 1], [n], at 16 kHz; any n, also 0.

        Samples that are not finite become 0 and are counted in `bad_samples`.
        """
        return alone(self.pushing(samples), self.runtime)

    def pushing(self, samples: NDArray[Any]) -> Work[list[Event]]:
        """Do as `push`, with whoever drives this running the model's steps: several streams' in one (`together`)."""
        if self._end is not None:
            raise PipelineError("push after finish: the stream is over; call reset() first")
        if samples.ndim != 1 or samples.dtype.name not in SAMPLE_TYPES:
            raise PipelineError(f"samples: got {samples.dtype} {samples.shape}, expected int16 or float [samples]")
        events: list[Event] = []
        for start in range(0, len(samples), SLICE_SAMPLES):
            piece = samples[start : start + SLICE_SAMPLES]
            if piece.dtype != np.int16:
                piece, bad = to_int16(piece)
                self.bad_samples += bad
            self._ring.write(piece)
            yield from self._run_steps(events)
        return events

    def finish(self) -> list[Event]:
        """End the stream: hear `flush_samples` of silence after it, then close what is open.

        That silence never gets into an `Audio` event, and no event's position is past the real end. A model that
        broke (`push` raised) is not asked again: what is open is closed.
        """
        return alone(self.finishing(), self.runtime)

    def finishing(self) -> Work[list[Event]]:
        """Do as `finish`, with whoever drives this running the model's steps."""
        if self._end is not None:
            return []
        self._end = self._ring.written
        events: list[Event] = []
        if not self._broken:
            self._ring.write(np.zeros(self.config.flush_samples + self._span_samples, np.int16))
            yield from self._run_steps(events)
        self._close("end_of_stream", events)
        return events

    def close_utterance(self, reason: gate.Reason) -> list[Event]:
        """Close the open utterance now (muted, stopped); nothing when none is open."""
        events: list[Event] = []
        self._close(reason, events)
        return events

    def change(self, config: EngineConfig, runtime: Runtime | None = None) -> list[Event]:
        """Go on with other settings, or with another model too, from the next step on; return what that closed.

        No sample is lost: a new model first hears the last seconds that the old one heard. An open utterance stays open,
        unless the heads are others than before.
        """
        before = dict(self.__dict__)
        try:
            return self._change(config, runtime)
        except Exception:
            self.__dict__.update(before)  # all or nothing: a model that breaks at once leaves the other in its place
            raise

    def _change(self, config: EngineConfig, runtime: Runtime | None) -> list[Event]:
        events: list[Event] = []
        if runtime is not None and list(runtime.metadata.head_order) != list(self.heads):
            self._close("reload", events)
            self._gate = gate.initial_state(config.gate)
            self._peaks = np.zeros(len(runtime.metadata.head_order), np.float32)
        changed = runtime is not None and runtime is not self.runtime
        next_at, context_at, asleep_at = map(self._position, (self._next_step, self._context_step, self._asleep_from))
        self._use(config, runtime or self.runtime)
        if config.ring_samples > self._ring.capacity_samples:
            self._ring = self._ring.grown(config.ring_samples)
        if changed:
            # The next step begins where it would have begun; with other steps, that is another grid.
            self._next_step, self._grid_start = divmod(next_at, self._step_samples)
            self._context_step, self._asleep_from = (
                -((self._grid_start - at) // self._step_samples) for at in (context_at, asleep_at)
            )
            self._remember()
        return events

    def _remember(self) -> None:
        """Give a model that is changed in the context that the one before it had."""
        self._state = self.runtime.initial_state()
        if self.asleep:
            return
        first = max(self._context_step, self._next_step - CONTEXT_SAMPLES // self._step_samples)
        if first < self._next_step:
            heard = self._heard(self._span(first, self._next_step))
            for index in range(self._next_step - first):
                _, self._state = self.runtime.step(heard(index), self._state)

    @property
    def _step_seconds(self) -> float:
        return self._step_samples / self.spec.sample_rate_hz

    def _position(self, step: int) -> int:
        """Return the sample at which a step begins."""
        return self._grid_start + step * self._step_samples

    def _span(self, first: int, stop: int) -> Pcm:
        """Return the samples that steps [first, stop) hear."""
        return self._ring.read(self._position(first), self._position(stop - 1) + self._span_samples)

    def _run_steps(self, events: list[Event]) -> Work[None]:
        """Score every step whose samples are all here."""
        first = self._next_step
        count = (self._ring.written - self._position(first) - self._span_samples) // self._step_samples + 1
        if count <= 0:
            return
        samples = self._span(first, first + count)
        levels, voices = (
            self._loudest(measure, samples, count) for measure in (activity.levels_dbfs, activity.voices_dbfs)
        )
        heard: Callable[[int], NDArray[np.float32]] | None = None
        for index in range(count):
            level = float(levels[index])
            self._next_step = first + index
            self._activity, active = activity.step(self.config.activity, self._activity, level, self._step_seconds)
            if self._rest(level, float(voices[index])):
                continue
            if heard is None:
                heard = self._heard(samples)
            if self.asleep:
                yield from self._wake(events)
            yield from self._score(first + index, heard(index), level, events, active=active)
        self._next_step = first + count
        self.level_dbfs = float(levels[-1])

    def _loudest(self, measure: Measure, samples: Pcm, count: int) -> NDArray[np.float64]:
        """Return the loudest hop of each of the first `count` steps, [count]."""
        hops = measure(samples[: count * self._step_samples], self.spec.hop_samples)
        return hops.reshape(count, self.runtime.step_frames).max(axis=1)

    def _rest(self, level_dbfs: float, voice_dbfs: float) -> bool:
        """Return whether this step can be slept through, and fall asleep when it has been quiet for long enough."""
        if self._may_be_speech(level_dbfs, voice_dbfs):
            self._quiet_samples = 0
            return False
        self._quiet_samples += self._step_samples
        if not self.asleep and self._quiet_samples >= self.config.sleep_after_samples and not self.is_open:
            self.asleep = True
            self._asleep_from = self._next_step
            # Whoever wakes up starts afresh: the state cannot drift over days.
            self._state = self.runtime.initial_state()
        return self.asleep

    def _may_be_speech(self, level_dbfs: float, voice_dbfs: float) -> bool:
        """Return whether there is more than silence and the room's own noise, which is followed asleep, too."""
        lowest, room = self.config.sleep_below_dbfs, self.config.sleep_in
        if lowest is None:
            return True
        stands_out = True
        if room is not None:
            self._room, stands_out = activity.step(room, self._room, voice_dbfs, self._step_seconds)
        return level_dbfs >= lowest and stands_out

    def _wake(self, events: list[Event]) -> Work[None]:
        """Hear the steps just before the loud one, so that a soft beginning of the first word is heard too.

        Steps from before it fell asleep were scored then: they only give the model its context back. What was slept through
        does not count as active.
        """
        self.asleep = False
        lookback = self.config.wake_lookback_samples // self._step_samples
        held = -(-(self._ring.oldest - self._grid_start) // self._step_samples)
        first = max(0, self._next_step - lookback, held)
        self._context_step = first
        if first == self._next_step:
            return
        samples = self._span(first, self._next_step)
        heard = self._heard(samples)
        levels = self._loudest(activity.levels_dbfs, samples, self._next_step - first)
        for index in range(self._next_step - first):
            if first + index >= self._asleep_from:
                yield from self._score(first + index, heard(index), float(levels[index]), events, active=False)
            else:
                _, self._state = yield heard(index), self._state

    def _score(
        self, step: int, given: NDArray[np.float32], level_dbfs: float, events: list[Event], *, active: bool
    ) -> Work[None]:
        self._broken = True  # unless this step goes through: what raises now would raise again
        scores, self._state = yield given, self._state
        at_sample = self._position(step) + self._span_samples
        if self._end is not None:
            at_sample = min(at_sample, self._end)
        self._gate, transitions = gate.step(self.config.gate, self._gate, scores, active=active, at_sample=at_sample)
        self._broken = False
        self.steps += 1
        self._peaks = np.maximum(self._peaks, scores)
        if self.listener is not None:
            self.listener(at_sample, scores)
        self._tell(transitions, at_sample, events)
        if self.is_open and at_sample - self._audio_from >= self.config.audio_chunk_samples:
            self._send_audio(at_sample, events, last=False)
        if self.config.scores_every_samples and at_sample >= self._next_scores:
            self._next_scores = at_sample + self.config.scores_every_samples
            events.append(Scores(at_sample, self._named(scores), level_dbfs, active))

    def _tell(self, transitions: list[gate.Transition], at_sample: int, events: list[Event]) -> None:
        for transition in transitions:
            if isinstance(transition, gate.Opened):
                self._utterance += 1
                # Never back into the utterance before: no sample is sent twice.
                begin = max(self._audio_from, at_sample - self.config.gate.preroll_samples)
                self._audio_from = begin
                scores = self._named(transition.scores)
                events.append(GateOpened(self._utterance, at_sample, transition.score, scores, at_sample - begin))
                self._send_audio(at_sample, events, last=False)
            elif isinstance(transition, gate.Told):
                head = self.heads[transition.head]
                events.append(Intent(self._utterance, at_sample, head, transition.score, transition.final))
            else:
                self._send_audio(at_sample, events, last=True)
                intents = [self.heads[head] for head in transition.intents]
                duration = at_sample - transition.opened_at
                peaks = self._named(transition.peaks)
                closed = GateClosed(self._utterance, at_sample, duration, transition.reason, intents, peaks)
                events.append(closed)

    def _send_audio(self, stop: int, events: list[Event], *, last: bool) -> None:
        pcm = self._ring.read(self._audio_from, stop)
        events.append(Audio(self._utterance, self._audio_from, pcm, last))
        self._audio_from = stop

    def _close(self, reason: gate.Reason, events: list[Event]) -> None:
        # Up to the last step that was scored: what came after it belongs to no decision yet.
        at_sample = self._position(self._next_step - 1) + self._span_samples if self._next_step else 0
        if self._end is not None:
            at_sample = self._end
        self._gate, transitions = gate.close(self.config.gate, self._gate, reason, at_sample)
        self._tell(transitions, at_sample, events)

    def _heard(self, samples: Pcm) -> Callable[[int], NDArray[np.float32]]:
        """Return what gives the model its input of the step with an index, from the samples of all these steps."""
        floats = samples.astype(np.float32) / np.float32(32768)
        if self.runtime.metadata.form == "audio":
            return lambda index: floats[None, index * self._step_samples :][:, : self._span_samples]
        mel, frames = log_mel(self.spec, floats), self.runtime.step_frames
        return lambda index: mel[None, index * frames : (index + 1) * frames]

    def _named(self, scores: NDArray[np.float32]) -> dict[str, float]:
        return dict(zip(self.heads, map(float, scores), strict=True))
