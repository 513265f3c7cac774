"""Sentences with labels and splits: from the project's grammar and, where the recipe names them, from text corpora.

A split is decided by a hash of the phrasing (grammar) or of the sentence (corpora), never by the random seed: a
phrasing of the test split is in no other split, whatever fills its slots and however often the corpus is rebuilt.
"""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.inherent_model.corpus.grammar import Phrasing
from inherentd.inherent_model.errors import ModelError

# CLINC150 and SLURP intents that mean one of our heads. Every other intent of theirs is addressed and none of the 12.
INTENT_HEADS = {
    "timer": "hasStartTimerIntent", "alarm": "hasStartTimerIntent", "alarm_set": "hasStartTimerIntent",
    "todo_list_update": "hasAddToListIntent", "shopping_list_update": "hasAddToListIntent",
    "lists_createoradd": "hasAddToListIntent",
    "calendar": "hasCalendarEvent", "calendar_update": "hasCalendarEvent", "schedule_meeting": "hasCalendarEvent",
    "meeting_schedule": "hasCalendarEvent", "calendar_set": "hasCalendarEvent", "calendar_query": "hasCalendarEvent",
    "calendar_remove": "hasCalendarEvent",
    "make_call": "hasCallingAgentIntent",
    "definition": "hasTermSearchQuery", "qa_definition": "hasTermSearchQuery", "qa_factoid": "hasTermSearchQuery",
}  # fmt: skip

# Intents that lie on the border of a head (is a reminder a calendar entry? booking a table, a web task?): their
# sentences are left out, because either label would teach something wrong.
AMBIGUOUS_INTENTS = frozenset(
    {
        "reminder", "reminder_update", "restaurant_reservation", "book_hotel", "book_flight", "car_rental", "uber",
        "order", "takeaway_order", "transport_ticket", "transport_taxi", "cancel_reservation", "report_lost_card",
        "general_quirky", "greeting", "goodbye", "thank_you", "yes", "no", "maybe", "oos", "fun_fact", "meaning_of_life",
        "travel_suggestion", "restaurant_suggestion", "meal_suggestion", "qa_stock", "qa_currency", "qa_maths",
        "lists_query", "lists_remove", "todo_list", "shopping_list", "alarm_query", "alarm_remove", "recommendation_events",
        "recommendation_locations", "recommendation_movies", "improve_credit_score", "user_name", "set", "query", "remove",
        "createoradd", "quirky", "general_greet", "greet", "factoid", "music_likeness", "music_dislikeness", "social_post",
        "date", "next_holiday", "nutrition_info", "calories", "how_busy", "post", "likeness", "email_querycontact",
    }
)  # fmt: skip

_IMPERATIVE = re.compile(
    r"^(add|put|set|start|find|show|pull|look|search|call|phone|ring|dial|draft|write|create|make|schedule|move|cancel|book|"
    r"order|research|tell|remind|give|check|compare|play|turn|stop|pause|open|close|lock|dim|get|explain|define|help|"
    r"jot|note|stick|throw|cut|bring|dig|go|wake|count|fill|read|send|navigate|skip|switch|summarize|list)\b"
)
QUOTING = 5
"""a phrasing that quotes requests gives so many times more sentences: its slot holds thousands"""
_REQUEST_OPENINGS = (
    "please ",
    "can you ",
    "could you ",
    "would you ",
    "i want you to ",
    "can you please ",
    "go ahead and ",
)
_ANY_OPENINGS = ("hey ", "okay ", "um ", "uh ", "so ", "right ", "alright ", "oh ", "well ")


@dataclass(frozen=True)
class Sentence:
    """One labelled sentence. `key` names what decided its split; `source` the grammar file or text corpus."""

    text: str
    heads: tuple[str, ...]
    addressed: bool
    source: str
    key: str
    split: str


def split_of(key: str) -> str:
    """Return "test" (12%), "validation" (8%) or "train" for a phrasing or sentence, by its SHA-256."""
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
    return "test" if bucket < 12 else "validation" if bucket < 20 else "train"


def spoken(text: str, *, addressed: bool, rng: random.Random) -> str:
    """Return the sentence with an opening or closing that speakers add now and then.

    Requests get "please", "could you" and the like; every kind gets "um", "so", "hey", so that those betray nothing.
    """
    draw = rng.random()
    if addressed and _IMPERATIVE.match(text):
        if draw < 0.22:
            text = rng.choice(_REQUEST_OPENINGS) + text
        elif draw < 0.27:
            text = text + " please"
    if rng.random() < 0.1:
        text = rng.choice(_ANY_OPENINGS) + text
    return text


def without_openings(text: str) -> str:
    """Return the sentence without the openings and the closing that `spoken` may have added: the words that count."""
    text = text.removesuffix(" please")
    while opening := next(
        (opening for opening in (*_ANY_OPENINGS, *_REQUEST_OPENINGS) if text.startswith(opening)), ""
    ):
        text = text.removeprefix(opening)
    return text


def from_grammar(phrasings: list[Phrasing], per_phrasing: dict[str, int], rng: random.Random) -> Iterator[Sentence]:
    """Yield up to `per_phrasing[split]` distinct sentences of each phrasing; those that quote a request, after them."""
    requests: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for phrasing in sorted(phrasings, key=lambda phrasing: phrasing.quotes_a_request):
        split = split_of(phrasing.key)
        seen: set[str] = set()
        for _ in range(per_phrasing[split] * (QUOTING if phrasing.quotes_a_request else 1)):
            text = phrasing.expand(rng, requests[split])
            if phrasing.addressed and _IMPERATIVE.match(text):
                requests[split].append(text)
            if text in seen:
                continue
            seen.add(text)
            yield Sentence(
                text=spoken(text, addressed=phrasing.addressed, rng=rng),
                heads=phrasing.heads,
                addressed=phrasing.addressed,
                source=phrasing.key.split(":")[0],
                key=phrasing.key,
                split=split,
            )


def also_trained(phrasings: Sequence[Phrasing]) -> frozenset[str]:
    """Return the keys of the held-out phrasings that a phrasing of the train split puts in the same words, up to their
    slots: another file has it, too, and the hash of that one fell otherwise."""
    trained = {shape for phrasing in phrasings if split_of(phrasing.key) == "train" for shape in phrasing.shapes()}
    return frozenset(
        phrasing.key for phrasing in phrasings
        if split_of(phrasing.key) != "train" and not trained.isdisjoint(phrasing.shapes())
    )  # fmt: skip


def from_intent_corpus(path: Path) -> Iterator[Sentence]:
    """Yield the requests of a `text, intent, ...` TSV (CLINC150, SLURP), mapped to our heads; ambiguous ones left out."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not reader.fieldnames or not {"text", "intent"}.issubset(reader.fieldnames):
            raise ModelError(f"{path}: columns {reader.fieldnames}, expected a TSV with at least text and intent")
        for row in reader:
            text, intent = row["text"].strip(), row["intent"]
            if intent in AMBIGUOUS_INTENTS or not 2 <= len(text.split()) <= 18:
                continue
            heads = (INTENT_HEADS[intent],) if intent in INTENT_HEADS else ()
            yield Sentence(text, heads, addressed=True, source=path.stem, key=text, split=split_of(text))


def from_talk_corpus(path: Path) -> Iterator[Sentence]:
    """Yield the lines of a file of people talking to each other, 3 to 22 words each, none of them addressed."""
    for line in path.read_text().splitlines():
        text = " ".join(line.split())
        if 3 <= len(text.split()) <= 22:
            yield Sentence(text, (), addressed=False, source=path.stem, key=text, split=split_of(text))
