"""What a recognizer heard teaches phonemes and words; figures and the groups of batches go by what people wrote down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from inherentd.inherent_model.dataset import examples
from inherentd.inherent_model.features import Features
from inherentd.inherent_model.manifest import measured, read_manifests


def test_heard_text_stands_in_for_text_in_phonemes_and_words_only(tmp_path: Path) -> None:
    rows = [
        {"path": "a.wav", "text": "", "addressed": 0, "split": "validation"},
        {"path": "b.wav", "text": "good night", "addressed": 0, "split": "validation"},
        {"path": "c.wav", "text": "", "addressed": 0, "split": "validation"},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    heard = [{"path": "a.wav", "text": "good morning"}, {"path": "b.wav", "text": "no"}, {"path": "c.wav", "text": ""}]
    (tmp_path / "transcripts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in heard))
    found = read_manifests([tmp_path / "manifest.jsonl"])
    assert [(row.text, row.heard_text) for row in found] == [("", "good morning"), ("good night", ""), ("", "")]
    assert measured(found, "validation") == [found[1]]
    features = Features([np.zeros((9, 4), np.float16)], [(0, 0, 3, 0, 3), (0, 3, 6, 0, 3), (0, 6, 9, 0, 3)])
    made = examples(found, features, ("isInteresting",), {"m": 1, "n": 2}, {"good morning": "mn", "good night": "n"},
                    vocabulary={"good": 0, "night": 1}, word_numbers={"morning": 1, "good": 2})  # fmt: skip
    assert [(one.phonemes, one.words, one.sequence, one.written) for one in made] == [
        ((1, 2), (0,), (2, 1), False), ((2,), (0, 1), (2, 3), True), ((), None, (), False)
    ]  # fmt: skip
