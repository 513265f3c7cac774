"""Streams that one model hears side by side are as they would be alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config, ModelSection
from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.events import Audio, Event
from inherentd.pipeline.runtimes.batched import BatchedStreaming
from inherentd.pipeline.runtimes.protocol import Array, State
from inherentd.pipeline.together import Ask, Work, alone, together

CLIPS = load_clips(BUNDLED)
RATE_HZ = 16_000


class Counting:
    """A runtime that keeps how many streams each of its runs had."""

    def __init__(self, runtime: BatchedStreaming) -> None:
        self.runtime = runtime
        self.runs: list[int] = []
        self.metadata, self.step_frames, self.processor = runtime.metadata, runtime.step_frames, runtime.processor

    def initial_state(self) -> State:
        return self.runtime.initial_state()

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        return self.runtime.step(given, state)

    def steps(self, given: Array, states: list[State]) -> tuple[Array, list[State]]:
        self.runs.append(len(states))
        return self.runtime.steps(given, states)


@pytest.fixture(scope="module")
def batched() -> BatchedStreaming:
    return engine_setup.open_batched(Config().model)


@pytest.fixture(scope="module")
def single() -> Engine:
    runtime = engine_setup.open_model(ModelSection(backend="onnx"))
    return Engine(engine_setup.engine_config(Config(), runtime.metadata), runtime)


def sound(kind: int, begin: int, samples: int) -> np.ndarray:
    """A piece of a clip, or silence, after which an engine sleeps."""
    if kind == len(CLIPS):
        return np.zeros(samples, np.int16)
    clip, _ = soundfile.read(CLIPS[kind].path, dtype="int16")
    return np.roll(clip, -begin)[:samples]


def hearing(engine: Engine, samples: np.ndarray, sizes: list[int], scores: list[np.ndarray]) -> Work[list[Event]]:
    """One stream in chunks of `sizes`, the last one repeated."""
    engine.listener = lambda _, row: scores.append(row.copy())
    events: list[Event] = []
    position = turn = 0
    while position < len(samples):
        size = sizes[min(turn, len(sizes) - 1)]
        events += yield from engine.pushing(samples[position : position + size])
        position, turn = position + size, turn + 1
    return events + (yield from engine.finishing())


def same(found: list[Event], expected: list[Event]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert one.at_sample == other.at_sample
        if isinstance(one, Audio) and isinstance(other, Audio):
            assert (one.utterance, one.last) == (other.utterance, other.last)
            assert np.array_equal(one.pcm, other.pcm)
            continue
        for name, value in vars(one).items():
            assert value == pytest.approx(getattr(other, name), abs=1e-4), (type(one).__name__, name)


PIECES = st.lists(
    st.tuples(st.integers(0, len(CLIPS)), st.integers(0, 80_000), st.integers(1, 48_000)), min_size=1, max_size=3
)
STREAMS = st.lists(st.tuples(PIECES, st.lists(st.integers(1, 40_000), min_size=1, max_size=3)), min_size=1, max_size=6)


@settings(max_examples=12, deadline=None)
@given(streams=STREAMS, at_a_time=st.integers(1, 6))
def test_streams_are_as_they_would_be_alone(
    batched: BatchedStreaming, single: Engine, streams: list, at_a_time: int
) -> None:
    sounds = [np.concatenate([sound(*piece) for piece in pieces]) for pieces, _ in streams]
    scores: list[list[np.ndarray]] = [[] for _ in streams]
    works = [
        hearing(Engine(single.config, batched), samples, sizes, kept)
        for samples, (_, sizes), kept in zip(sounds, streams, scores, strict=True)
    ]
    for events, samples, kept in zip(together(works, batched, at_a_time), sounds, scores, strict=True):
        single.reset()
        expected_scores: list[np.ndarray] = []
        expected = alone(hearing(single, samples, [len(samples)], expected_scores), single.runtime)
        same(events, expected)
        assert np.allclose(kept, expected_scores, atol=1e-4)


def test_who_sleeps_or_has_ended_is_not_computed(batched: BatchedStreaming, single: Engine) -> None:
    talk = np.concatenate([sound(index, 0, 64_000) for index in (1, 7)])
    long = np.zeros(len(talk), np.int16)
    short = talk[:32_000]
    counting = Counting(batched)
    works = [hearing(Engine(single.config, counting), samples, [8_000], []) for samples in (talk, long, short)]
    list(together(works, counting, 3))
    step = 1_280
    asleep = single.config.sleep_after_samples // step
    assert counting.runs[0] == 3
    assert max(counting.runs[asleep + 1 :]) <= 2
    assert counting.runs[-1] == 1
    awake_steps = (len(talk) + len(short) + 2 * single.config.flush_samples) // step + asleep
    assert sum(counting.runs) <= awake_steps + 3  # a step that the end cuts, of each


def test_a_mixed_batch_has_every_streams_own_scores(batched: BatchedStreaming) -> None:
    """Rows of different runs, in another order, and beside a stream that begins."""
    rng = np.random.default_rng(0)
    steps = rng.normal(-7, 3, (3, 5, 4, 128)).astype(np.float32)
    expected = []
    for stream in steps:
        state: State = batched.initial_state()
        for step in stream:
            row, state = batched.step(step[None], state)
        expected.append(row)
    states: list[State] = [batched.initial_state()] * 3
    at = [0, 0, 0]
    found: dict[int, np.ndarray] = {}
    for members in ([0], [1, 0], [0, 1, 2], [0, 1, 2], [2, 0], [1], [2, 1], [2]):
        given = np.stack([steps[one, at[one]] for one in members])
        scores, following = batched.steps(given, [states[one] for one in members])
        for one, row, state in zip(members, scores, following, strict=True):
            states[one], found[one], at[one] = state, row, at[one] + 1
    assert at == [5, 5, 5]
    assert all(np.allclose(found[one], expected[one], atol=1e-6) for one in range(3))


def test_results_come_in_order_and_works_are_made_as_needed(batched: BatchedStreaming) -> None:
    made: list[int] = []

    def work(number: int, steps: int) -> Work[int]:
        state = batched.initial_state()
        for _ in range(steps):
            _, state = yield np.zeros((1, 4, 128), np.float32), state
        return number

    def works() -> Iterator[Work[int]]:
        for number, steps in enumerate([9, 1, 0, 1, 3]):
            made.append(number)
            yield work(number, steps)

    results = together(works(), batched, 2)
    assert next(results) == 0
    assert made == [0, 1, 2, 3, 4]
    assert list(results) == [1, 2, 3, 4]
    with pytest.raises(PipelineError, match="streams: got 0, expected 1 or more"):
        next(together(works(), batched, 0))


def test_what_a_work_raises_comes_out(batched: BatchedStreaming) -> None:
    def broken() -> Work[None]:
        yield np.zeros((1, 4, 128), np.float32), batched.initial_state()
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(together([broken()], batched, 1))


def test_the_ask_of_an_engine_is_what_step_takes(single: Engine) -> None:
    single.reset()
    ask: Ask = next(single.pushing(sound(1, 0, 16_000)))
    scores, _ = single.runtime.step(*ask)
    assert scores.shape == (13,)


def test_a_model_for_one_stream_is_refused() -> None:
    path = Path(engine_setup.SHIPPED_MODELS["onnx"])
    with pytest.raises(DaemonError, match=r"inherent\.onnx: takes one stream at a time"):
        engine_setup.open_batched(ModelSection(path=str(path)))


def test_the_page_shows_what_works() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    begin = page.index("from inherentd.daemon import engine_setup")
    program = textwrap.dedent(page[begin : page.index("\n```", begin)])
    told: list[Event] = []
    program = program.replace("    ...", "    told.extend(events)")
    exec(program, {"blocks": [sound(1, 0, 96_000)] * 64, "told": told})
    assert len(told) >= 64
    assert len(told) % 64 == 0


def test_a_work_alone_is_told_what_the_model_raises(batched: BatchedStreaming) -> None:
    def careful() -> Work[str]:
        try:
            yield np.zeros((1, 4, 3), np.float32), batched.initial_state()  # not what the model takes
        except Exception as error:
            return type(error).__name__
        return "nothing"

    assert alone(careful(), batched) == "InvalidArgument"
    assert list(together([careful(), careful()], batched, 2)) == ["InvalidArgument"] * 2
