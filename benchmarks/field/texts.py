"""The sentences that training has, for a text classifier that is to know no less."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inherentd.inherent_model.corpus.build import load_recipe, plan
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import read_manifests

RECIPES = tuple(Path("configs/corpus") / f"{name}.yaml" for name in ("first", "near", "life", "talk", "voices"))
"""of the shipped model"""


@dataclass(frozen=True)
class Text:
    """A labelled sentence."""

    text: str
    heads: tuple[str, ...]
    addressed: bool
    split: str


def texts_of(sources: Sequence[Path]) -> tuple[list[Text], list[str]]:
    """Return the distinct sentences of manifests (.jsonl: their lines) and of corpus recipes (.yaml: those of the clips that
    they plan), and what is told of sources that gave none. A sentence of another split is in no training."""
    manifests = [path for path in sources if path.suffix == ".jsonl"]
    rows = [Text(row.text, row.heads, row.addressed, row.split) for row in read_manifests(manifests) if row.text]
    notes = []
    for path in sources:
        if path.suffix == ".jsonl":
            continue
        try:
            with contextlib.redirect_stderr(
                io.StringIO()
            ):  # which text corpora are not here is said by what is missing
                planned = plan(load_recipe(path))
        except ModelError as error:
            notes.append(f"No sentences of {path}: {error}.")
            continue
        rows += [Text(c.sentence.text, c.sentence.heads, c.sentence.addressed, c.sentence.split) for c in planned]
    held_out = {row.text for row in rows if row.split != "train"}
    return list(dict.fromkeys(row for row in rows if row.split != "train" or row.text not in held_out)), notes
