"""What engines make of clips: the highest score of each head, when the gate opened, and at what cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.field import BLOCK_SAMPLES, RATE_HZ, Engine, clips
from benchmarks.field.rules import rules

from inherentd.inherent_model.heads import GATE, SHIPPED_HEADS
from inherentd.inherent_model.manifest import Utterance


@dataclass
class Heard:
    """What an engine made of the clips."""

    scores: np.ndarray
    """float [clips, heads]"""
    cpu_seconds: float = 0.0
    late_ms: dict[int, float] = field(default_factory=dict[int, float])
    """by clip: from the end of the phrase to the opening of the gate, computing included; negative before the end"""
    texts: dict[int, list[tuple[float, str]]] = field(default_factory=dict[int, list[tuple[float, str]]])
    """by clip: what was understood, with its delay"""


def hear(engines: dict[str, Engine], rows: Sequence[Utterance]) -> dict[str, Heard]:
    """Return what each engine made of the clips; they take turns clip by clip."""
    found = {name: Heard(np.zeros((len(rows), len(SHIPPED_HEADS)))) for name in engines}
    for index, row in enumerate(rows):
        samples, phrase_end = clips.in_a_room(row.path)
        for name, engine in engines.items():
            heard = found[name]
            engine.reset()
            for start in range(0, len(samples) + 1, BLOCK_SAMPLES):
                block = samples[start : start + BLOCK_SAMPLES]
                began = time.process_time()
                decisions = engine.feed(block) if len(block) else []
                if start + BLOCK_SAMPLES > len(samples):
                    decisions += engine.finish()
                spent = time.process_time() - began
                heard.cpu_seconds += spent
                for decision in decisions:
                    late_ms = ((decision.at_sample - phrase_end) / RATE_HZ + spent) * 1000
                    if decision.name == GATE:
                        heard.late_ms.setdefault(index, late_ms)
                    elif decision.name == "utterance":
                        heard.texts.setdefault(index, []).append((late_ms, decision.text))
            heard.scores[index] = [engine.peaks.get(head, 0.0) for head in SHIPPED_HEADS]
        print(f"\r{index + 1} of {len(rows)} clips ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def by_rules(heard: Heard) -> Heard:
    """Return what the rules make of the same words: hearing them again would cost the same, and judging costs nothing beside it."""
    found = Heard(np.zeros_like(heard.scores), heard.cpu_seconds, texts=heard.texts)
    for index, texts in heard.texts.items():
        scores = ruled([text for _, text in texts])
        found.scores[index] = scores.max(axis=0)
        if scores[:, 0].any():
            found.late_ms[index] = texts[int(scores[:, 0].argmax())][0]
    return found


def read(judge: Callable[[Sequence[str]], np.ndarray], rows: Sequence[Utterance]) -> Heard:
    """Return what a judge makes of the written words."""
    began = time.process_time()
    scores = np.concatenate([judge([row.text]) for row in rows])
    return Heard(scores, time.process_time() - began)


def ruled(texts: Sequence[str]) -> np.ndarray:
    """Return what the rules make of texts, float [texts, heads]."""
    return np.array([[rules(text)[head] for head in SHIPPED_HEADS] for text in texts])
