"""A state -> the lines of a screen: text with styles, for any width and height. No terminal in here.

What matters never stands in colour alone: words (OPEN, told, over) and marks say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from inherentd.daemon.watch import words
from inherentd.daemon.watch.state import Utterance, Watched
from inherentd.pipeline.artifact import threshold_key
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ

Line = list[tuple[str, str]]
"""pieces of text, each with a style of rich"""

QUIETEST_DBFS = -80.0
SCORE_COLUMNS = len(" 0.00 ") + len(" 0.00 OPEN")
STATE_STYLES = {"listening": "bold green", "muted": "bold yellow", "silent": "bold yellow", "stalled": "bold red"}


@dataclass(frozen=True)
class Symbols:
    """What bars are made of."""

    full: str = "█"
    empty: str = "·"
    opens: str = "┃"
    closes: str = "┆"
    rule: str = "─"


ASCII = Symbols(full="#", empty=".", opens="|", closes=":", rule="-")
"""for a terminal that is not UTF-8"""


def lines(state: Watched, width: int, height: int, *, keys: str = "", symbols: Symbols = Symbols()) -> list[Line]:
    """Return at most `height` lines, none longer than `width`; when it is too low, the least likely heads go first.

    keys: what can be pressed, for the last line.
    """
    head, foot = _head(state, width, symbols), [_utterance(state)]
    room = height - len(head) - len(foot) - bool(keys)
    shown = _most_likely(state, max(0, room - 2))  # two lines for the rule and the last event
    screen = [*head, *(_score(state, name, width, symbols) for name in shown), *foot]
    events = height - len(screen) - 1 - bool(keys)
    if events > 0:
        screen.append([(f" last events {symbols.rule * width}", "dim")])
        screen += [[(words.event(header), "")] for header in state.events[-events:]]
    if keys:
        screen += [[] for _ in range(height - len(screen) - 1)]
        screen.append([(keys, "dim")])
    return [_cut(line, width) for line in screen[:height]]


def _head(state: Watched, width: int, symbols: Symbols) -> list[Line]:
    health = state.health
    microphone = health.microphone if health is not None else ""
    model = f"model {state.model} by {health.processor}" if health is not None and state.model else ""
    title = "  ".join(part for part in (state.source, state.device, microphone, model) if part)
    said = words.condition(state)
    used = words.cost(health, state.lost) if health is not None else ""
    screen: list[Line] = [
        [("inherentd watch  ", "bold"), (title, "")],
        [(f"{said.upper()}  ", STATE_STYLES.get(said.partition(",")[0], "bold")), (used, "")],
    ]
    screen += [[("! ", "bold yellow"), (text, "yellow")] for text in words.notes(state)]
    if not state.heads:
        return screen
    screen.append(_level(state, width, symbols))
    screen.append(_score(state, state.heads[0], width, symbols))
    if state.opens is not None and state.closes is not None:
        told = f"opens {symbols.opens} {state.opens:.2f}, closes {symbols.closes} {state.closes:.2f}"
        screen.append([(f"{'':<{_name_columns(state)}} {told}; each head's threshold {symbols.opens}", "dim")])
    return screen


def _level(state: Watched, width: int, symbols: Symbols) -> Line:
    level, columns = state.level_dbfs, _bar_columns(state, width)
    name = f"{'level':<{_name_columns(state)}}"
    if level is None:
        return [(name, ""), ("    ? ", "dim")]
    bar = _bar(1 - level / QUIETEST_DBFS, {}, columns, symbols)
    return [(f"{name} {level:4.0f} ", ""), (bar, "cyan"), (" dBFS", "")]


def _score(state: Watched, head: str, width: int, symbols: Symbols) -> Line:
    """The gate's scale is 0 to 1. An intent's threshold stands in the middle of its bar, whatever it is: some are 0.02."""
    is_gate = head == state.heads[0]
    score = state.scores.get(head)
    threshold = state.opens if is_gate else state.thresholds.get(threshold_key(head))
    marks: dict[float, str] = {}
    if is_gate:
        marks = {} if state.closes is None else {state.closes: symbols.closes}
        marks |= {} if threshold is None else {threshold: symbols.opens}
        at = score or 0.0
    else:
        marks = {} if threshold is None else {0.5: symbols.opens}
        at = _around(score or 0.0, threshold)
    over = score is not None and threshold is not None and score >= threshold
    word, style = _judged(state, head, over=over)
    name = f"{_short(head, _name_columns(state)):<{_name_columns(state)}}"
    number = "   -" if score is None else f"{score:4.2f}"
    limit = "   ?" if threshold is None else f"{threshold:4.2f}"
    bar = _bar(at, marks, _bar_columns(state, width), symbols)
    return [(f"{name} {number} ", style), (bar, style or "cyan"), (f" {limit} ", "dim"), (word, style)]


def _judged(state: Watched, head: str, *, over: bool) -> tuple[str, str]:
    """Return what is said of a head, and its style."""
    if head == state.heads[0]:
        return ("OPEN", "bold green") if state.is_open else ("shut", "")
    if state.utterance is not None and state.is_open and head in state.utterance.intents:
        return "told", "bold green"
    return ("over", "yellow") if over else ("", "")


def _utterance(state: Watched) -> Line:
    utterance = state.utterance
    if utterance is None:
        return [("no utterance yet", "dim")]
    seconds = (utterance.until - utterance.opened_at) / SAMPLE_RATE_HZ
    told = ", ".join(f"{head} {score:.2f}" for head, score in utterance.intents.items()) or "no intent"
    if utterance.closed:
        return [(f"utterance {utterance.number} closed ({utterance.closed}) after {seconds:.1f} s: {told}", "dim")]
    return [(f"utterance {utterance.number} OPEN {seconds:.1f} s{_before(utterance)}: {told}", "bold green")]


def _before(utterance: Utterance) -> str:
    seconds = utterance.preroll_samples / SAMPLE_RATE_HZ
    return f" (audio from {seconds:.1f} s before)" if seconds else ""


def _most_likely(state: Watched, count: int) -> list[str]:
    """Return the intents that there is room for, in their order."""
    intents = state.heads[1:]

    def likelihood(head: str) -> float:
        return _around(state.scores.get(head, 0.0), state.thresholds.get(threshold_key(head)))

    best = set(sorted(intents, key=likelihood, reverse=True)[:count])
    return [head for head in intents if head in best]


def _around(score: float, threshold: float | None) -> float:
    """Return where a score lies when 0 is left, the threshold in the middle, and 1 right."""
    if threshold is None or not 0 < threshold < 1:
        return score
    return 0.5 * score / threshold if score < threshold else 0.5 + 0.5 * (score - threshold) / (1 - threshold)


def _bar(share: float, marks: dict[float, str], columns: int, symbols: Symbols) -> str:
    filled = round(min(1.0, max(0.0, share)) * columns)
    cells = [symbols.full] * filled + [symbols.empty] * (columns - filled)
    for at, mark in marks.items():
        if cells:
            cells[min(columns - 1, round(at * columns))] = mark
    return "".join(cells)


def _name_columns(state: Watched) -> int:
    return min(24, max(map(len, state.heads)))


def _bar_columns(state: Watched, width: int) -> int:
    return max(0, width - _name_columns(state) - SCORE_COLUMNS)


def _short(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _cut(line: Line, width: int) -> Line:
    cut: Line = []
    for text, style in line:
        if width > 0 and text:
            cut.append((text[:width], style))
        width -= len(text)
    return cut
