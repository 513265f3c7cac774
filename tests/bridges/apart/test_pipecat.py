"""The Pipecat processor in a real pipeline, with the shipped model, by Pipecat's own test tools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    TextFrame,
    TranscriptionFrame,
    UserAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.tests.utils import run_test

from inherentd.bridges.audio_gate import AudioGate, Passed, open_engine
from inherentd.bridges.pcm import PcmFormat
from inherentd.bridges.pipecat import InherentEventFrame, InherentGate
from inherentd.pipeline.events import GateClosed, GateOpened, Intent
from tests.bridges.clips import STAYS_CLOSED, resampled, speech, talk
from tests.bridges.examples import example


def frames_of(pcm: bytes, audio: PcmFormat, frame_seconds: float = 0.02) -> list[Frame]:
    size = round(audio.rate_hz * frame_seconds) * audio.frame_bytes
    pieces = [pcm[start : start + size] for start in range(0, len(pcm), size)]
    return [InputAudioRawFrame(piece, audio.rate_hz, audio.channels) for piece in pieces]


def expected(pcm: bytes, audio: PcmFormat) -> bytes:
    gate = AudioGate(open_engine())
    return b"".join(event.pcm for event in [*gate.push(pcm, audio), *gate.finish()] if isinstance(event, Passed))


@pytest.mark.parametrize("audio", [PcmFormat(16_000), PcmFormat(48_000, 2)])
def test_only_the_request_passes_with_its_beginning(audio: PcmFormat) -> None:
    pcm = resampled(talk(), audio.rate_hz, audio.channels)
    down, up = asyncio.run(run_test(InherentGate(), frames_to_send=frames_of(pcm, audio)))
    sound = [frame for frame in down if isinstance(frame, InputAudioRawFrame)]
    assert {(frame.sample_rate, frame.num_channels) for frame in sound} == {(audio.rate_hz, audio.channels)}
    heard = b"".join(frame.audio for frame in sound)
    assert heard == expected(pcm, audio)
    assert pcm.find(heard) > 0
    assert len({frame.id for frame in sound}) == len(sound)
    events = [frame.event for frame in down if isinstance(frame, InherentEventFrame)]
    assert isinstance(events[0], GateOpened)
    assert isinstance(events[-1], GateClosed)
    assert events[-1].intents == ["hasStartTimerIntent"]
    assert "hasStartTimerIntent" in [event.head for event in events if isinstance(event, Intent)]
    kinds = [type(frame) for frame in down]
    assert kinds.index(VADUserStartedSpeakingFrame) < kinds.index(InputAudioRawFrame)
    assert kinds[-2:] == [VADUserStoppedSpeakingFrame, InherentEventFrame]
    assert {type(frame) for frame in up} == {VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame}


def test_nothing_passes_of_speech_that_is_for_nobody() -> None:
    samples = speech(STAYS_CLOSED)
    sent = [TextFrame("before"), *frames_of(samples.tobytes(), PcmFormat(16_000))]
    down, _ = asyncio.run(run_test(InherentGate(), frames_to_send=sent))
    assert [type(frame) for frame in down] == [TextFrame]


def test_a_request_that_the_end_cuts_off_passes_whole_and_keeps_its_speaker() -> None:
    pcm = talk()[: 16_000 * 6].tobytes()
    sent = [UserAudioRawFrame(pcm[i : i + 640], 16_000, 1, user_id="ada") for i in range(0, len(pcm), 640)]
    down, _ = asyncio.run(run_test(InherentGate(speaking_frames=False), frames_to_send=sent))
    sound = [frame for frame in down if isinstance(frame, InputAudioRawFrame)]
    assert pcm.endswith(b"".join(frame.audio for frame in sound))
    assert {frame.user_id for frame in sound if isinstance(frame, UserAudioRawFrame)} == {"ada"}
    assert not [frame for frame in down if isinstance(frame, VADUserStartedSpeakingFrame)]
    assert isinstance(down[-1], InherentEventFrame)
    assert isinstance(down[-1].event, GateClosed)
    assert down[-1].event.reason == "end_of_stream"


class Recorder(SegmentedSTTService):
    """Speech-to-text of Pipecat's segmented kind: transcribes a segment to the number of its bytes."""

    def __init__(self) -> None:
        super().__init__(sample_rate=16_000, trailing_silence_secs=0)
        self.segments: list[bytes] = []

    @property
    def wants_wav_segments(self) -> bool:
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        self.segments.append(audio)
        yield TranscriptionFrame(str(len(audio)), "", "")


def test_segmented_speech_to_text_needs_no_other_detector() -> None:
    """In the pipeline of the documentation."""
    pcm = talk().tobytes()
    recorder = Recorder()
    sent = frames_of(pcm, PcmFormat(16_000))
    pipeline = example("Pipecat")["build"](IdentityFilter(), recorder, [IdentityFilter()])
    down, _ = asyncio.run(run_test(pipeline, frames_to_send=sent))
    assert recorder.segments == [expected(pcm, PcmFormat(16_000))]
    assert [frame.text for frame in down if isinstance(frame, TranscriptionFrame)] == [str(len(recorder.segments[0]))]


def test_the_event_loop_is_free_while_the_gate_computes() -> None:
    """Many seconds in one frame take a while to compute; meanwhile others get their turn."""
    pcm = talk().tobytes() * 6
    gate = AudioGate(open_engine())
    began = time.perf_counter()
    gate.push(pcm, PcmFormat(16_000))
    computing_seconds = time.perf_counter() - began

    async def scenario() -> float:
        longest = 0.0

        async def others() -> None:
            nonlocal longest
            while True:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)

        gate = InherentGate()
        beside = asyncio.create_task(others())
        await run_test(gate, frames_to_send=[InputAudioRawFrame(pcm, 16_000, 1), TextFrame("after")])
        beside.cancel()
        return longest

    assert asyncio.run(scenario()) < computing_seconds / 2
