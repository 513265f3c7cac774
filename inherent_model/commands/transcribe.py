"""`inherent corpus transcribe`: what real recordings say, as Whisper hears it."""

from __future__ import annotations

import argparse
import sys

from inherentd.inherent_model.corpus.transcribe import Whisper, transcribe


def run(arguments: argparse.Namespace) -> int:
    """Transcribe what is not transcribed yet and say how much of it is kept."""
    whisper = Whisper(arguments.model, arguments.language, arguments.workers)
    clips, kept = transcribe(
        arguments.manifest, whisper, language=arguments.language, split=arguments.split, workers=arguments.workers,
        min_seconds=arguments.min_seconds,
    )  # fmt: skip
    print(f"{clips} clips transcribed, {kept} of them clear enough to keep", file=sys.stderr)
    return 0
