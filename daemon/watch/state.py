"""What a screen knows of a daemon, and what each message makes of it. No clock and no terminal in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from inherentd.client.messages import (
    GateClosedHeader,
    GateOpenedHeader,
    Header,
    HealthHeader,
    IntentHeader,
    ScoresHeader,
)

KEPT_EVENTS = 100


@dataclass(frozen=True)
class Utterance:
    """One, while it is open and after it: positions in samples of the stream."""

    number: int
    opened_at: int
    preroll_samples: int
    until: int  # the last sample that something was told of
    intents: Mapping[str, float] = field(default_factory=dict[str, float])
    closed: str = ""  # why; empty while it is open


@dataclass(frozen=True)
class Watched:
    """One run of a daemon, as far as it told. None: not told yet."""

    source: str  # an address, a file
    waiting: str  # for what, in words, before anything came
    stream: str = ""
    device: str = ""
    heads: tuple[str, ...] = ()  # the gate first
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])  # by key
    opens: float | None = None  # the gate, with what the context adds
    closes: float | None = None
    context: tuple[str, ...] = ()  # in words
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    scores_per_second: float | None = None
    level_dbfs: float | None = None
    asleep: bool = False
    health: HealthHeader | None = None
    model: str = ""
    utterance: Utterance | None = None  # the open one, or the last
    events: tuple[Header, ...] = ()  # gate and final intents, and health where its state changed; newest last
    noted: int = 0  # events so far, also those that are no longer kept
    lost: int = 0  # messages that never arrived here
    silent_seconds: float = 0.0  # since the last message
    problem: str = ""  # why the daemon's status is not known

    @property
    def is_open(self) -> bool:
        """Whether an utterance is open."""
        return self.utterance is not None and not self.utterance.closed

    @property
    def ended(self) -> bool:
        """Whether the daemon said that it stops."""
        return self.health is not None and self.health.state == "stopping"


def on_message(state: Watched, header: Header, lost: int = 0) -> Watched:
    """Return the state after a message. `lost`: how many of its topic are missing before it."""
    if header.stream != state.stream:  # another run: nothing of the one before holds, but what happened
        state = Watched(
            state.source, state.waiting, header.stream, header.device, events=state.events, noted=state.noted
        )
    state = replace(state, lost=state.lost + lost, silent_seconds=0.0)
    if state.utterance is not None and state.is_open:
        until = max(header.at_sample, state.utterance.until)
        state = replace(state, utterance=replace(state.utterance, until=until))
    match header:
        case GateOpenedHeader():
            opened = Utterance(header.utterance, header.at_sample, header.preroll_samples, header.at_sample)
            state = replace(state, utterance=opened, scores=header.scores, heads=tuple(header.scores), asleep=False)
            return _noted(state, header)
        case IntentHeader():
            told = _of_utterance(state, header, {header.head: header.score})
            return _noted(told, header) if header.final else told
        case GateClosedHeader():
            state = replace(state, scores=state.scores if state.scores_per_second else {})  # those of the opening
            return _noted(_of_utterance(state, header, {}, header.reason), header)
        case ScoresHeader():
            heard = replace(state, scores=header.scores, heads=tuple(header.scores), level_dbfs=header.level_dbfs)
            return replace(heard, asleep=False, scores_per_second=state.scores_per_second or None)
        case HealthHeader():
            before = state.health
            changed = before is None or (before.state, before.reason) != (header.state, header.reason)
            state = replace(state, health=header)
            return _noted(state, header) if changed else state
        case _:
            return state


def on_status(state: Watched, status: Mapping[str, Any]) -> Watched:
    """Return the state after an answer to the request `status`."""
    context = status["context"]
    words = {"assistant_speaking": "the assistant speaks", "expecting_reply": "a reply is expected"}
    level = status["level_dbfs"] if status["asleep"] or not status["scores_per_second"] else state.level_dbfs
    return replace(
        state,
        heads=tuple(status["heads"]),
        thresholds=status["thresholds"],
        opens=status["gate"]["opens"],
        closes=status["gate"]["closes"],
        context=tuple(text for name, text in words.items() if context[name]),
        scores_per_second=status["scores_per_second"],
        level_dbfs=level,
        asleep=status["asleep"],
        scores={} if status["asleep"] or tuple(status["heads"]) != tuple(state.scores) else state.scores,
        model=status["model"]["version"],
        problem="",
    )


def on_problem(state: Watched, problem: str) -> Watched:
    """Return the state after a request that brought no answer."""
    return replace(state, problem=problem)


def on_silence(state: Watched, seconds: float) -> Watched:
    """Return the state when nothing came for so long: the scores are of then, not of now."""
    return replace(state, silent_seconds=seconds, scores={}, level_dbfs=None)


def _of_utterance(
    state: Watched, header: IntentHeader | GateClosedHeader, intents: Mapping[str, float], closed: str = ""
) -> Watched:
    utterance = state.utterance
    if utterance is None or utterance.number != header.utterance:  # it was open before somebody watched
        utterance = Utterance(header.utterance, header.at_sample, 0, header.at_sample)
    told = {**utterance.intents, **intents}
    return replace(state, utterance=replace(utterance, intents=told, closed=closed))


def _noted(state: Watched, header: Header) -> Watched:
    return replace(state, events=(*state.events[1 - KEPT_EVENTS :], header), noted=state.noted + 1)
