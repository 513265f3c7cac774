"""`inherent corpus real`: real unaddressed speech from Debian packages."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from inherentd.inherent_model.corpus.real import build
from inherentd.inherent_model.corpus.real_recipe import load_recipe


def run(arguments: argparse.Namespace) -> int:
    """Build the corpus and print the hours of each source and split."""
    seconds = build(load_recipe(arguments.config), workers=arguments.workers)
    totals: Counter[str] = Counter()
    for (split, source), found in seconds.items():
        totals[split] += found
        print(f"{split}/{source}: {found / 3600:.2f} h", file=sys.stderr)
    for split, found in totals.items():
        print(f"{split}: {found / 3600:.2f} hours", file=sys.stderr)
    return 0
