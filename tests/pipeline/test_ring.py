"""The ring: what went in comes out, losses are noticed and counted, also between two threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.ring import Ring


@given(st.lists(st.integers(0, 40), max_size=30))
def test_take_gives_everything_or_counts_it_as_lost(blocks: list[int]) -> None:
    ring, position, counter, taken, lost_total = Ring(16), 0, 0, [], 0
    for index, size in enumerate(blocks):
        ring.write(np.arange(counter, counter + size).astype(np.int16))
        counter += size
        if index % 3 == 0:
            samples, position, lost = ring.take(position)
            taken.extend(samples.tolist())
            lost_total += lost
    samples, position, lost = ring.take(position)
    taken.extend(samples.tolist())
    lost_total += lost
    assert position == ring.written == counter
    assert len(taken) + lost_total == counter
    assert taken == sorted(taken)
    assert ring.lost_samples == lost_total


def test_read_refuses_what_is_gone_or_not_there_yet() -> None:
    ring = Ring(10)
    ring.write(np.arange(25, dtype=np.int16))
    assert ring.read(15, 25).tolist() == list(range(15, 25))
    for start, stop in ((14, 20), (20, 26), (22, 20)):
        with pytest.raises(PipelineError, match="the ring holds 15 to 25"):
            ring.read(start, stop)


def test_positions_are_64_bit() -> None:
    ring = Ring(8)
    ring.written = ring._writing_to = 2**40  # noqa: SLF001 - two years of audio, without waiting for them
    ring.write(np.arange(5, dtype=np.int16))
    assert ring.read(2**40, 2**40 + 5).tolist() == [0, 1, 2, 3, 4]


def test_two_threads() -> None:
    ring, total = Ring(4096), 2_000_000
    source = (np.arange(total) % 30_011).astype(np.int16)

    def produce() -> None:
        for start in range(0, total, 320):
            ring.write(source[start : start + 320])

    thread = threading.Thread(target=produce)
    thread.start()
    position = lost_total = 0
    while position < total:
        before = position
        samples, position, lost = ring.take(position)
        lost_total += lost
        assert np.array_equal(samples, source[before + lost : position])
    thread.join()
    assert ring.lost_samples == lost_total


def test_no_capacity_is_refused() -> None:
    with pytest.raises(PipelineError, match="capacity"):
        Ring(0)
