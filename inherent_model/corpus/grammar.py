"""The phrase grammar: one YAML file a kind of sentence, expanded at random.

A file holds `heads` (which intents it fires), `addressed` (default true), `phrasings` and `fillers`. A phrasing is
text with `{slot}` fillers, `(a|b)` alternatives and `[optional words]` (also `[this|that]`); `{text: ..., also: [head]}` fires more heads.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from inherentd.inherent_model.errors import ModelError

_INNERMOST = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
PHRASES_FOLDER = Path(__file__).parent / "phrases"
"""the project's own phrasings, a folder a collection"""
REQUEST = "request"
"""the slot that takes a whole request of the same split: "she told me to {request}\""""
_SLOT = re.compile(r"\{(\w+)\}")
_SMALL_WORDS = re.compile(r"\b(?:please|(?:can|could|will|would) you|my|our|the|an?)\b")
# Where a filler brings its own article or preposition ("my the car", "for on friday"), the filler's stays.
_DOUBLED = re.compile(
    r"\b(?:(?:the|my|a|our) (?=(?:the|my|our|a|an|some|last|yesterday's) )|(?:for|on|in|at) (?=(?:on|in|at) ))"
)


@dataclass(frozen=True)
class Phrasing:
    """One way of putting a request (or of not making one); `key` names it in splits, whatever fills its slots."""

    key: str
    text: str
    heads: tuple[str, ...]
    addressed: bool
    fillers: dict[str, list[str]]

    @property
    def quotes_a_request(self) -> bool:
        """Return whether it has the slot `{request}`."""
        return f"{{{REQUEST}}}" in self.text

    def shapes(self) -> set[str]:
        """Return every way of putting it, whatever fills its slots, without articles and politeness:
        "(call|phone) my {person} please" -> {"call {}", "phone {}"}."""
        unfinished, finished = [_SLOT.sub("{}", self.text)], set[str]()
        while unfinished:
            text = unfinished.pop()
            match = _INNERMOST.search(text)
            if match is None:
                finished.add(" ".join(_SMALL_WORDS.sub("", text).split()))
                continue
            alternatives, optional = match.groups()
            choices = alternatives.split("|") if optional is None else ["", *optional.split("|")]
            unfinished += [text[: match.start()] + choice + text[match.end() :] for choice in choices]
        return finished

    def expand(self, rng: random.Random, requests: Sequence[str] = ()) -> str:
        """Return one sentence: alternatives chosen, optional words kept half of the time, slots filled, `{request}`
        with one of `requests`."""

        def choose(match: re.Match[str]) -> str:
            alternatives, optional = match.groups()
            if alternatives is not None:
                return rng.choice(alternatives.split("|"))
            if rng.random() >= 0.5:
                return ""
            return rng.choice(optional.split("|")) if "|" in optional else optional

        text = self.text
        while _INNERMOST.search(text):
            text = _INNERMOST.sub(choose, text)
        fillers = {**self.fillers, REQUEST: requests}
        text = _SLOT.sub(lambda match: rng.choice(fillers[match[1]]), text)
        return _DOUBLED.sub("", " ".join(text.split()))


def load_grammar(folder: Path) -> list[Phrasing]:
    """Return every phrasing of every `*.yaml` in `folder`, in file and line order.

    Raises ModelError when a file misses a key or a phrasing uses a slot that its file does not define.
    """
    phrasings: list[Phrasing] = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        fillers = {name: [str(value) for value in values] for name, values in (document.get("fillers") or {}).items()}
        for entry in document["phrasings"]:
            text, also = (entry["text"], entry.get("also", [])) if isinstance(entry, dict) else (str(entry), [])
            unknown = set(_SLOT.findall(text)) - set(fillers) - {REQUEST}
            if unknown:
                raise ModelError(f"{path}: {text!r} uses {sorted(unknown)}, which `fillers` does not define: add it")
            phrasings.append(
                Phrasing(
                    key=f"{path.stem}: {text}",
                    text=text,
                    heads=(*document["heads"], *also),
                    addressed=document.get("addressed", True),
                    fillers=fillers,
                )
            )
    if not phrasings:
        raise ModelError(f"{folder}: no *.yaml with phrasings found")
    return phrasings
