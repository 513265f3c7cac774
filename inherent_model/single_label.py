"""One class a clip, told by heads of which each answers for itself: the task of public keyword sets.

The gate stays the first head (0 in silence) and every class is a head, so that a model of such a task exports and runs as
any other. "closed": every clip is of one of the heads after the gate. "open": it may also be another word (the gate only)
or none at all, the "unknown" and "silence" of Warden 2018 (arXiv:1804.03209).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from inherentd.inherent_model.bootstrap import cluster_weights, interval
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.evaluation import speaker_of
from inherentd.inherent_model.manifest import Utterance

if TYPE_CHECKING:
    from inherentd.inherent_model.architecture import InherentModel

SingleLabel = Literal["closed", "open"]
SILENCE, UNKNOWN = "silence", "unknown"


def class_names(heads: Sequence[str], kind: SingleLabel) -> tuple[str, ...]:
    """Return the classes in the order of `class_scores`; ValueError where a head has the name of a class that "open"
    adds."""
    taken = sorted({SILENCE, UNKNOWN} & set(heads[1:])) if kind == "open" else []
    if taken:
        raise ValueError(
            f"heads: got {', '.join(taken)}, which single_label open adds itself; leave such heads out or rename them"
        )
    return (SILENCE, UNKNOWN, *heads[1:]) if kind == "open" else tuple(heads[1:])


def class_scores(peaks: np.ndarray, kind: SingleLabel) -> np.ndarray:
    """Return a score per class, [clips, classes], from peak scores in [0, 1] [clips, heads]; the highest is the answer.

    Open: silence scores what the gate lacks to 1, and an unknown word 0.5: it is the answer where a gate is open and no
    head is more likely than not.
    """
    if kind == "closed":
        return peaks[:, 1:]
    return np.concatenate([1 - peaks[:, :1], np.full_like(peaks[:, :1], 0.5), peaks[:, 1:]], axis=1)


def accuracy(heads: Sequence[str], rows: Sequence[Utterance], peaks: np.ndarray, kind: SingleLabel) -> dict[str, Any]:
    """Return how many clips are told rightly ("top-1 accuracy"), with a 95% interval by drawing speakers anew, the share
    of each class, and the ten commonest confusions; JSON-ready. peaks: [clips, heads] in the order of `rows`.

    Closed: clips of no class (silence for the gate) are left out. ModelError where no clip has a class, where one has two,
    or where the heads cannot be told from the classes that "open" adds.
    """
    try:
        names = class_names(heads, kind)
    except ValueError as error:
        raise ModelError(str(error)) from error
    check_one_class(heads, rows)
    labels = np.array([_label(names, row, kind) for row in rows])
    chosen = np.flatnonzero(labels >= 0)
    if not len(chosen):
        raise ModelError(f"single_label {kind}: none of {len(rows)} clips is of a class; expected some of {names}")
    labels, answers = labels[chosen], class_scores(peaks[chosen], kind).argmax(axis=1)
    right = labels == answers
    speakers, members = np.unique([speaker_of(rows[index]) for index in chosen.tolist()], return_inverse=True)
    weights = cluster_weights(len(speakers))
    drawn = (weights @ np.bincount(members, right)) / (weights @ np.bincount(members))
    wrong, counts = np.unique(np.stack([labels[~right], answers[~right]]), axis=1, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:10]
    return {
        "clips": len(chosen),
        "speakers": len(speakers),
        "accuracy": round(float(right.mean()), 4),
        "interval": interval(drawn, len(speakers)),
        "recall": {
            name: round(float(right[labels == index].mean()), 4)
            for index, name in enumerate(names)
            if (labels == index).any()
        },
        "confusions": [
            {"class": names[wrong[0, index]], "told": names[wrong[1, index]], "clips": int(counts[index])}
            for index in commonest
        ],
    }


def check_one_class(heads: Sequence[str], rows: Sequence[Utterance]) -> None:
    """Refuse, as a ModelError, addressed clips with two of the heads after the gate."""
    classes = set(heads[1:])
    for row in rows:
        known = sorted(classes & set(row.heads))
        if row.addressed and len(known) > 1:
            raise ModelError(
                f"{row.path}: has {' and '.join(known)}, expected one class a clip; "
                "give it one head in its manifest, or leave single_label out of the recipe"
            )


def _label(names: Sequence[str], row: Utterance, kind: SingleLabel) -> int:
    """Return the place of a clip's class, -1 where it has none."""
    known = [names.index(head) for head in row.heads if head in names]
    if row.addressed and known:
        return known[0]
    return names.index(UNKNOWN if row.addressed else SILENCE) if kind == "open" else -1


@dataclasses.dataclass(frozen=True)
class Cost:
    """What runs in a device: without the phoneme output, which training alone needs, and without the mel frontend."""

    parameters: int
    multiply_adds_per_second: int
    """of convolutions and linear layers, per second of audio"""


def cost_of(model: InherentModel) -> Cost:
    """Return size and work of a model, counted by torch over two seconds of frames."""
    running = type(model)(dataclasses.replace(model.config, phonemes=())).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        running(torch.zeros(1, 100, model.config.mel_bins), running.initial_state())
    parameters = sum(parameter.numel() for parameter in running.parameters())
    return Cost(parameters, counter.get_total_flops() // 2 // 2)  # two operations each, two seconds
