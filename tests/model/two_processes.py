"""Under `torchrun`: train the recipe FILE up to STEP, from where it is. Rounds of streams are small, so that clips which
were mined soon count."""

from __future__ import annotations

import sys
from pathlib import Path

from inherentd.inherent_model import dataset, training

if __name__ == "__main__":
    dataset.ENOUGH_HARD_CLIPS, dataset.ROUND_STREAMS = 1, 40
    recipe = training.load_recipe(Path(sys.argv[1]))
    training.train(recipe, stop_after=int(sys.argv[2]), resume=(Path(recipe.out) / "resume.pt").is_file())
