"""Sample index -> wall clock."""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS_PER_SAMPLE = 62_500  # at 16 kHz
TOLERANCE_NS = 100_000_000  # blocks arrive some ms early or late; more than this is drift, a gap or a set clock


@dataclass(frozen=True)
class StreamClock:
    """When sample 0 was heard, as far as is known now."""

    sample_zero_ns: int

    def time_ns(self, at_sample: int) -> int:
        """Return the wall clock of a sample, in nanoseconds since 1970."""
        return self.sample_zero_ns + at_sample * NANOSECONDS_PER_SAMPLE


def step(clock: StreamClock, samples_so_far: int, now_ns: int, *, live: bool) -> StreamClock:
    """Return the clock after a block arrived: moved only when it was off by more than 100 ms.

    A stream that is not `live` (a file at full speed) may run ahead of time, as if it was played later.
    """
    estimate_ns = now_ns - samples_so_far * NANOSECONDS_PER_SAMPLE
    late_ns = estimate_ns - clock.sample_zero_ns
    if late_ns > TOLERANCE_NS or (live and late_ns < -TOLERANCE_NS):
        return StreamClock(estimate_ns)
    return clock
