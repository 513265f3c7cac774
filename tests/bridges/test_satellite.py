"""The satellite service: a real daemon's utterances reach a client that behaves as Home Assistant does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
import zmq.asyncio
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite
from wyoming.snd import Played
from wyoming.wake import Detection

from inherentd.bridges.audio_gate import open_engine
from inherentd.bridges.wyoming.satellite import TOPICS
from inherentd.client.messages import AudioHeader, GateClosedHeader, GateOpenedHeader, ModelIdentity
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.pipeline.events import Audio
from tests.bridges.clips import talk
from tests.bridges.server import WyomingServer
from tests.daemon.conftest import PROGRAM, write_wav
from tests.pipeline.streams import run


@pytest.fixture
def endpoint() -> str:
    return free_endpoint()


@pytest.fixture
def server(endpoint: str) -> Iterator[WyomingServer]:
    server = WyomingServer("--daemon", endpoint, "--name", "kitchen")
    yield server
    assert server.close() == 0
    assert "Traceback" not in server.said()


def play(samples: np.ndarray, endpoint: str, folder: Path) -> None:
    """Let a real daemon hear this, from beginning to end."""
    wav = write_wav(folder / "talk.wav", samples)
    settings = [f"publish.endpoint={endpoint}", "control.endpoint=null", "log.level=warning"]
    options = [text for setting in settings for text in ("--set", setting)]
    command = [*PROGRAM, "run", "--input", str(wav), "--speed", "max", "--wait-for-subscriber", "20", *options]
    subprocess.run(command, env=os.environ, check=True, timeout=60)


async def answers(wyoming: AsyncTcpClient, last: type) -> list[Event]:
    """Return events up to the first of a type."""
    events: list[Event] = []
    while not (events and last.is_type(events[-1].type)):
        event = await wyoming.read_event()
        assert event is not None
        events.append(event)
    return events


async def ping(wyoming: AsyncTcpClient) -> list[Event]:
    await wyoming.write_event(Ping().event())
    return await answers(wyoming, Pong)


def test_an_utterance_arrives_whole_and_begins_a_pipeline_at_speech_to_text(
    server: WyomingServer, endpoint: str, tmp_path: Path
) -> None:
    samples = np.concatenate([talk(), talk()])
    sent = [event for event in run(open_engine(), samples) if isinstance(event, Audio)]

    async def scenario() -> None:
        async with AsyncTcpClient(server.host, server.port, read_timeout=30) as wyoming:
            await wyoming.write_event(RunSatellite().event())
            await wyoming.write_event(Describe().event())
            (described,) = await answers(wyoming, Info)
            info = Info.from_event(described)
            assert info.satellite is not None
            assert (info.satellite.name, info.satellite.installed, info.wake) == ("kitchen", True, [])
            await asyncio.to_thread(play, samples, endpoint, tmp_path)
            for number in (1, 2):
                detected, ran, started, *chunks, stopped = await answers(wyoming, AudioStop)
                pieces = [event for event in sent if event.utterance == number]
                begins_ms = pieces[0].at_sample // 16
                assert Detection.from_event(detected) == Detection("inherent", begins_ms)
                pipeline = RunPipeline.from_event(ran)
                assert (pipeline.start_stage, pipeline.end_stage) == (PipelineStage.ASR, PipelineStage.HANDLE)
                assert AudioStart.from_event(started) == AudioStart(16_000, 2, 1, begins_ms)
                audio = [AudioChunk.from_event(chunk) for chunk in chunks]
                assert b"".join(chunk.audio for chunk in audio) == b"".join(piece.pcm.tobytes() for piece in pieces)
                assert audio[0].timestamp == begins_ms
                assert AudioStop.from_event(stopped).timestamp is not None
            # The answer, which Home Assistant speaks: nobody plays it, and it does not wait for that.
            await wyoming.write_event(AudioStart(22_050, 2, 1).event())
            await wyoming.write_event(AudioChunk(22_050, 2, 1, bytes(2_000)).event())
            await wyoming.write_event(AudioStop().event())
            assert Played.is_type((await answers(wyoming, Played))[-1].type)

    asyncio.run(scenario())


def test_who_does_not_run_the_satellite_hears_nothing(server: WyomingServer, endpoint: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            mute, paused, hears = [
                await stack.enter_async_context(AsyncTcpClient(server.host, server.port, read_timeout=30))
                for _ in range(3)
            ]
            await hears.write_event(RunSatellite().event())
            await paused.write_event(RunSatellite().event())
            await paused.write_event(PauseSatellite().event())
            for wyoming in (mute, paused, hears):
                assert len(await ping(wyoming)) == 1
            await asyncio.to_thread(play, talk(), endpoint, tmp_path)
            assert len(await answers(hears, AudioStop)) > 4
            for wyoming in (mute, paused):
                assert len(await ping(wyoming)) == 1

    asyncio.run(scenario())


PIECES, PIECE_SAMPLES = 800, 16_000


async def publish_long_utterance(endpoint: str) -> None:
    """Publish, as a daemon does, more audio than sockets hold."""
    common = {"stream": "s", "device": "d", "time_ns": 0, "utterance": 1}
    model = ModelIdentity(version="1", hash="h")
    opened = GateOpenedHeader(**common, seq=0, at_sample=0, score=1, scores={}, model=model, preroll_samples=0)
    with zmq.asyncio.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.setsockopt(zmq.SNDHWM, 0)
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind(endpoint)
        for _ in TOPICS:
            await asyncio.wait_for(publisher.recv(), 30)
        await publisher.send_multipart([b"gate.opened", msgspec.json.encode(opened)])
        for number in range(PIECES):
            header = AudioHeader(
                **common, seq=number, at_sample=number * PIECE_SAMPLES, samples=PIECE_SAMPLES, last=number == PIECES - 1
            )
            await publisher.send_multipart([b"audio", msgspec.json.encode(header), bytes(2 * PIECE_SAMPLES)])
            await asyncio.sleep(0.005)
        closed = GateClosedHeader(**common, seq=0, at_sample=PIECES * PIECE_SAMPLES, duration_ms=0, reason="silence",
                                  intents=[], peaks={})  # fmt: skip
        await publisher.send_multipart([b"gate.closed", msgspec.json.encode(closed)])
        await asyncio.sleep(15)


def test_a_client_that_does_not_read_is_let_go_and_others_hear_on(server: WyomingServer, endpoint: str) -> None:
    async def scenario() -> None:
        async with AsyncTcpClient(server.host, server.port, read_timeout=60) as hears:
            await hears.write_event(RunSatellite().event())
            await ping(hears)
            with server.connected() as deaf:
                deaf.sendall(b'{"type": "run-satellite"}\n')
                await asyncio.sleep(0.5)
                publishing = asyncio.create_task(publish_long_utterance(endpoint))
                events = await answers(hears, AudioStop)
                assert sum(len(event.payload or b"") for event in events) == PIECES * PIECE_SAMPLES * 2
                await publishing
                assert len(server.logged("closed a client that does not read")) == 1
            assert len(await ping(hears)) == 1

    asyncio.run(scenario())


def test_a_daemon_that_dies_in_an_utterance_leaves_no_pipeline_waiting(
    server: WyomingServer, endpoint: str, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "talk.wav", talk())
    settings = [
        f"publish.endpoint={endpoint}",
        "control.endpoint=null",
        "gate.thresholds.is_interesting=0",
        "gate.close_threshold=0",
    ]
    options = [text for setting in settings for text in ("--set", setting)]
    command = [*PROGRAM, "run", "--input", str(wav), "--wait-for-subscriber", "20", *options]

    async def scenario() -> None:
        async with AsyncTcpClient(server.host, server.port, read_timeout=60) as hears:
            await hears.write_event(RunSatellite().event())
            await ping(hears)
            daemon = await asyncio.create_subprocess_exec(*command)
            try:
                await answers(hears, AudioChunk)
            finally:
                daemon.kill()
                await daemon.wait()
            assert AudioStop.is_type((await answers(hears, AudioStop))[-1].type)

    asyncio.run(scenario())


def test_a_daemon_that_is_not_there_is_told_once(endpoint: str) -> None:
    server = WyomingServer("--daemon", endpoint)
    try:
        for _ in range(300):
            if server.logged("nothing comes from the daemon: does it run, and may this client hear it?"):
                break
            server.process.poll()
            asyncio.run(asyncio.sleep(0.1))
        else:
            raise AssertionError(server.said())
    finally:
        assert server.close() == 0


def test_an_endpoint_that_makes_no_sense(endpoint: str) -> None:
    command = [*PROGRAM, "wyoming", "--uri", endpoint, "--daemon", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "endpoint nonsense" in done.stderr
    assert len(done.stderr.splitlines()) == 1
