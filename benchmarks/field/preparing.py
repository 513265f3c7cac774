"""What engines need and no package brings: the upstream network, which nobody may take along, and a trained text classifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.field import ENGINES
from benchmarks.field.texts import RECIPES, texts_of

from inherentd.inherent_model.heads import SHIPPED_HEADS, threshold_key

WINDOW_FRAMES = 50


def prepare(folder: Path, names: Sequence[str], sources: Sequence[Path] = RECIPES) -> list[str]:
    """Make what these engines need in a folder, and return what is to be told of it. sources: see `texts.texts_of`."""
    wanted = {ENGINES[name].prepares for name in names}
    if "conformer" in wanted:
        conformer(folder / "conformer.onnx")
    return classifier(folder, sources) if "classifier" in wanted else []


def conformer(path: Path) -> None:
    """Write the upstream network with random weights, for windows of a second, with metadata as upstream writes them. Its gate
    never opens."""
    from benchmarks.conformer import export

    export(path, WINDOW_FRAMES)
    metadata = {
        "version": "0.0.0", "training_hash": "random weights", "input_tensor": "mel_spectrogram", "output_tensor": "intent_output",
        "head_order": SHIPPED_HEADS, "default_thresholds": {threshold_key(head): 1.0 for head in SHIPPED_HEADS},
    }  # fmt: skip
    path.with_suffix(".metadata.json").write_text(json.dumps(metadata))


def classifier(folder: Path, sources: Sequence[Path]) -> list[str]:
    """Train the text classifier, unless it is there."""
    from benchmarks.field import classifier as texts

    found, notes = texts_of(sources)
    trained = texts.train(found)
    texts.save(trained, folder)
    names = ", ".join(path.parent.name if path.suffix == ".jsonl" else path.name for path in sources)
    told = (
        "The text classifier (scikit-learn: TF-IDF of words and pieces of words, logistic regression, C "
        f"{trained.strength:g} by the validation sentences) knows {trained.sentences} training sentences, those of {names}."
    )
    return [told, *notes]
