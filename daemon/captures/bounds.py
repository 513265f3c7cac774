"""Which captures have to go: those that are too old, and the oldest where there are too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """How much is kept, and how long."""

    hours: float
    megabytes: float

    @property
    def size_bytes(self) -> int:
        """Return the most that all files together may have."""
        return int(self.megabytes * 1_000_000)


@dataclass(frozen=True)
class Held:
    """The files of one capture, also of one that was not finished or cannot be read."""

    id: str
    time_ns: int
    size_bytes: int
    paths: tuple[Path, ...]


def to_remove(
    held: Sequence[Held], limits: Limits, now_ns: int, needed_bytes: int, is_labelled: Callable[[Held], bool]
) -> list[Held]:
    """Return what has to go so that `needed_bytes` more fit, in order.

    A labelled capture is somebody's work: its age does not matter, and for room it goes after all others. Whether one
    is labelled is asked only of those that may have to go.
    """
    by_age = sorted(held, key=lambda one: (one.time_ns, one.id))
    oldest_ns = now_ns - int(limits.hours * 3_600e9)
    removed = [one for one in by_age if one.time_ns < oldest_ns and not is_labelled(one)]
    over = needed_bytes + sum(one.size_bytes for one in by_age) - limits.size_bytes
    over -= sum(one.size_bytes for one in removed)
    if over <= 0:
        return removed
    gone = {one.id for one in removed}
    for one in _labelled_last([one for one in by_age if one.id not in gone], is_labelled):
        removed.append(one)
        over -= one.size_bytes
        if over <= 0:
            break
    return removed


def _labelled_last(held: Sequence[Held], is_labelled: Callable[[Held], bool]) -> Iterator[Held]:
    labelled: list[Held] = []
    for one in held:
        if is_labelled(one):
            labelled.append(one)
        else:
            yield one
    yield from labelled
