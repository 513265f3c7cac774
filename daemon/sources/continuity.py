"""Is any audio missing? A device delivers as many samples as time passes; what stays behind for good was lost.

Sound systems drop audio without a word when nobody fetches it (a stopped process, a suspended machine). Lateness is not
loss: a late block catches up. So the least lateness of each window counts, not the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOTHING = -1e9


@dataclass(frozen=True)
class ContinuityConfig:
    """Times in seconds."""

    window: float = 1.0
    """long enough for some blocks to come on time"""
    loss: float = 0.2
    """more than what sound systems add when they enlarge their buffers"""
    disturbed_loss: float = 0.02
    """enough when the sound system said itself that it lost audio, or when nothing came for `stall`"""
    stall: float = 0.12
    """over the length of a block: the sound system's own buffers may have run over"""
    bursts: float = 5.0
    """windows to wait where blocks only ever come in bursts"""
    drift: float = 500e-6
    """seconds a second that a device's clock may be slow; crystals are within 100 ppm"""


@dataclass(frozen=True)
class ContinuityState:
    """`ahead` is the audio delivered minus the time that passed since the start, in seconds: never less than it truly is late."""

    started: float
    last: float
    """when the last block came"""
    delivered: float = 0.0
    disturbed: int = 0
    """windows in which a small loss counts: the one that was disturbed, and the one after it"""
    paused_at: float = NOTHING
    """when the last pause of `stall` ended: what was held back comes at once then"""
    window_from: float = 0.0
    best_ahead: float = NOTHING
    """of this window"""
    expected_ahead: float | None = None
    first_ahead: float | None = None
    drift_ppm: float = 0.0


def initial_state(now: float) -> ContinuityState:
    """Return the state when the first block is about to come."""
    return ContinuityState(started=now, last=now, window_from=now)


def step(
    config: ContinuityConfig, state: ContinuityState, now: float, seconds: float, *, reported: bool
) -> tuple[ContinuityState, float]:
    """Return the next state, and how many seconds of audio turned out to be lost.

    now: monotonic time when the block came; seconds: its length; reported: whether the sound system said that it lost some.
    """
    before, delivered = state.last, state.delivered + seconds
    ahead = max(state.best_ahead, delivered - (now - state.started))
    paused_at = now if now - before > seconds + config.stall else state.paused_at
    disturbed = 2 if reported or now - before > seconds + config.stall else state.disturbed
    state = replace(state, last=now, delivered=delivered, disturbed=disturbed, paused_at=paused_at, best_ahead=ahead)
    # Blocks that come in a burst, or the first after a pause, do not tell yet whether the rest catches up.
    steady = 0.5 < (now - before) / seconds < 1.5
    window = config.window if steady else config.bursts * config.window  # some devices always come in bursts
    if now - max(state.window_from, state.paused_at) < window:
        return state, 0.0
    first = ahead if state.first_ahead is None else state.first_ahead
    expected = ahead if state.expected_ahead is None else state.expected_ahead
    expected -= config.drift * (now - state.window_from)
    behind = expected - ahead
    lost = behind if behind > (config.disturbed_loss if state.disturbed else config.loss) else 0.0
    after = replace(
        state,
        delivered=delivered + lost,
        disturbed=max(0, state.disturbed - 1),
        window_from=now,
        best_ahead=NOTHING,
        # What is behind and not yet enough to be called lost stays expected, so that small losses add up.
        expected_ahead=max(ahead + lost, expected),
        first_ahead=first,
        drift_ppm=(ahead + lost - first) / (now - state.started) * 1e6,
    )
    return after, lost


def behind(state: ContinuityState) -> float:
    """Return how many seconds of audio should have come by the last block and did not: late, or lost and not called so yet.

    Once nothing can come any more, it is lost. It takes a moment to tell: 0 for a device that was just opened.
    """
    if state.expected_ahead is None:
        return 0.0
    return max(0.0, state.expected_ahead - (state.delivered - (state.last - state.started)))
