"""What a recognizer heard in clips whose words nobody wrote down: `transcripts.jsonl` beside their manifest.

One JSON object a line with the clip's `path` as the manifest has it, `text`, `avg_logprob` and `no_speech_prob`. The
text is "" where the recognizer was not sure enough.
"""

from __future__ import annotations

import json
from pathlib import Path

from inherentd.inherent_model.errors import ModelError

FILE_NAME = "transcripts.jsonl"


def read_transcripts(manifest: Path) -> dict[str, str]:
    """Return the text of each clip of `manifest` that was transcribed, by its path there; none without the file."""
    path = manifest.parent / FILE_NAME
    if not path.is_file():
        return {}
    # What follows the last newline was not written to its end.
    lines = path.read_text().split("\n")[:-1]
    try:
        return {row["path"]: row["text"] for row in map(json.loads, lines)}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: {error!r}; expected JSON lines with path and text: delete it and transcribe again"
        ) from error
