"""`inherent card`: write the figures of a model's reports into its model card, or any other Markdown page."""

from __future__ import annotations

import argparse
from pathlib import Path

from inherentd.inherent_model import card
from inherentd.inherent_model.errors import ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherent card`."""
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the reports (%(default)s)")
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE", help="e.g. models/README.md README.md")


def run(arguments: argparse.Namespace) -> int:
    """Replace each table between `<!-- figures: NAME -->` and `<!-- end -->`."""
    for page in arguments.pages:
        try:
            page.write_text(card.fill(page.read_text(), arguments.models))
        except OSError as error:
            raise ModelError(f"{page}: {error.strerror}; expected a Markdown page") from error
        except ModelError as error:
            raise ModelError(f"{page}: {error}") from error
    return 0
