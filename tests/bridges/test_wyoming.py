"""The wake word service as Home Assistant sees it: a real process, the wyoming package's own client, the shipped model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from inherentd.bridges.audio_gate import open_engine
from inherentd.daemon import engine_setup
from inherentd.pipeline.events import GateOpened
from tests.bridges.clips import OPENS, STAYS_CLOSED, pause, resampled, speech, talk
from tests.bridges.server import WyomingServer
from tests.daemon.conftest import PROGRAM
from tests.pipeline.streams import run

HEAD = "hasStartTimerIntent"


@pytest.fixture(scope="module")
def shared() -> Iterator[WyomingServer]:
    server = WyomingServer()
    yield server
    assert server.close() == 0
    assert "Traceback" not in server.said()


@pytest.fixture
def server(shared: WyomingServer) -> Iterator[WyomingServer]:
    yield shared
    assert shared.process.poll() is None, shared.said()


@contextlib.asynccontextmanager
async def client(server: WyomingServer) -> AsyncIterator[AsyncTcpClient]:
    async with AsyncTcpClient(server.host, server.port, read_timeout=30) as connected:
        yield connected


async def read(wyoming: AsyncTcpClient) -> Event:
    event = await wyoming.read_event()
    assert event is not None, "the connection was closed"
    return event


async def stream(wyoming: AsyncTcpClient, pcm: bytes, rate: int = 16_000, channels: int = 1, *,
                 width: int = 2, begins_ms: int = 0) -> list[Detection | NotDetected]:  # fmt: skip
    """Send audio as Home Assistant does, in chunks of 1024 frames, and return the answers until not-detected or a ping's."""
    await wyoming.write_event(AudioStart(rate, width, channels, timestamp=begins_ms).event())
    step = 1024 * width * channels
    for start in range(0, len(pcm), step):
        at_ms = begins_ms + start // (width * channels) * 1000 // rate
        await wyoming.write_event(AudioChunk(rate, width, channels, pcm[start : start + step], timestamp=at_ms).event())
    await wyoming.write_event(AudioStop().event())
    await wyoming.write_event(Ping(text="end").event())
    answers: list[Detection | NotDetected] = []
    while True:
        event = await read(wyoming)
        if Pong.is_type(event.type):
            return answers
        assert Detection.is_type(event.type) or NotDetected.is_type(event.type), event
        answers.append((Detection if Detection.is_type(event.type) else NotDetected).from_event(event))


def utterance_begins_ms(samples: np.ndarray) -> list[int]:
    opened = [event for event in run(open_engine(), samples) if isinstance(event, GateOpened)]
    return [(event.at_sample - event.preroll_samples) * 1000 // 16_000 for event in opened]


def test_describe_names_the_gate_first_and_every_kind_of_request(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            await wyoming.write_event(Describe().event())
            info = Info.from_event(await read(wyoming))
            (program,) = info.wake
            assert program.installed
            names = [model.name for model in program.models]
            assert names == ["inherent", *open_engine().heads[1:]]
            assert HEAD in names
            assert info.satellite is None

    asyncio.run(scenario())


def test_a_request_is_detected_with_the_time_of_its_first_sample(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            await wyoming.write_event(Detect().event())
            answers = await stream(wyoming, talk().tobytes(), begins_ms=5_000)
            begins = [5_000 + at for at in utterance_begins_ms(talk())]
            assert answers == [Detection(name="inherent", timestamp=at) for at in begins]
            assert len(answers) == 1
            # The same connection hears the next stream, from a fresh start.
            assert await stream(wyoming, speech(OPENS).tobytes()) == [Detection(name="inherent", timestamp=0)]

    asyncio.run(scenario())


def test_speech_for_nobody_and_no_sound_at_all_are_not_detected(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            assert await stream(wyoming, speech(STAYS_CLOSED).tobytes()) == [NotDetected()]
            assert await stream(wyoming, b"") == [NotDetected()]

    asyncio.run(scenario())


def test_the_kind_of_request_may_be_what_is_asked_for(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            await wyoming.write_event(Detect(names=[HEAD]).event())
            assert await stream(wyoming, speech(OPENS).tobytes()) == [Detection(name=HEAD, timestamp=0)]
            await wyoming.write_event(Detect(names=["inherent", HEAD]).event())
            both = await stream(wyoming, speech(OPENS).tobytes())
            assert [detection.name for detection in both] == ["inherent", HEAD]
            await wyoming.write_event(Detect(names=["hasPhotoQuery"]).event())
            assert await stream(wyoming, speech(OPENS).tobytes()) == [NotDetected()]

    asyncio.run(scenario())


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8_000, 1), (48_000, 6)])
def test_other_rates_and_channels(server: WyomingServer, rate: int, channels: int) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            answers = await stream(wyoming, resampled(talk(), rate, channels), rate, channels)
            assert [answer.name for answer in answers if isinstance(answer, Detection)] == ["inherent"]
            (begins,) = utterance_begins_ms(talk())
            assert answers[0] == Detection(name="inherent", timestamp=pytest.approx(begins, abs=300))

    asyncio.run(scenario())


def test_audio_needs_no_start_and_other_widths_are_heard(server: WyomingServer) -> None:
    async def scenario() -> None:
        wide = (speech(OPENS).astype("<i4") << 16).tobytes()
        async with client(server) as wyoming:
            await wyoming.write_event(AudioChunk(16_000, 4, 1, wide).event())
            await wyoming.write_event(AudioStop().event())
            assert Detection.from_event(await read(wyoming)).name == "inherent"

    asyncio.run(scenario())


def test_two_clients_at_once_hear_each_their_own(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as first, client(server) as second:
            answers = await asyncio.gather(
                stream(first, talk().tobytes()), stream(second, speech(STAYS_CLOSED).tobytes() * 4)
            )
            assert [len(answer) for answer in answers] == [1, 1]
            assert isinstance(answers[0][0], Detection)
            assert answers[1] == [NotDetected()]

    asyncio.run(scenario())


def test_others_are_answered_while_one_keeps_the_model_busy(server: WyomingServer) -> None:
    """A minute of audio as fast as it goes takes a while; the greeting of another client does not."""

    async def scenario() -> None:
        async with client(server) as busy, client(server) as other:
            began = time.perf_counter()
            work = asyncio.create_task(stream(busy, np.tile(talk(), 6).tobytes()))
            longest = 0.0
            while not work.done():
                asked = time.perf_counter()
                await other.write_event(Ping(text="there?").event())
                assert Pong.from_event(await read(other)).text == "there?"
                longest = max(longest, time.perf_counter() - asked)
                await asyncio.sleep(0.01)
            assert longest < (time.perf_counter() - began) / 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Detect(names=["ok_nabu"]).event(), "unknown name 'ok_nabu', expected some of inherent, hasAddToListIntent"),
        (Event("detect", {"names": 7}), "detect: Expected `array | null`, got `int`"),
        (AudioChunk(7, 2, 1, b"ab").event(), "got 7 Hz, expected 1000 to 768000 Hz"),
        (AudioChunk(16_000, 9, 1, b"ab").event(), "got 9 bytes, expected 1, 2, 3 or 4"),
        (AudioChunk(16_000, 2, 0, b"ab").event(), "channels: got 0"),
        (AudioChunk(16_000, 2, 1, b"abc").event(), "got 3 bytes, expected whole frames of 2 bytes"),
        (Event("audio-chunk", {"rate": "fast"}, b"ab"), "audio-chunk: Expected `int`, got `str`"),
        (Event("audio-chunk", {}, b"ab"), "audio-chunk: Object missing required field `rate`"),
        (Event("ping", {"text": [1]}), "ping: Expected `str | null`"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_answered_and_logged_in_one_line(server: WyomingServer, event: Event, why: str) -> None:
    async def scenario() -> None:
        before = len(server.logged("closed a client"))
        async with client(server) as wyoming:
            await wyoming.write_event(event)
            assert why in Error.from_event(await read(wyoming)).text
            assert await wyoming.read_event() is None
        lines = server.logged("closed a client")[before:]
        assert len(lines) == 1
        assert why in lines[0]["why"]

    asyncio.run(scenario())


def test_a_format_may_not_change_within_a_stream(server: WyomingServer) -> None:
    async def scenario() -> None:
        async with client(server) as wyoming:
            await wyoming.write_event(AudioChunk(16_000, 2, 1, bytes(640)).event())
            await wyoming.write_event(AudioChunk(48_000, 2, 1, bytes(640)).event())
            assert "send audio-stop between them" in Error.from_event(await read(wyoming)).text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\xff\xfe\n",
        b"[]\n",
        b'"text"\n',
        b"{}\n",
        b'{"type": 1}\n',
        b'{"type": "ping", "data": []}\n',
        b'{"type": "ping", "data_length": -1}\n',
        b'{"type": "ping", "data_length": "9"}\n',
        b'{"type": "audio-chunk", "payload_length": 1000000000000}\n',
        b'{"type": "ping", "data_length": 4}\nabcd',
        b'{"type": "ping", "data_length": 2}\n[]',
        b'{"type": "ping", "data": ' + b'{"a":' * 5_000 + b"\n",
        b"[" * 60_000 + b"\n",
        b"x" * 200_000,
    ],
)
def test_hostile_bytes_end_their_own_connection_only(server: WyomingServer, sent: bytes) -> None:
    before = len(server.logged("closed a client"))
    with server.connected() as peer, contextlib.suppress(ConnectionError):
        peer.sendall(sent)
        while peer.recv(65_536):
            pass
    lines = server.logged("closed a client")[before:]
    assert len(lines) == 1
    assert "expected a Wyoming message" in lines[0]["why"]
    assert len(lines[0]["why"]) < 300


def test_a_connection_that_ends_in_the_middle_of_a_message(server: WyomingServer) -> None:
    before = len(server.logged("closed a client"))
    with server.connected() as peer:
        peer.sendall(b'{"type": "audio-chunk", "payload_length": 100}\nabc')
    for _ in range(100):
        if lines := server.logged("closed a client")[before:]:
            break
        time.sleep(0.1)
    assert lines[0]["why"] == "the connection ended in a message, 3 of 100 bytes"


def test_a_peer_that_never_reads_is_cut_off(server: WyomingServer) -> None:
    before = server.resident_bytes()
    line = json.dumps({"type": "describe"}).encode() + b"\n"
    with server.connected() as peer:
        peer.settimeout(30)
        with pytest.raises(ConnectionError):
            while True:
                peer.sendall(line * 1_000)
    assert server.logged("closed a client that does not read")
    assert server.resident_bytes() - before < 20_000_000


def test_more_clients_than_may_be_are_told_so() -> None:
    server = WyomingServer("--max-clients", "10")

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            greeted = [await stack.enter_async_context(client(server)) for _ in range(10)]
            for wyoming in greeted:
                await wyoming.write_event(Ping().event())
                assert Pong.is_type((await read(wyoming)).type)
            for _ in range(90):
                async with client(server) as late:
                    assert "there are 10 clients, the most that may be" in Error.from_event(await read(late)).text
            assert len(await stream(greeted[0], talk().tobytes())) == 1
        await asyncio.sleep(0.5)
        async with client(server) as next_one:
            assert len(await stream(next_one, talk().tobytes())) == 1

    try:
        asyncio.run(scenario())
    finally:
        assert server.close() == 0
    assert len(server.logged("closed a client")) == 90


def test_a_stop_while_clients_listen() -> None:
    server = WyomingServer()

    async def scenario() -> None:
        async with client(server) as wyoming:
            await wyoming.write_event(AudioChunk(16_000, 2, 1, pause(1).tobytes()).event())
            await wyoming.write_event(Ping().event())
            assert Pong.is_type((await read(wyoming)).type)
            assert await asyncio.to_thread(server.close) == 0
            assert await wyoming.read_event() is None

    asyncio.run(scenario())
    assert "Traceback" not in server.said()
    assert server.logged("stopped")


@pytest.mark.parametrize("backend", engine_setup.SHIPPED_MODELS)
def test_every_backend_serves_several_clients(backend: str) -> None:
    """Some answer only the thread that opened them."""
    server = WyomingServer("--backend", backend)

    async def scenario() -> None:
        async with client(server) as first, client(server) as second:
            answers = await asyncio.gather(*(stream(wyoming, talk().tobytes()) for wyoming in (first, second)))
            assert [[answer.name for answer in heard] for heard in answers] == [["inherent"]] * 2

    try:
        asyncio.run(scenario())
    finally:
        assert server.close() == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--uri", "tcp://0.0.0.0:10400"], "can be reached from other machines"),
        (["--uri", "http://127.0.0.1:1"], "expected e.g. tcp://127.0.0.1:10400"),
        (["--uri", "tcp://127.0.0.1"], "expected e.g. tcp://127.0.0.1:10400"),
        (["--uri", "tcp://127.0.0.1:99999"], "expected e.g. tcp://127.0.0.1:10400"),
        (["--uri", "tcp://203.0.113.1:10400", "--insecure"], "cannot listen on tcp://203.0.113.1:10400"),
        (["--model", "nowhere.onnx"], "model nowhere.onnx: there is no such file"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(arguments: list[str], why: str) -> None:
    done = subprocess.run([*PROGRAM, "wyoming", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_package_is_named() -> None:
    code = (
        "import sys; sys.modules['wyoming'] = None; from inherentd.daemon.cli import main; sys.exit(main(['wyoming']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'inherentd[wyoming]'" in done.stderr
