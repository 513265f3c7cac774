"""Headers -> words: one line an event, with its time of day. For the screen, and where there is no screen."""

from __future__ import annotations

from datetime import datetime

from inherentd.client.messages import GateClosedHeader, GateOpenedHeader, Header, HealthHeader, IntentHeader
from inherentd.daemon.watch.state import Watched
from inherentd.pipeline.artifact import threshold_key

SCORES_OFF = "scores are off; for them run the daemon with --set publish.scores_per_second=10"


def event(header: Header) -> str:
    """Return the line of one event."""
    clock = datetime.fromtimestamp(header.time_ns / 1e9).astimezone().strftime("%H:%M:%S.%f")[:-4]
    match header:
        case GateOpenedHeader():
            text = f"opened   utterance {header.utterance}, score {header.score:.2f}"
        case IntentHeader():
            text = f"intent   utterance {header.utterance}, {header.head} {header.score:.2f}"
        case GateClosedHeader():
            asked = ", ".join(header.intents) or "no intent"
            text = f"closed   utterance {header.utterance}, {header.duration_ms / 1000:.1f} s, {header.reason}: {asked}"
        case HealthHeader():
            text = f"health   {header.state}{f' ({header.reason})' if header.reason else ''}"
        case _:
            text = type(header).__name__
    return f"{clock}  {text}"


def cost(health: HealthHeader, lost: int) -> str:
    """Return what a daemon uses and what it missed: overflows and samples; `lost`: messages, on their way to here."""
    hours, seconds = divmod(round(health.uptime), 3600)
    uptime = f"{hours}:{seconds // 60:02}:{seconds % 60:02}"
    missed = f"overflows {health.overflows}  dropped {health.dropped}  lost {lost}"
    return f"cpu {health.cpu:.1%}  {health.rss / 1e6:.0f} MB  up {uptime}  {missed}"


def notes(state: Watched) -> list[str]:
    """Return what somebody who watches must know to understand what is shown, the most important first."""
    if state.health is None:
        return [state.waiting]
    told = [state.health.reason] if state.health.reason else list[str]()
    if state.ended or state.health.state == "starting":  # nothing is heard yet, and no requests are answered
        return told
    if state.silent_seconds:
        return [f"nothing came for {state.silent_seconds:.0f} s: the daemon is gone, or cannot be reached"]
    if state.problem:
        known = "may have changed" if state.thresholds else "are not known"
        told.append(f"thresholds {known}: {state.problem}")
    if state.scores_per_second == 0:
        told.append(SCORES_OFF)
    elif not state.scores and not state.asleep:
        told.append("no scores come: it is quiet, or publish.scores_per_second is 0")
    told += [f"context: {text}" for text in state.context]
    return told


def condition(state: Watched) -> str:
    """Return in a word or two how the daemon is."""
    if state.health is None:
        return "waiting"
    if state.silent_seconds and not state.ended:
        return "not heard"
    asleep = state.asleep and state.health.state == "listening"  # quiet: the model rests until something is heard
    return "listening, asleep" if asleep else state.health.state


def now(state: Watched) -> str:
    """Return one line of how it is, for where there is no screen."""
    health = state.health
    parts = [condition(state)]
    if state.level_dbfs is not None:
        parts.append(f"level {state.level_dbfs:.0f} dBFS")
    if state.scores:
        gate, *heads = state.heads
        parts.append(f"{gate} {state.scores[gate]:.2f}{_against(state, gate)}")
        if heads:
            best = max(heads, key=lambda head: state.scores[head])
            parts.append(f"highest {best} {state.scores[best]:.2f}{_against(state, best)}")
    if state.utterance is not None and state.is_open:
        parts.append(f"utterance {state.utterance.number} is open")
    if health is not None:
        parts.append(cost(health, state.lost))
    return ", ".join(parts)


def _against(state: Watched, head: str) -> str:
    threshold = state.thresholds.get(threshold_key(head))
    return "" if threshold is None else f" of {threshold:.2f}"
