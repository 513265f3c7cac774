"""LiveKit Agents: speech-to-text that hears only what is meant for the assistant.

    session = AgentSession(stt=GatedSTT(deepgram.STT()), turn_detection="stt", ...)

Between openings the wrapped speech-to-text gets nothing and is not even connected. At an opening it gets the audio from
before it on, in the format it came in, so that the first word is there. What the gate decides is emitted as "inherent":

    gated.on("inherent", lambda event: ...)     # GateOpened, Intent, GateClosed
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr, stt, utils
from livekit.agents.stt import SpeechEvent, SpeechEventType

from inherentd.bridges.audio_gate import AudioGate, Heard, Passed, open_engine
from inherentd.bridges.pcm import PcmFormat
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import GateClosed, GateOpened
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

# The gate says where speech begins and ends; usage is told by the wrapped one's own metrics, which are passed on.
NOT_FORWARDED = (SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH, SpeechEventType.RECOGNITION_USAGE)


class GatedSTT(stt.STT[Literal["inherent"]]):
    """Any speech-to-text, streaming or not, behind the gate. A streaming one gets a stream of its own for each utterance."""

    def __init__(self, wrapped: stt.STT[Any], *, settings: Sequence[str] = (), config: Path | None = None) -> None:
        """Open the model. `settings` and `config`: see `open_engine`."""
        super().__init__(capabilities=dataclasses.replace(wrapped.capabilities, streaming=True, manual_flush=False))
        self.wrapped = wrapped
        # One thread for all streams: some runtimes answer only the thread that opened them.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inherent-gate")
        self._engine = self._thread.submit(open_engine, settings, config).result()
        wrapped.on("metrics_collected", self._on_metrics)

    @property
    def model(self) -> str:
        """Return the wrapped one's."""
        return self.wrapped.model

    @property
    def provider(self) -> str:
        """Return the wrapped one's."""
        return self.wrapped.provider

    def prewarm(self) -> None:
        """Let the wrapped one prepare itself."""
        self.wrapped.prewarm()

    def stream(self, *, language: NotGivenOr[str] = NOT_GIVEN,
               conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> GatedStream:  # fmt: skip
        """Return a stream that transcribes what is said to the assistant; each has a gate of its own."""
        return GatedStream(self, self._new_gate, self._thread, language, conn_options)

    def _new_gate(self) -> AudioGate:
        return AudioGate(Engine(self._engine.config, self._engine.runtime))

    async def _recognize_impl(self, buffer: utils.AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN,
                              conn_options: APIConnectOptions) -> SpeechEvent:  # fmt: skip
        """Transcribe a recording: somebody chose it, so the gate is not asked."""
        return await self.wrapped.recognize(buffer, language=language, conn_options=conn_options)

    async def aclose(self) -> None:
        """Let go of the wrapped one, which stays open."""
        self.wrapped.off("metrics_collected", self._on_metrics)
        self._thread.shutdown(wait=False)

    def _on_metrics(self, *metrics: Any) -> None:
        self.emit("metrics_collected", *metrics)


class GatedStream(stt.RecognizeStream):
    """Frames in; START_OF_SPEECH, what the wrapped one says, END_OF_SPEECH out, utterance by utterance."""

    def __init__(self, gated: GatedSTT, new_gate: Callable[[], AudioGate], thread: ThreadPoolExecutor, language: NotGivenOr[str],
                 conn_options: APIConnectOptions) -> None:  # fmt: skip
        # Trying again is the wrapped one's business: here it would lose what was said meanwhile.
        super().__init__(stt=gated, conn_options=dataclasses.replace(conn_options, max_retry=0))
        self._gated, self._new_gate, self._thread = gated, new_gate, thread
        self._language, self._wrapped_options = language, conn_options
        self._utterances = utils.aio.Chan[_Utterance]()
        self._open: _Utterance | None = None

    async def _run(self) -> None:
        tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._transcribe())]
        try:
            await asyncio.gather(*tasks)
        finally:
            await utils.aio.cancel_and_wait(*tasks)

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        gate = await loop.run_in_executor(self._thread, self._new_gate)
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                audio = PcmFormat(item.sample_rate, item.num_channels)
                self._tell(await loop.run_in_executor(self._thread, gate.push, bytes(item.data), audio))
        self._tell(await loop.run_in_executor(self._thread, gate.finish))
        self._utterances.close()

    def _tell(self, heard: list[Heard]) -> None:
        for event in heard:
            if isinstance(event, Passed):
                if self._open is not None and event.pcm:
                    frames = len(event.pcm) // event.format.frame_bytes
                    self._open.frames.send_nowait(
                        rtc.AudioFrame(event.pcm, event.format.rate_hz, event.format.channels, frames)
                    )
                continue
            if isinstance(event, GateOpened):
                self._open = _Utterance((event.at_sample - event.preroll_samples) / SAMPLE_RATE_HZ)
                self._utterances.send_nowait(self._open)
            elif isinstance(event, GateClosed) and self._open is not None:
                self._open.frames.close()
                self._open = None
            self._gated.emit("inherent", event)

    async def _transcribe(self) -> None:
        """One utterance after the other, so that what belongs together stays together."""
        transcribe = self._as_stream if self._gated.wrapped.capabilities.streaming else self._at_once
        async for utterance in self._utterances:
            self._event_ch.send_nowait(SpeechEvent(SpeechEventType.START_OF_SPEECH))
            await transcribe(utterance)
            self._event_ch.send_nowait(SpeechEvent(SpeechEventType.END_OF_SPEECH))

    async def _as_stream(self, utterance: _Utterance) -> None:
        wrapped = self._gated.wrapped.stream(language=self._language, conn_options=self._wrapped_options)
        async with wrapped:
            wrapped.start_time_offset = self.start_time_offset + utterance.begins_seconds

            async def feed() -> None:
                async for frame in utterance.frames:
                    wrapped.push_frame(frame)
                wrapped.end_input()

            feeding = asyncio.create_task(feed())
            try:
                async for event in wrapped:
                    if event.type not in NOT_FORWARDED:
                        self._event_ch.send_nowait(event)
            finally:
                await utils.aio.cancel_and_wait(feeding)

    async def _at_once(self, utterance: _Utterance) -> None:
        frames = [frame async for frame in utterance.frames]
        event = await self._gated.wrapped.recognize(frames, language=self._language, conn_options=self._wrapped_options)
        if event.alternatives and event.alternatives[0].text:
            self._event_ch.send_nowait(event)


class _Utterance:
    """What is passed on of one utterance, from its beginning to its end."""

    def __init__(self, begins_seconds: float) -> None:
        self.begins_seconds = begins_seconds
        self.frames = utils.aio.Chan[rtc.AudioFrame]()
