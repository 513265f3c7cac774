"""Is the wall clock right, and did it stand still while we looked? Every message carries it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from inherentd.daemon.doctor.asking import Ask
from inherentd.daemon.doctor.finding import Finding

STEP_SECONDS = 0.05
BUILT = 1_760_000_000  # this program is younger: a clock before it, 2025-10, was never set


@dataclass(frozen=True)
class Moment:
    """One moment by two clocks."""

    monotonic: float
    wall: float


def now() -> Moment:
    """Return this moment."""
    return Moment(time.monotonic(), time.time())


def system_clock(started: Moment, ended: Moment, ask: Ask) -> Finding:
    """Was the wall clock set, does it run with the monotonic one, and is it synchronised?"""
    name = "system clock"
    set_by = (ended.wall - started.wall) - (ended.monotonic - started.monotonic)
    if ended.wall < BUILT:
        date = time.strftime("%Y-%m-%d", time.gmtime(ended.wall))
        return Finding(name, "warning", f"it says {date}", "set it: timedatectl set-ntp true, or date -s")
    if abs(set_by) > STEP_SECONDS:
        text = f"it was set by {set_by:+.3f} s within {ended.monotonic - started.monotonic:.1f} s"
        return Finding(
            name, "warning", text, "see what sets it (NTP at the start, a virtual machine); time_ns follows it"
        )
    answer = ask(["timedatectl", "show", "-p", "NTPSynchronized", "--value"])
    steady = "runs with the monotonic clock"
    if answer is None or answer.code:
        return Finding(name, "ok", f"{steady}; nothing here tells whether it is synchronised")
    if answer.out != "yes":
        return Finding(name, "warning", f"{steady}, but is not synchronised", "timedatectl set-ntp true")
    return Finding(name, "ok", f"{steady}, and is synchronised")
