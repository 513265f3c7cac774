"""Labelled clips from manifests: one `Utterance` a line, with its split decided before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from inherentd.inherent_model.corpus import voices
from inherentd.inherent_model.corpus.grammar import PHRASES_FOLDER, load_grammar
from inherentd.inherent_model.corpus.sentences import AMBIGUOUS_INTENTS, INTENT_HEADS, also_trained, without_openings
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.transcripts import read_transcripts

SPLITS = ("train", "validation", "test")
REAL = "real"
"""the engine of a voice that no synthesizer made"""


@dataclass(frozen=True)
class Utterance:
    """One clip. `text` is empty where nobody wrote down what is said."""

    path: str
    text: str
    heads: tuple[str, ...]
    addressed: bool
    source: str
    """grammar file or corpus: where the sentence comes from"""
    speaker: str
    """engine and voice, e.g. "kokoro:af_sky*0.60+bf_emma*0.40"; "real:anna" where a person spoke, "real" unnamed"""
    split: str
    heard_text: str = ""
    """what a recognizer heard in a clip without `text`: good enough for phonemes and words, never for figures"""

    @property
    def said(self) -> str:
        """Return what training takes for the words: `text`, or else what a recognizer heard."""
        return self.text or self.heard_text


def read_manifests(paths: Iterable[Path]) -> list[Utterance]:
    """Return the utterances of all manifests; those that would leak from evaluation into training are left out.

    A manifest is JSON lines with at least `path` and `addressed`. Lines with a `split` (from `inherent corpus`) keep
    it. Others get one: a pure held-out voice decides it, a blend with a held-out voice is dropped, and what no known
    voice speaks is training. A training line whose text stands in validation or test, be it after "um" or "please", is
    dropped, unless a named person said it: people who record read the same prompts, and all of training would go. A line of validation or test of which
    the project's grammar has the phrasing in training, too, is left out: no figure is made of it.
    """
    rows = [row for path in paths for row in _read(path)]
    held_out = {without_openings(row.text) for row in rows if row.text and row.split != "train"}
    return [
        row for row in rows
        if row.split != "train" or row.speaker.startswith(f"{REAL}:") or without_openings(row.text) not in held_out
    ]  # fmt: skip


def is_real(row: Utterance) -> bool:
    """Return whether a person spoke, not a synthesizer."""
    return row.speaker.split(":")[0] == REAL


def measured(rows: Iterable[Utterance], split: str) -> list[Utterance]:
    """Return the clips of a split that figures are made of: those whose words are known, or all where none's are.

    Recordings that nobody labelled differ from the rest by their sound: telling them apart is too easy to count with
    the others. False accepts per hour (`inherent eval-events`) are what they are for.
    """
    members = [row for row in rows if row.split == split]
    return [row for row in members if row.text] or members


def _read(manifest: Path) -> Iterable[Utterance]:
    if not manifest.is_file():
        raise ModelError(
            f"{manifest}: no such manifest; build it with `inherent corpus build`, or take it off the recipe"
        )
    transcripts = read_transcripts(manifest)
    for number, line in enumerate(manifest.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            path, addressed = str(manifest.parent / row["path"]), bool(row["addressed"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{manifest}:{number}: {error!r}; expected a JSON object with path and addressed"
            ) from error
        intent = row.get("intent", "")
        if intent in AMBIGUOUS_INTENTS:
            continue
        heads = tuple(row.get("heads", ())) or ((INTENT_HEADS[intent],) if intent in INTENT_HEADS else ())
        voice = row.get("voice", "")
        name, engine = (voice["name"], voice["engine"]) if isinstance(voice, dict) else (voice, "kokoro")
        # Only a synthesizer's voice can be one that is held out or reserved; a person may well be called Joe.
        held_out = "train" if engine == REAL else _split(name)
        split = row.get("split") or held_out
        if split not in (*SPLITS, None):
            raise ModelError(f"{manifest}:{number}: split {split!r}; expected one of {', '.join(SPLITS)}")
        if split == "train" and held_out != "train":
            raise ModelError(f"{manifest}:{number}: {name!r} is a voice of the evaluation; it must not be in training")
        if split != "train" and (key := row.get("key")) and str(key) in _also_trained():
            continue
        if split is not None:
            if engine != REAL:
                voices.refuse_reserved(name)
            yield Utterance(
                path=path,
                text=row.get("text", ""),
                heads=heads,
                addressed=addressed,
                source=row.get("source", manifest.parent.name),
                speaker=f"{engine}:{name}" if name else REAL,
                split=split,
                heard_text="" if row.get("text") else transcripts.get(row["path"], ""),
            )


@cache
def _also_trained() -> frozenset[str]:
    return also_trained([phrasing for folder in PHRASES_FOLDER.glob("*/") for phrasing in load_grammar(folder)])


def _split(voice: str) -> str | None:
    """Return the split of a line that names none, or None when it must be left out."""
    if not voice:
        return "train"  # who speaks is unknown, so nothing can be held out
    parts = voices.components(voice)
    for split, names in (("test", voices.KOKORO_TEST), ("validation", voices.KOKORO_VALIDATION)):
        if set(parts) <= set(names):
            return split
    return None if set(parts) & {*voices.KOKORO_TEST, *voices.KOKORO_VALIDATION} else "train"
