"""Many streams, one model: each stream's work asks for a step of the model, and one run answers all that are asking.

A work is a generator: it yields what the model is to be given, is sent what the model returned, and returns its result. An
engine's `pushing` and `finishing` are such works, and so is anything made of them. A stream that sleeps asks for nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes.protocol import Array, Runtime, State

T = TypeVar("T")
Ask = tuple[Array, State]
"""what `Runtime.step` takes"""
Answer = tuple[Array, State]
"""what it returns"""
Work = Generator[Ask, Answer, T]


class BatchRuntime(Runtime, Protocol):
    """A runtime that takes a step of many streams at once."""

    def steps(self, given: Array, states: list[State]) -> tuple[Array, list[State]]:
        """Return the scores [n, heads] and the next states, from one step of n streams, [n, ...], and their states."""
        ...


@dataclass
class _Running:
    """A work that waits for an answer, and its number."""

    number: int
    work: Work[object]
    ask: Ask


def alone(work: Work[T], runtime: Runtime) -> T:
    """Return the result of a work, each step of which is run by itself. What the model raises, the work is told."""
    try:
        ask = next(work)
        while True:
            try:
                answer = runtime.step(*ask)
            except Exception as error:  # of whatever kind: the work decides, as if it had called the model
                ask = work.throw(error)
            else:
                ask = work.send(answer)
    except StopIteration as done:
        return done.value


def together(works: Iterable[Work[T]], runtime: BatchRuntime, streams: int) -> Iterator[T]:
    """Yield the result of every work, in the works' order, up to `streams` of them running at a time.

    What the model raises, each of the works that asked is told. What a work raises ends everything: a work that may fail returns
    its failure. The next work is taken from `works` when
    another has ended, so that they can be made as they are needed.
    """
    if streams < 1:
        raise PipelineError(f"streams: got {streams}, expected 1 or more")
    waiting = enumerate(works)
    running: list[_Running] = []
    done: dict[int, T] = {}
    told = 0
    while True:
        while len(running) < streams and (following := next(waiting, None)) is not None:
            number, work = following
            try:
                running.append(_Running(number, work, next(work)))  # pyright: ignore[reportArgumentType]
            except StopIteration as end:
                done[number] = end.value
        while told in done:
            yield done.pop(told)
            told += 1
        if not running:
            return
        still: list[_Running] = []
        for one, answer in zip(running, _answers(running, runtime), strict=True):
            try:
                one.ask = one.work.throw(answer) if isinstance(answer, Exception) else one.work.send(answer)
                still.append(one)
            except StopIteration as end:
                done[one.number] = end.value
        running = still


def _answers(running: Sequence[_Running], runtime: BatchRuntime) -> Iterable[Answer | Exception]:
    try:
        given = np.concatenate([one.ask[0] for one in running])
        return zip(*runtime.steps(given, [one.ask[1] for one in running]), strict=True)
    except Exception as error:  # of whatever kind: each work decides, as if it had called the model
        return [error] * len(running)
