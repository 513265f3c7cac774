"""The words of the training texts, for the auxiliary losses that have the phrase layers tell which of them were said.

A dozen yes-or-no labels a clip say little to learn from; the words say much, and what is asked for follows almost linearly
from them (docs/experiments.md: a linear classifier on the transcripts).
"""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Callable, Collection, Iterable

WORD = re.compile(r"[\w']+")


def words(text: str) -> list[str]:
    """Return the words of a text one after another, in lower case."""
    return WORD.findall(text.lower())


def terms(text: str) -> set[str]:
    """Return the distinct words of a text and its pairs of neighbouring words, in lower case."""
    said = words(text)
    return {*said, *(f"{first} {second}" for first, second in itertools.pairwise(said))}


def vocabulary(texts: Iterable[str], size: int, parts: Callable[[str], Collection[str]] = terms) -> dict[str, int]:
    """Return the `size` terms, or other `parts` of a text, that the most clips hold, numbered from 0; equally frequent ones
    in alphabetical order."""
    counts = collections.Counter(part for text in texts for part in set(parts(text)))
    frequent = sorted(counts, key=lambda part: (-counts[part], part))[:size]
    return {part: index for index, part in enumerate(frequent)}
