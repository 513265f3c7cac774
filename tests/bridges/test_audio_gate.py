"""What an audio gate lets through: every sample of the utterances, once, in the format that came, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.bridges.audio_gate import AudioGate, Heard, Passed, open_engine
from inherentd.bridges.errors import BridgeError
from inherentd.bridges.pcm import PcmFormat
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Audio, GateClosed, GateOpened
from tests.bridges.clips import OPENS, pause, resampled, speech, talk
from tests.bridges.examples import example
from tests.pipeline.streams import run

MONO = PcmFormat(16_000)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine()


def heard_of(gate: AudioGate, pcm: bytes, audio: PcmFormat, sizes: list[int] | None = None) -> list[Heard]:
    heard: list[Heard] = []
    position, turn = 0, 0
    while position < len(pcm):
        frames = sizes[min(turn, len(sizes) - 1)] if sizes else len(pcm)
        heard += gate.push(pcm[position : position + frames * audio.frame_bytes], audio)
        position, turn = position + frames * audio.frame_bytes, turn + 1
    return heard + gate.finish()


def passed(heard: list[Heard]) -> dict[int, bytes]:
    pieces = [event for event in heard if isinstance(event, Passed)]
    return {piece.utterance: b"".join(p.pcm for p in pieces if p.utterance == piece.utterance) for piece in pieces}


def test_what_passes_is_what_the_engine_sends(engine: Engine) -> None:
    stream = np.concatenate([talk(), talk()])
    events = [event for event in run(engine, stream) if isinstance(event, Audio)]
    expected = {
        event.utterance: b"".join(e.pcm.tobytes() for e in events if e.utterance == event.utterance) for event in events
    }
    assert len(expected) == 2
    assert passed(heard_of(AudioGate(engine), stream.tobytes(), MONO)) == expected


@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9_000), max_size=6),
    last=st.integers(300, 9_000),
    rate_hz=st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    channels=st.sampled_from([1, 2]),
)
def test_no_sample_is_lost_and_none_comes_twice(
    engine: Engine, sizes: list[int], last: int, rate_hz: int, channels: int
) -> None:
    audio = PcmFormat(rate_hz, channels)
    pcm = resampled(np.concatenate([talk(), speech(OPENS)]), rate_hz, channels)
    heard = heard_of(AudioGate(engine), pcm, audio, [*sizes, last])
    opened = [event for event in heard if isinstance(event, GateOpened)]
    closed = [event for event in heard if isinstance(event, GateClosed)]
    assert len(opened) == len(closed) >= 1
    pieces = passed(heard)
    assert list(pieces) == [event.utterance for event in opened]
    for opening, closing in zip(opened, closed, strict=True):
        begin = (opening.at_sample - opening.preroll_samples) * rate_hz // 16_000
        stop = closing.at_sample * rate_hz // 16_000
        if closing.reason == "end_of_stream":
            stop = len(pcm) // audio.frame_bytes
        assert pieces[opening.utterance] == pcm[begin * audio.frame_bytes : stop * audio.frame_bytes]


def test_a_request_at_the_very_end_passes_to_its_last_sample(engine: Engine) -> None:
    audio = PcmFormat(44_100, 2)
    pcm = resampled(speech(OPENS), 44_100, 2)
    (utterance,) = passed(heard_of(AudioGate(engine), pcm, audio, [441])).values()
    assert pcm.endswith(utterance)
    assert len(utterance) > len(pcm) // 2


def test_another_format_begins_another_stream(engine: Engine) -> None:
    gate = AudioGate(engine)
    heard = gate.push(speech(OPENS).tobytes(), MONO)
    assert not [event for event in heard if isinstance(event, GateClosed)]
    stereo = PcmFormat(48_000, 2)
    heard += gate.push(resampled(talk(), 48_000, 2), stereo) + gate.finish()
    assert [event.reason for event in heard if isinstance(event, GateClosed)] == ["end_of_stream", "silence"]
    assert {event.format for event in heard if isinstance(event, Passed)} == {MONO, stereo}


def test_hours_of_other_sound_are_not_kept(engine: Engine) -> None:
    gate = AudioGate(engine)
    for _ in range(40):
        gate.push(pause(10).tobytes(), MONO)
    assert len(gate._held) <= 2 * engine.config.ring_samples


def test_what_cannot_be_audio_is_refused_and_the_stream_goes_on(engine: Engine) -> None:
    gate = AudioGate(engine)
    stream = talk().tobytes()
    half = len(stream) // 4 * 2
    heard = gate.push(stream[:half], MONO)
    with pytest.raises(BridgeError, match="got 3 bytes, expected whole frames of 2 bytes"):
        gate.push(b"abc", MONO)
    with pytest.raises(PipelineError, match="got 7 Hz"):
        gate.push(b"ab", PcmFormat(7))
    heard += gate.push(stream[half:], MONO) + gate.finish()
    assert passed(heard) == passed(heard_of(AudioGate(engine), stream, MONO))


def test_every_width_says_the_same(engine: Engine) -> None:
    samples = talk()
    wide = samples.astype("<i4") << 16
    three = wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    eight = ((samples >> 8) + 128).astype(np.uint8)
    for pcm, width in ((wide.tobytes(), 4), (three, 3)):
        assert np.array_equal(PcmFormat(16_000, 1, width).mono(pcm), samples.astype(np.float32) / 32768)
    assert np.abs(PcmFormat(16_000, 1, 1).mono(eight.tobytes()) - samples / 32768).max() < 2 / 256


@pytest.mark.parametrize(("channels", "width"), [(0, 2), (33, 2), (1, 0), (1, 8)])
def test_a_format_that_cannot_be(channels: int, width: int) -> None:
    with pytest.raises(BridgeError, match="expected"):
        PcmFormat(16_000, channels, width)


def test_the_example_in_the_documentation() -> None:
    stream = talk().tobytes()
    chunks = [stream[start : start + 4_000] for start in range(0, len(stream), 4_000)]
    heard = b"".join(example("Anything else")["requests"](chunks, 16_000, 1))
    assert len(heard) > 30_000
    assert heard in stream
