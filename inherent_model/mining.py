"""Hard negatives: of the unaddressed audio in training, what the model takes for a request."""

from __future__ import annotations

import numpy as np

from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.dataset import Example
from inherentd.inherent_model.evaluation import peak_scores

KEPT_SHARE = 0.15
"""of the clips that are listened to, those with the highest gate scores"""


def hardest(model: InherentModel, pool: list[Example], clips: int, rng: np.random.Generator) -> list[int]:
    """Return the places in `pool` of the unaddressed clips that the gate scores highest, out of `clips` drawn ones."""
    quiet = np.flatnonzero([example.target[0] == 0 for example in pool])
    drawn = rng.choice(quiet, min(clips, len(quiet)), replace=False)
    model.eval()
    scores = peak_scores(model, [np.asarray(pool[place].mel, np.float32) for place in drawn])[:, 0]
    kept = max(1, round(KEPT_SHARE * len(drawn)))
    return sorted(int(place) for place in drawn[np.argsort(-scores, kind="stable")[:kept]])
