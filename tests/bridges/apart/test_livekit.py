"""The LiveKit plugin with real frames and the shipped model: alone, and in a real AgentSession without a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, UserInputTranscribedEvent, stt, utils
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.testing import fake_job_context
from livekit.agents.voice import io

from inherentd.bridges.audio_gate import AudioGate, Passed, open_engine
from inherentd.bridges.livekit import GatedSTT
from inherentd.bridges.pcm import PcmFormat
from inherentd.pipeline.events import GateClosed, GateOpened
from tests.bridges.clips import STAYS_CLOSED, resampled, speech, talk
from tests.bridges.examples import example

LIVEKIT = PcmFormat(24_000)


def frames_of(pcm: bytes, audio: PcmFormat, frame_seconds: float = 0.05) -> Iterable[rtc.AudioFrame]:
    size = round(audio.rate_hz * frame_seconds) * audio.frame_bytes
    for start in range(0, len(pcm), size):
        piece = pcm[start : start + size]
        yield rtc.AudioFrame(piece, audio.rate_hz, audio.channels, len(piece) // audio.frame_bytes)


def utterances_of(pcm: bytes, audio: PcmFormat) -> list[bytes]:
    gate = AudioGate(open_engine())
    pieces = [event for event in [*gate.push(pcm, audio), *gate.finish()] if isinstance(event, Passed)]
    numbers = sorted({piece.utterance for piece in pieces})
    return [b"".join(piece.pcm for piece in pieces if piece.utterance == number) for number in numbers]


class Recorder(stt.STT):
    """Speech-to-text that keeps what it hears and transcribes it to the number of its bytes."""

    def __init__(self, *, streaming: bool) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=streaming, interim_results=False))
        self.heard: list[bytes] = []
        self.failing = False

    async def _recognize_impl(self, buffer: utils.AudioBuffer, **_: object) -> SpeechEvent:
        frames = buffer if isinstance(buffer, list) else [buffer]
        return self.transcript(b"".join(bytes(frame.data) for frame in frames))

    def transcript(self, heard: bytes) -> SpeechEvent:
        self.heard.append(heard)
        said = SpeechData(language="en", text=f"{len(heard)} bytes")
        return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])

    def stream(self, *, conn_options: object, **_: object) -> stt.RecognizeStream:
        return RecorderStream(stt=self, conn_options=conn_options)


class RecorderStream(stt.RecognizeStream):
    async def _run(self) -> None:
        if self._stt.failing:
            raise RuntimeError("out of order")
        heard = b""
        self._event_ch.send_nowait(SpeechEvent(SpeechEventType.START_OF_SPEECH))
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                heard += bytes(item.data)
        self._event_ch.send_nowait(self._stt.transcript(heard))


async def transcribed(gated: GatedSTT, pcm: bytes, audio: PcmFormat) -> list[SpeechEvent]:
    async with gated.stream() as stream:
        for frame in frames_of(pcm, audio):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("audio", [LIVEKIT, PcmFormat(48_000, 2)])
def test_only_the_requests_are_transcribed_with_their_beginning(audio: PcmFormat, *, streaming: bool) -> None:
    async def scenario() -> None:
        recorder = Recorder(streaming=streaming)
        gated = GatedSTT(recorder)
        told: list[object] = []
        gated.on("inherent", told.append)
        pcm = resampled(talk(), audio.rate_hz, audio.channels) * 2
        events = await transcribed(gated, pcm, audio)
        assert recorder.heard == utterances_of(pcm, audio)
        assert len(recorder.heard) == 2
        start, said, end = (
            SpeechEventType.START_OF_SPEECH,
            SpeechEventType.FINAL_TRANSCRIPT,
            SpeechEventType.END_OF_SPEECH,
        )
        assert [event.type for event in events] == [start, said, end] * 2
        assert events[1].alternatives[0].text == f"{len(recorder.heard[0])} bytes"
        assert isinstance(told[0], GateOpened)
        assert [event.intents for event in told if isinstance(event, GateClosed)] == [["hasStartTimerIntent"]] * 2
        await gated.aclose()

    asyncio.run(scenario())


def test_speech_for_nobody_reaches_nobody() -> None:
    async def scenario() -> None:
        recorder = Recorder(streaming=True)
        gated = GatedSTT(recorder)
        assert await transcribed(gated, speech(STAYS_CLOSED).tobytes(), PcmFormat(16_000)) == []
        assert recorder.heard == []
        await gated.aclose()

    asyncio.run(scenario())


def test_two_streams_at_once() -> None:
    async def scenario() -> None:
        recorder = Recorder(streaming=True)
        gated = GatedSTT(recorder)
        pcm = resampled(talk(), 24_000, 1)
        both = await asyncio.gather(*(transcribed(gated, pcm, LIVEKIT) for _ in range(2)))
        assert [len(events) for events in both] == [3, 3]
        assert recorder.heard == utterances_of(pcm, LIVEKIT) * 2
        await gated.aclose()

    asyncio.run(scenario())


def test_an_error_of_the_wrapped_one_is_told() -> None:
    async def scenario() -> None:
        recorder = Recorder(streaming=True)
        recorder.failing = True
        gated = GatedSTT(recorder)
        errors: list[stt.STTError] = []
        gated.on("error", errors.append)
        with pytest.raises(RuntimeError, match="out of order"):
            await transcribed(gated, talk().tobytes(), PcmFormat(16_000))
        assert [str(error.error) for error in errors] == ["out of order"]
        await gated.aclose()

    asyncio.run(scenario())


class Played(io.AudioInput):
    """A microphone that plays a recording, then stays silent until the session ends."""

    def __init__(self, frames: Iterable[rtc.AudioFrame]) -> None:
        super().__init__(label="recording")
        self._frames = iter(frames)

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(0.001)
        for frame in self._frames:
            return frame
        return await asyncio.get_running_loop().create_future()


def test_an_agent_hears_the_request_and_nothing_else() -> None:
    """In the session of the documentation."""

    async def scenario() -> None:
        recorder = Recorder(streaming=True)
        pcm = resampled(talk(), 24_000, 1)
        finals: asyncio.Queue[str] = asyncio.Queue()
        intents: list[str] = []
        with fake_job_context():
            session: AgentSession = example("LiveKit Agents")["build"](recorder, intents.append)

            @session.on("user_input_transcribed")
            def note(event: UserInputTranscribedEvent) -> None:
                if event.is_final:
                    finals.put_nowait(event.transcript)

            session.input.audio = Played(frames_of(pcm, LIVEKIT))
            await session.start(Agent(instructions="listen"))
            text = await asyncio.wait_for(finals.get(), 30)
            await session.aclose()
        assert recorder.heard == utterances_of(pcm, LIVEKIT)
        assert text == f"{len(recorder.heard[0])} bytes"
        assert set(intents) == {"hasStartTimerIntent"}
        with contextlib.suppress(asyncio.QueueEmpty):
            raise AssertionError(finals.get_nowait())

    asyncio.run(scenario())
