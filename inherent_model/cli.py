"""`inherent`: the model's side of inherentd, one subcommand a step from sentences to a shipped artifact."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from inherentd.inherent_model.errors import ModelError

# Each module has `add_arguments(parser)` and `run(arguments) -> int`; it is imported only when its command is named,
# so that `inherent --help` needs neither torch nor a synthesizer.
COMMANDS = {
    "labels": ("inherentd.inherent_model.commands.labels", "check and split a CSV of your own recordings"),
    "fixtures": (
        "inherentd.inherent_model.commands.fixtures",
        "speak sentences, label them, and score them with a model",
    ),
    "corpus": ("inherentd.inherent_model.commands.corpus", "make labelled speech from sentences and synthesizers"),
    "train": ("inherentd.inherent_model.commands.train", "train a model from a recipe"),
    "average": ("inherentd.inherent_model.commands.average", "make a checkpoint between a model and what it became"),
    "experiments": ("inherentd.inherent_model.commands.experiments", "train variants of a recipe and compare them"),
    "eval": ("inherentd.inherent_model.commands.evaluate", "measure a checkpoint on voices and sentences it never met"),
    "eval-events": (
        "inherentd.inherent_model.commands.events",
        "measure an artifact's gate and delays on long streams",
    ),
    "eval-state": ("inherentd.inherent_model.commands.state", "run a day of sound through an artifact: does it drift?"),
    "card": ("inherentd.inherent_model.commands.card", "write a model's measured figures into its model card"),
    "thresholds": ("inherentd.inherent_model.commands.thresholds", "calibrate a threshold per head on validation data"),
    "export": ("inherentd.export.command", "write a checkpoint for every runtime, with metadata, each checked"),
    "parity": ("inherentd.export.parity", "compare artifacts with their checkpoint on real clips"),
    "build": ("inherentd.export.build", "go from a CSV of your own recordings to calibrated artifacts"),
}
EXTRAS = {
    "labels": "",
    "card": "",
    "fixtures": "corpus",
    "corpus": "corpus",
    "export": "export",
    "parity": "export",
    "build": "export",
}
"""what a command needs installed; the others need train"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code: 0 done, 1 it failed and said why, 2 used wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="inherent",
        description=__doc__,
        epilog="[X]: it needs the extra X, most also for --help: pip install 'inherentd[X]'.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        extra = EXTRAS.get(name, "train")
        needs = f" [{extra}]" if extra else ""
        subparser = commands.add_parser(name, help=summary + needs, description=summary)
        if name in arguments[:1]:
            try:
                importlib.import_module(module_name).add_arguments(subparser)
            except ImportError as error:
                print(f"inherent {name}: {error}: pip install 'inherentd[{extra or 'train'}]'", file=sys.stderr)
                return 1
    parsed = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(COMMANDS[parsed.command][0]).run(parsed))
    except ModelError as error:
        print(f"inherent {parsed.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"inherent {parsed.command}: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
