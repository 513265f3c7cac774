"""`inherent corpus convert NAME FOLDER --out ...`: a fetched corpus as what recipes read."""

from __future__ import annotations

import argparse
import sys

from inherentd.inherent_model.corpus.convert import convert


def run(arguments: argparse.Namespace) -> int:
    """Convert and say how much there is."""
    count = convert(arguments.name, arguments.folder, arguments.out)
    print(f"{arguments.out}: {count} {_WHAT.get(arguments.out.suffix, 'noises')} of {arguments.name}", file=sys.stderr)
    return 0


_WHAT = {".tsv": "sentences", ".jsonl": "recordings"}
