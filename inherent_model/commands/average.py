"""`inherent average`: a checkpoint between two, of a model and the same model trained further.

What training further gains on new data and what it forgets lie along the line between the two; a point on it is often
better than either end (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.errors import ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent average`."""
    parser.add_argument("earlier", type=Path, metavar="EARLIER", help="the checkpoint that training began with")
    parser.add_argument("later", type=Path, metavar="LATER", help="what came out of it")
    parser.add_argument("--share", type=float, default=0.5,
                        help="of LATER, 0 to 1 (%(default)s): choose it by validation figures")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")


def run(arguments: argparse.Namespace) -> int:
    """Write the checkpoint between the two; ModelError where they are models of different shapes."""
    if not 0 <= arguments.share <= 1:
        raise ModelError(f"--share {arguments.share:g}: expected 0 (all of EARLIER) to 1 (all of LATER)")
    earlier, later = checkpoint.load(arguments.earlier), checkpoint.load(arguments.later)
    # Dropout is of training alone: it may differ.
    ends = [dataclasses.asdict(end.model.config) | {"frontend": end.frontend} for end in (earlier, later)]
    other = [
        f"{name} {ends[1][name]}, not {ends[0][name]}"
        for name in ends[0]
        if ends[1][name] != ends[0][name] and name != "dropout"
    ]
    if other:
        raise ModelError(
            f"{arguments.later}: {'; '.join(other)}; expected what was trained on from {arguments.earlier}"
        )
    checkpoint.move_towards(earlier.model, later.model, arguments.share)
    later.model.load_state_dict(earlier.model.state_dict())
    averaged = {"earlier": earlier.training_hash, "later": later.training_hash, "share_of_later": arguments.share}
    # The figures of its training are of the later one alone.
    notes = {**later.notes, "validation": None, "averaged": averaged}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(arguments.out, later.model, later.frontend, notes)
    print(
        f"{arguments.out}: {arguments.share:g} of {arguments.later}, the rest of {arguments.earlier}", file=sys.stderr
    )
    return 0
