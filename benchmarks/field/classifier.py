"""A fair text classifier: words and pieces of words, logistic regression, one for the gate and one for each kind of request."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.field.texts import Text
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union

from inherentd.inherent_model.heads import SHIPPED_HEADS, targets

FILE_NAME = "classifier.pickle"
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""C, of which the one with the best gate on the validation sentences is taken"""
_NUMBER = (
    r"\b(?:\d[\d:.,]*|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)\b"
)


class Classifier:
    """What is said -> the probability of each head."""

    def __init__(self, model: Any, strength: float, sentences: int) -> None:
        self._model, self.strength, self.sentences = model, strength, sentences

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities, float [texts, heads]; an intent's is that of the gate as well."""
        found = np.asarray(self._model.predict_proba([plain(text) for text in texts]))
        found[:, 1:] *= found[:, :1]
        return found

    def __call__(self, text: str) -> Mapping[str, float]:
        """Return the probability of each head."""
        return dict(zip(SHIPPED_HEADS, map(float, self.scores([text])[0]), strict=True))


def plain(text: str) -> str:
    """Return the words in lower case, without punctuation, every number the same: Whisper writes digits."""
    words = re.sub(_NUMBER, "number", text.lower())
    return " ".join(re.findall(r"[\w']+", re.sub(r"\bnumber(?:[ -]number)+\b", "number", words)))


def train(texts: Sequence[Text]) -> Classifier:
    """Return a classifier trained on the sentences of the split train, its strength chosen on those of validation."""
    split = {name: [text for text in texts if text.split == name] for name in ("train", "validation")}
    labels = {name: _labels(rows) for name, rows in split.items()}
    words = {name: [plain(row.text) for row in rows] for name, rows in split.items()}
    features = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=str.split, token_pattern=""),
                          TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True))  # fmt: skip
    train_features = features.fit_transform(words["train"])
    validation = features.transform(words["validation"])

    def quality(strength: float) -> float:
        gate = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, solver="liblinear")
        gate.fit(train_features, labels["train"][:, 0])
        return float(roc_auc_score(labels["validation"][:, 0], gate.predict_proba(validation)[:, 1]))

    strength = max(STRENGTHS, key=quality)
    heads = OneVsRestClassifier(
        LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, solver="liblinear")
    )
    heads.fit(train_features, labels["train"])
    return Classifier(make_pipeline(features, heads), strength, len(split["train"]))


def save(classifier: Classifier, folder: Path) -> None:
    """Write it into the folder that engines are opened with."""
    (folder / FILE_NAME).write_bytes(pickle.dumps(classifier))


def load(folder: Path) -> Classifier:
    """Return what `save` wrote, by this program into a folder of its own."""
    return pickle.loads((folder / FILE_NAME).read_bytes())  # noqa: S301


def _labels(rows: Sequence[Text]) -> np.ndarray:
    return np.array([targets(SHIPPED_HEADS, row.heads, addressed=row.addressed) for row in rows], int)
