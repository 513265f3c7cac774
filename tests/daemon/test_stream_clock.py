from __future__ import annotations

from inherentd.daemon.stream_clock import StreamClock, step

SECOND_NS = 1_000_000_000


def test_a_sample_is_a_sixteen_thousandth_of_a_second() -> None:
    assert StreamClock(5).time_ns(16_000) == 5 + SECOND_NS


def test_small_delays_do_not_move_it() -> None:
    clock = StreamClock(0)
    assert step(clock, 16_000, SECOND_NS + 90_000_000, live=True) is clock
    assert step(clock, 16_000, SECOND_NS - 90_000_000, live=True) is clock


def test_a_gap_moves_it_forward() -> None:
    clock = step(StreamClock(0), 16_000, 3 * SECOND_NS, live=True)
    assert clock.time_ns(16_000) == 3 * SECOND_NS


def test_only_a_live_stream_moves_it_back() -> None:
    assert step(StreamClock(0), 160_000, SECOND_NS, live=False) == StreamClock(0)
    assert step(StreamClock(0), 160_000, SECOND_NS, live=True).time_ns(160_000) == SECOND_NS
