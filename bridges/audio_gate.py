"""Audio in, and of it what is meant for the assistant out, in the very samples that came: the gate of every bridge that
stands in an audio path.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.bridges.pcm import PcmFormat
from inherentd.daemon import config_layers, engine_setup
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened, Intent
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ, Resampler


@dataclass(frozen=True)
class Passed:
    """A piece of an open utterance, as it came in. The first begins with the pre-roll; no sample is missing, none twice."""

    utterance: int
    pcm: bytes
    format: PcmFormat
    last: bool


Heard = GateOpened | Intent | GateClosed | Passed


def open_engine(settings: Sequence[str] = (), config: Path | None = None) -> Engine:
    """Return an engine with the model and the gate that `inherentd` would run: `config` is a YAML file of settings, then
    comes the environment (INHERENTD_...), then `settings`, e.g. "gate.hangover_ms=800".

    Raises DaemonError or PipelineError for a setting or a model that cannot be.
    """
    chosen = config_layers.load(config, os.environ, settings)
    runtime = engine_setup.open_model(chosen.model)
    return Engine(engine_setup.engine_config(chosen, runtime.metadata), runtime)


class AudioGate:
    """One stream after the other: `push` what comes, in any format; `finish` at a stream's end, then push another.

    It computes where it is called (some 0.2 ms for 20 ms of audio). Call it in the thread that opened the engine: some
    runtimes (MLX) answer no other.
    """

    def __init__(self, engine: Engine) -> None:
        """Use this engine alone; `open_engine` makes one."""
        self._engine = engine
        self._format: PcmFormat | None = None
        self._held = bytearray()  # the bytes from frame `_held_from` on, for the pre-roll
        self._held_from = 0
        self._passed_to = 0
        self._begins = False

    def push(self, pcm: bytes, audio: PcmFormat) -> list[Heard]:
        """Return what these bytes caused, in order. Another format than before ends the stream and begins a new one.

        Raises BridgeError or PipelineError for bytes that are no whole frames and for a rate that cannot be; the stream
        goes on without them.
        """
        samples = audio.mono(pcm)
        heard: list[Heard] = []
        if audio != self._format:
            resampler = Resampler(audio.rate_hz)
            heard += self.finish()
            self._begin(audio, resampler)
        self._held += pcm
        heard += self._heard(self._engine.push(self._resampler.push(samples)))
        oldest = self._frame(self._engine.oldest)
        if oldest > self._held_from:
            del self._held[: (oldest - self._held_from) * audio.frame_bytes]
            self._held_from = oldest
        return heard

    def finish(self) -> list[Heard]:
        """End the stream and return what that caused: what is open is closed, with all of its samples."""
        if self._format is None:
            return []
        heard = self._heard(self._engine.push(self._resampler.flush()))
        heard += self._heard(self._engine.finish(), ending=True)
        self._format = None
        return heard

    def _begin(self, audio: PcmFormat, resampler: Resampler) -> None:
        self._engine.reset()
        self._resampler = resampler
        self._format = audio
        self._held.clear()
        self._held_from = self._passed_to = 0

    def _heard(self, events: list[Event], *, ending: bool = False) -> list[Heard]:
        heard: list[Heard] = []
        for event in events:
            match event:
                case GateOpened():
                    self._begins = True
                    heard.append(event)
                case Audio():
                    heard.append(self._pass(event, to_the_end=ending and event.last))
                case Intent() | GateClosed():
                    heard.append(event)
                case _:  # scores: of no use here
                    pass
        return heard

    def _pass(self, audio: Audio, *, to_the_end: bool) -> Passed:
        assert self._format is not None
        frame_bytes = self._format.frame_bytes
        newest = self._held_from + len(self._held) // frame_bytes
        if self._begins:
            self._begins = False
            self._passed_to = max(self._passed_to, self._frame(audio.at_sample))
        stop = newest if to_the_end else min(newest, self._frame(audio.at_sample + len(audio.pcm)))
        stop = max(stop, self._passed_to)
        start_byte, stop_byte = ((at - self._held_from) * frame_bytes for at in (self._passed_to, stop))
        self._passed_to = stop
        return Passed(audio.utterance, bytes(self._held[start_byte:stop_byte]), self._format, audio.last)

    def _frame(self, sample: int) -> int:
        """Return the frame of the stream as it came that is at a sample of the engine's."""
        assert self._format is not None
        return sample * self._format.rate_hz // SAMPLE_RATE_HZ
