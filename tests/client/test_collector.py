"""Utterances from messages, without sockets: whatever is lost, no wrong samples are called complete."""

from __future__ import annotations

import dataclasses
import random
import wave
from io import BytesIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.client import ClientError, Collector, Collectors, Message, Utterance
from inherentd.client import message as message_module
from inherentd.client import utterances as module
from inherentd.client.message import Receipt
from inherentd.client.messages import (
    HEADERS,
    AudioHeader,
    GateClosedHeader,
    GateOpenedHeader,
    HealthHeader,
    IntentHeader,
    ModelIdentity,
)
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

HEADS = ("hasPhotoQuery", "hasStartTimerIntent", "hasCalendarEvent")
Wire = list[tuple[str, msgspec.Struct, bytes]]


def health(stream: str, state: str = "listening") -> HealthHeader:
    return HealthHeader(
        stream=stream, device="d", seq=0, at_sample=0, time_ns=0, state=state, reason="", processor="", muted=False,
        microphone="", frames=0, overflows=0, gaps=0, dropped=0, jitter_ms=0, drift_ppm=0, cpu=0, rss=0, uptime=0,
    )  # fmt: skip


def said(random_: random.Random, stream: str, number: int, begin: int) -> tuple[Wire, bytes, int]:
    """Return the messages of an utterance as a daemon sends them (all seq 0), its samples, and where it ends."""
    common = {"stream": stream, "device": "d", "seq": 0, "time_ns": 0, "utterance": number}
    preroll = random_.randrange(0, 50)
    pieces = [random_.randbytes(2 * random_.randrange(0, 40)) for _ in range(random_.randrange(1, 6))]
    intents = [head for head in HEADS if random_.random() < 0.5]
    opened = GateOpenedHeader(
        **common, at_sample=begin + preroll, score=0.9, scores={}, model=ModelIdentity(version="1.0.0", hash="a"),
        preroll_samples=preroll,
    )  # fmt: skip
    wire: Wire = [("gate.opened", opened, b"")]
    position = begin
    finals: Wire = []
    for head in intents:
        score = random_.random()
        finals.append(("intent", IntentHeader(**common, at_sample=position, head=head, score=score, final=True), b""))
    for index, piece in enumerate(pieces):
        last = index == len(pieces) - 1
        if last:
            wire += finals
        header = AudioHeader(**common, at_sample=position, samples=len(piece) // 2, last=last)
        wire.append(("audio", header, piece))
        position += len(piece) // 2
        if not last and intents and random_.random() < 0.5:
            early = IntentHeader(**common, at_sample=position, head=intents[0], score=0.5, final=False)
            wire.append(("intent", early, b""))
    closed = GateClosedHeader(
        **common, at_sample=position, duration_ms=0, reason="silence", intents=intents, peaks={}
    )  # fmt: skip
    wire.append(("gate.closed", closed, b""))
    return wire, b"".join(pieces), position


def numbered(wire: Wire) -> list[Message]:
    """Number each topic of each stream from 0, as the daemon does."""
    counts: dict[tuple[str, str], int] = {}
    messages = []
    for topic, header, payload in wire:
        seq = counts.get((header.stream, topic), 0)
        counts[header.stream, topic] = seq + 1
        messages.append(Message(topic, msgspec.structs.replace(header, seq=seq), payload))
    return messages


def conversation(seed: int, streams: int, utterances: int) -> tuple[list[Message], dict[tuple[str, int], bytes]]:
    random_ = random.Random(seed)
    wire: Wire = []
    truth: dict[tuple[str, int], bytes] = {}
    for stream in map(str, range(streams)):
        position = 0
        for number in range(1, utterances + 1):
            wire.append(("health", health(stream), b""))
            messages, pcm, position = said(random_, stream, number, position + random_.randrange(0, 100))
            wire += messages
            truth[stream, number] = pcm
    return numbered(wire), truth


def collected(messages: list[Message]) -> list[Utterance]:
    collector = Collector()
    return [utterance for message in messages for utterance in collector.push(message)]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4))
def test_without_loss_all_are_whole(seed: int, streams: int, utterances: int) -> None:
    messages, truth = conversation(seed, streams, utterances)
    found = collected(messages)
    assert [(one.stream, one.utterance) for one in found] == list(truth)
    for one in found:
        assert one.complete
        assert one.pcm == truth[one.stream, one.utterance]
        assert one.opened is not None
        assert one.at_sample == one.opened.at_sample - one.opened.preroll_samples
        assert one.closed is not None
        assert set(one.intents) == set(one.closed.intents)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4), st.data())
def test_whatever_is_lost_or_doubled_no_wrong_samples_are_called_complete(
    seed: int, streams: int, utterances: int, data: st.DataObject
) -> None:
    messages, truth = conversation(seed, streams, utterances)
    times = data.draw(st.lists(st.sampled_from([0, 1, 1, 1, 2]), min_size=len(messages), max_size=len(messages)))
    came = [message for message, count in zip(messages, times, strict=True) for _ in range(count)]
    found = collected(came)
    assert len({(one.stream, one.utterance) for one in found}) == len(found)  # none twice
    untouched = {
        key for key in truth
        if all(count == 1 for message, count in zip(messages, times, strict=True)
               if (message.header.stream, getattr(message.header, "utterance", 0)) == key)
    }  # fmt: skip
    for one in found:
        key = one.stream, one.utterance
        if one.complete:
            assert one.pcm == truth[key]
            assert one.opened is not None
            assert one.closed is not None
            assert set(one.intents) == set(one.closed.intents)
    assert untouched <= {(one.stream, one.utterance) for one in found if one.complete}


@settings(deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_what_is_lost_before_the_first_message_and_between(seed: int, data: st.DataObject) -> None:
    messages, _ = conversation(seed, 2, 3)
    kept = data.draw(st.lists(st.booleans(), min_size=len(messages), max_size=len(messages)))
    receipt = Receipt()
    came = [
        receipt([message.topic.encode(), msgspec.json.encode(message.header), message.payload])
        for message, keep in zip(messages, kept, strict=True)
        if keep
    ]
    for stream in {message.header.stream for message in came}:
        first = stream == came[0].header.stream
        for topic in HEADERS:
            mine = [message for message in came if (message.topic, message.header.stream) == (topic, stream)]
            if mine:
                missing = mine[-1].header.seq + 1 - len(mine) - (mine[0].header.seq if first else 0)
                assert sum(message.lost for message in mine) == missing


def one_utterance() -> list[Message]:
    return numbered(said(random.Random(3), "a", 1, 100)[0])


def test_another_run_ends_what_is_open() -> None:
    messages = one_utterance()[:-1]
    collector = Collector()
    for message in messages:
        assert collector.push(message) == []
    (ended,) = collector.push(Message("health", health("b", "starting")))
    assert (ended.stream, ended.complete, ended.closed) == ("a", False, None)
    assert ended.pcm == b"".join(message.payload for message in messages)
    (first,) = [one for message in numbered(said(random.Random(4), "b", 1, 0)[0]) for one in collector.push(message)]
    assert (first.stream, first.complete) == ("b", True)


def test_a_daemon_that_stops_leaves_nothing_open() -> None:
    (ended,) = collected([*one_utterance()[:2], Message("health", health("a", "stopping"))])
    assert not ended.complete
    assert ended.opened is not None


def test_what_began_before_the_subscription_is_not_complete() -> None:
    (ended,) = collected(one_utterance()[1:])
    assert not ended.complete
    assert ended.opened is None


def test_an_utterance_that_never_ends_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 1)
    monkeypatch.setattr(module, "MOST_INTENTS", 10)
    opened, *_, closed = one_utterance()
    messages, position = [opened], opened.header.at_sample - opened.header.preroll_samples
    common = {"stream": "a", "device": "d", "seq": 0, "time_ns": 0, "utterance": 1}
    for index in range(40):
        header = AudioHeader(**common, at_sample=position, samples=1600, last=index == 39)
        messages.append(Message("audio", header, bytes(3200)))
        intent = IntentHeader(**common, at_sample=position, head=f"head{index}", score=1.0, final=True)
        messages.append(Message("intent", intent))
        position += 1600
    intents = [f"head{index}" for index in range(40)]
    messages.append(dataclasses.replace(closed, header=msgspec.structs.replace(closed.header, intents=intents)))
    (ended,) = collected(messages)
    assert ended.seconds <= 1
    assert len(ended.intents) == 10
    assert not ended.complete


def test_a_wav_file_of_it() -> None:
    (whole,) = collected(one_utterance())
    with wave.open(BytesIO(whole.wav())) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE_HZ, 1, 2)
        assert file.readframes(10**6) == whole.pcm


GOOD = msgspec.json.encode(one_utterance()[1].header)
WRONG = [
    [],
    [b"audio"],
    [b"a", b"b", b"c", b"d"],
    [b"audio", b"{"],
    [b"audio", b"\xff"],
    [b"\xff", GOOD],
    [b"audio", b"[" * 100_000],
    [b"health", b"{}"],
    [b"weather", b'{"temperature": 3}'],
    [b"audio", GOOD],  # without its samples
    [b"audio", GOOD, b"\0"],
    [b"audio", GOOD.replace(b'"v":1', b'"v":2'), one_utterance()[1].payload],
    [b"audio", GOOD.replace(b'"rate":16000', b'"rate":0'), one_utterance()[1].payload],
    [b"audio", GOOD.replace(b'"rate":16000', b'"rate":1000000000'), one_utterance()[1].payload],
    [b"audio", GOOD.replace(b"s16le", b"m\\np\\u001b3"), one_utterance()[1].payload],
    [b"audio", GOOD.replace(b'"samples":', b'"samples":1e300,"s":'), b""],
    [b"audio", GOOD.replace(b'"samples":', b'"samples":99999999999999999999,"s":'), b""],
    [b"audio", GOOD.replace(b'"time_ns":0', b'"time_ns":-1'), one_utterance()[1].payload],
    [b"audio", GOOD.replace(b'"time_ns":0', b'"time_ns":1' + b"0" * 30), one_utterance()[1].payload],
]  # fmt: skip


@pytest.mark.parametrize("parts", WRONG)
def test_what_is_not_ours_is_one_clear_error(parts: list[bytes]) -> None:
    with pytest.raises(ClientError) as caught:
        Receipt()(parts)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()
    assert "expected" in str(caught.value) or "wrong endpoint" in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_no_bytes_do_anything_else(parts: list[bytes]) -> None:
    with pytest.raises(ClientError):
        Receipt()(parts)


def test_a_topic_of_a_newer_daemon_comes_through() -> None:
    encoded = b'{"stream": "a", "device": "d", "seq": 7, "at_sample": 1, "time_ns": 2, "new": 3}'
    message = Receipt()([b"weather", encoded])
    assert (message.topic, message.header.seq, message.lost) == ("weather", 7, 0)


def test_the_sample_rate_is_the_daemons() -> None:
    from inherentd.client.messages import SAMPLE_RATE_HZ as OURS

    assert OURS == SAMPLE_RATE_HZ


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32), min_size=2, max_size=4, unique=True), st.randoms(use_true_random=False))
def test_many_devices_through_one_broker_are_told_apart(seeds: list[int], order: random.Random) -> None:
    """Messages of several devices, each restarted once, shuffled into each other: nothing is lost, all utterances whole."""
    waiting, truths = [], {}
    for number, seed in enumerate(seeds):
        device = f"d{number}"
        messages, truth = conversation(seed, streams=2, utterances=2)
        waiting.append(
            [
                dataclasses.replace(
                    one,
                    header=msgspec.structs.replace(one.header, device=device, stream=f"{device}{one.header.stream}"),
                )
                for one in messages
            ]
        )
        truths |= {(f"{device}{stream}", utterance): pcm for (stream, utterance), pcm in truth.items()}
    receipt, collectors, found = Receipt(), Collectors(), []
    while any(waiting):
        message = order.choice([queue for queue in waiting if queue]).pop(0)
        wire = [
            message.topic.encode(),
            msgspec.json.encode(message.header),
            *([message.payload] if message.topic == "audio" else []),
        ]
        received = receipt(wire)
        assert received.lost == 0
        found += collectors.push(received)
    assert {(one.stream, one.utterance): one.pcm for one in found} == truths
    assert all(one.complete for one in found)


def test_what_one_of_many_devices_lost_is_counted() -> None:
    receipt = Receipt()
    lost = []
    for device, seq in [("a", 5), ("b", 0), ("a", 6), ("b", 3), ("a", 9)]:
        encoded = msgspec.json.encode(msgspec.structs.replace(health(f"run of {device}"), device=device, seq=seq))
        lost.append(receipt([b"health", encoded]).lost)
    assert lost == [0, 0, 0, 2, 2]


def test_invented_names_do_not_stay() -> None:
    """The device that was silent longest is forgotten: not counted when it comes again, and what was open of it ends."""
    receipt, collectors = Receipt(devices=3), Collectors(devices=3)
    opened, *_ = one_utterance()
    lost, ended = [], list[Utterance]()
    for name, seq in [
        ("kitchen", 0),
        ("hall", 0),
        *((f"x{n}", 0) if n % 2 else ("hall", n) for n in range(1, 100)),
        ("kitchen", 9),
    ]:
        header = msgspec.structs.replace(opened.header, device=name, stream=f"run of {name}", seq=seq)
        message = receipt([b"gate.opened", msgspec.json.encode(header)])
        lost.append((name, message.lost))
        ended += collectors.push(message)
    assert len(receipt._runs) == len(collectors._runs) == 3
    assert lost[-1] == ("kitchen", 0)
    assert [count for name, count in lost if name == "hall"] == [
        0,
        *([1] * 49),
    ]  # spoke all the time: every second is missing
    assert [(one.device, one.complete) for one in ended[:2]] == [("kitchen", False), ("x1", False)]
    assert len(ended) == 1 + 50 - 1


def test_invented_runs_of_one_name_do_not_stay() -> None:
    receipt = Receipt()
    for number in range(100):
        receipt([b"health", msgspec.json.encode(health(f"run {number}"))])
    assert len(receipt._runs._runs["d"]) == message_module.MOST_RUNS


def test_two_daemons_of_one_name_are_told_apart_by_their_runs() -> None:
    """No loss is invented, though both are in the middle of their runs; what is really missing is counted."""
    receipt, now_ns, lost = Receipt(), 1_795_318_281 * 10**9, []
    for index, (stream, seq) in enumerate(
        [("a", 700), ("b", 90), ("a", 701), ("b", 91), ("b", 93), ("a", 702), ("a", 704)]
    ):
        header = msgspec.structs.replace(
            health(stream), seq=seq, at_sample=16_000 * seq, time_ns=now_ns + index * 500_000_000
        )
        lost.append(receipt([b"health", msgspec.json.encode(header)]).lost)
    assert lost == [0, 0, 0, 0, 1, 0, 1]


def test_what_was_missed_at_a_restart_is_counted() -> None:
    receipt, now_ns, lost = Receipt(), 1_795_318_281 * 10**9, []
    for seconds, stream, seq, uptime_seconds in [(0, "a", 700, 700), (60, "b", 3, 2), (61, "b", 4, 3)]:
        header = msgspec.structs.replace(
            health(stream), seq=seq, at_sample=16_000 * uptime_seconds, time_ns=now_ns + seconds * 10**9
        )
        lost.append(receipt([b"health", msgspec.json.encode(header)]).lost)
    assert lost == [0, 3, 0]


def test_two_daemons_of_one_name_do_not_end_each_others_utterances() -> None:
    """The first message of the second ends what is open, as after a restart; from then on both are heard whole."""
    a, truth_a = conversation(1, streams=1, utterances=4)
    b, truth_b = conversation(2, streams=1, utterances=4)
    b = [dataclasses.replace(one, header=msgspec.structs.replace(one.header, stream="b")) for one in b]
    collectors = Collectors()
    mixed = [one for pair in zip(a, b, strict=False) for one in pair]
    mixed += a[len(b) :] + b[len(a) :]
    found = [ended for message in mixed for ended in collectors.push(message)]
    assert all(one.complete for one in found)
    assert {(one.stream, one.utterance): one.pcm for one in found} == truth_a | {
        ("b", number): pcm for (_, number), pcm in truth_b.items()
    }


def test_a_restart_through_a_broker_ends_what_is_open_at_its_first_message() -> None:
    collectors = Collectors()
    for message in one_utterance()[:-1]:
        assert collectors.push(message) == []
    (ended,) = collectors.push(Message("health", health("b", "starting")))
    assert (ended.stream, ended.complete, ended.closed) == ("a", False, None)
