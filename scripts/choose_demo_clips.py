"""Copy test clips of a corpus into the package as the demo's clips: voices and phrasings that training never met.

    python scripts/choose_demo_clips.py corpora/first/manifest.jsonl

One clip of each of `INTENTS` intents and as many that are not addressed, drawn by a fixed seed before anything is
scored: the demo shows the model as it is, not at its best.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

INTENTS = 8
SEED = 2026
FOLDER = Path(__file__).parents[1] / "daemon" / "demo"


def main(manifest: Path) -> None:
    """Draw, copy and list the clips."""
    rng = random.Random(SEED)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows = sorted((row for row in rows if row["split"] == "test"), key=lambda row: row["path"])
    heads = sorted({head for row in rows for head in row["heads"]})
    addressed = [rng.choice([row for row in rows if row["heads"] == [head]]) for head in rng.sample(heads, INTENTS)]
    others = rng.sample([row for row in rows if not row["addressed"]], INTENTS)
    chosen = addressed + others
    rng.shuffle(chosen)
    clips = FOLDER / "clips"
    shutil.rmtree(clips, ignore_errors=True)
    clips.mkdir(parents=True)
    with (FOLDER / "clips.jsonl").open("w") as index:
        for number, row in enumerate(chosen, 1):
            name = f"{number:02d}-{row['heads'][0] if row['heads'] else row['source']}.flac"
            shutil.copy(manifest.parent / row["path"], clips / name)
            voice = f"{row['voice']['engine']}:{row['voice']['name']}"
            clip = {"path": f"clips/{name}", "text": row["text"], "addressed": row["addressed"], "heads": row["heads"]}
            index.write(json.dumps({**clip, "voice": voice}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
