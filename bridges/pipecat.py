"""Pipecat: a processor that lets audio through to speech-to-text only while somebody speaks to the assistant.

    pipeline = Pipeline([transport.input(), InherentGate(), stt, ...])

Between openings nothing reaches `stt`. At an opening comes the audio from before it on, in the format it came in, so that
the first word is there. `InherentEventFrame` tells of the opening, the intents and the close; the frames of a voice
activity detector are told as well, so that services that transcribe segment by segment, and turn strategies, need none.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StopFrame,
    SystemFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from inherentd.bridges.audio_gate import AudioGate, Heard, Passed, open_engine
from inherentd.bridges.pcm import PcmFormat
from inherentd.pipeline.events import GateClosed, GateOpened, Intent
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


@dataclass
class InherentEventFrame(SystemFrame):
    """What the gate decided. A system frame, as audio is: so they stay in order."""

    event: GateOpened | Intent | GateClosed


class InherentGate(FrameProcessor):
    """Holds `InputAudioRawFrame`s back, and passes on those of utterances that are meant for the assistant."""

    def __init__(
        self, *, settings: Sequence[str] = (), config: Path | None = None, speaking_frames: bool = True
    ) -> None:
        """Open the model. `settings` and `config`: see `open_engine`. Without `speaking_frames` no
        VADUserStartedSpeakingFrame and VADUserStoppedSpeakingFrame are told: where another detector comes after this.
        """
        super().__init__()
        # A thread of its own: the event loop stays free, and some runtimes answer only the thread that opened them.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inherent-gate")
        engine = self._thread.submit(open_engine, settings, config).result()
        self._gate = AudioGate(engine)
        self._stop_seconds = engine.config.gate.hangover_samples / SAMPLE_RATE_HZ
        self._speaking_frames = speaking_frames
        self._latest: InputAudioRawFrame | None = None
        self._one_at_a_time = asyncio.Lock()  # audio and the end come from two tasks

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take audio on its way down; let everything else through."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and isinstance(frame, InputAudioRawFrame):
            audio = PcmFormat(frame.sample_rate, frame.num_channels)
            async with self._one_at_a_time:
                self._latest = frame
                await self._tell(await self._compute(self._gate.push, frame.audio, audio))
            return
        if isinstance(frame, EndFrame | StopFrame):
            async with self._one_at_a_time:
                await self._tell(await self._compute(self._gate.finish))
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Let the thread go."""
        await super().cleanup()
        self._thread.shutdown(wait=False)

    async def _compute(self, step: Callable[..., list[Heard]], *given: bytes | PcmFormat) -> list[Heard]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, step, *given)

    async def _tell(self, heard: list[Heard]) -> None:
        for event in heard:
            match event:
                case Passed():
                    await self._pass(event)
                case GateOpened():
                    await self.push_frame(InherentEventFrame(event))
                    if self._speaking_frames:
                        await self.broadcast_frame(VADUserStartedSpeakingFrame)
                case GateClosed():
                    if self._speaking_frames:
                        await self.broadcast_frame(VADUserStoppedSpeakingFrame, stop_secs=self._stop_seconds)
                    await self.push_frame(InherentEventFrame(event))
                case Intent():
                    await self.push_frame(InherentEventFrame(event))

    async def _pass(self, piece: Passed) -> None:
        assert self._latest is not None
        # Of the class that came (it may name a user), and with an id of its own.
        frame = dataclasses.replace(self._latest, audio=piece.pcm)
        frame.sample_rate, frame.num_channels = piece.format.rate_hz, piece.format.channels
        frame.transport_source = self._latest.transport_source
        await self.push_frame(frame)
