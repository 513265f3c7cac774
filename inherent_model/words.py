"""The words of the training texts, for the auxiliary loss that has the phrase layers tell which of them were said.

A dozen yes-or-no labels a clip say little to learn from; the words say much, and what is asked for follows almost linearly
from them (docs/experiments.md: a linear classifier on the transcripts).
"""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Iterable

WORD = re.compile(r"[\w']+")


def terms(text: str) -> set[str]:
    """Return the distinct words of a text and its pairs of neighbouring words, in lower case."""
    words = WORD.findall(text.lower())
    return {*words, *(f"{first} {second}" for first, second in itertools.pairwise(words))}


def vocabulary(texts: Iterable[str], size: int) -> dict[str, int]:
    """Return the `size` terms that the most clips hold, numbered from 0; equally frequent ones in alphabetical order."""
    counts = collections.Counter(term for text in texts for term in terms(text))
    frequent = sorted(counts, key=lambda term: (-counts[term], term))[:size]
    return {term: index for index, term in enumerate(frequent)}
