"""Do all backends and forms publish the same events? `inherentd score --json` over the same files with each artifact.

    python -m benchmarks.same_events FOLDER CLIP… [--out same_events.json]

FOLDER is what `inherent export --backend all` wrote. Streaming and audio forms are compared with the first streaming artifact, windowed ones
with the first windowed: a window of 1 s hears less than the streaming form remembers, so these two differ by what they are. An
event is the same when its topic, sample, head, intents and lengths are. Exit code 1 when a float32
artifact's events differ; those of float16 and int8 are told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

GROUPS = {
    "streaming and audio": (
        "inherent.onnx",
        "inherent-audio.onnx",
        "inherent-litert.tflite",
        "inherent-litert-audio.tflite",
        "inherent-mlx.safetensors",
        "inherent-mlx-audio.safetensors",
        "inherent-float16.onnx",
        "inherent-litert-float16.tflite",
        "inherent-int8.onnx",
        "inherent-litert-dynamic-int8.tflite",
    ),
    "windowed, 1 s every 200 ms": (
        "inherent-windowed.onnx",
        "inherent-litert-windowed-50.tflite",
        "inherent-mlx-windowed.safetensors",
    ),
}
SAME = (
    "topic",
    "at_sample",
    "utterance",
    "head",
    "final",
    "reason",
    "intents",
    "duration_ms",
    "samples",
    "preroll_samples",
)


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows, failed = [], False
    for group, names in GROUPS.items():
        reference: list[dict[str, Any]] = []
        for name in names:
            if not (arguments.folder / name).is_file():
                print(f"{name}: left out: it is not in {arguments.folder}", file=sys.stderr)
                continue
            lines = scored(arguments.folder / name, arguments.clips)
            reference = reference or lines
            events, clips, worst = differences(reference, lines)
            rows.append({"group": group, "artifact": name, "clips": len(lines), "events": sum(len(line["events"]) for line in lines),
                         "clips_with_other_events": clips, "max_score_difference": worst})  # fmt: skip
            failed |= clips > 0 and not any(kind in name for kind in ("float16", "int8"))
            print(f"{name}: {events} of the events differ, in {clips} clips; scores by {worst:.1e}", file=sys.stderr)
    print(
        "| artifact | compared with | events | clips with other events | largest difference of a peak score |\n|"
        + " --- |" * 5
    )
    for row in rows:
        first = next(other["artifact"] for other in rows if other["group"] == row["group"])
        print(
            f"| `{row['artifact']}` | `{first}` | {row['events']} | {row['clips_with_other_events']} of {row['clips']} | {row['max_score_difference']:.1e} |"
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    return int(failed)


def scored(model: Path, clips: list[str]) -> list[dict[str, Any]]:
    """Return the lines that `inherentd score --json` prints."""
    command = [
        sys.executable,
        "-m",
        "inherentd.daemon.cli",
        "score",
        "--json",
        "--allow-unsupported",
        "--model",
        str(model),
        *clips,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(reference: list[dict[str, Any]], lines: list[dict[str, Any]]) -> tuple[int, int, float]:
    """Return how many events differ, in how many clips, and the largest difference of a peak score."""
    events = clips = 0
    worst = 0.0
    for expected, found in zip(reference, lines, strict=True):
        before, after = (
            [{key: event.get(key) for key in SAME} for event in line["events"]] for line in (expected, found)
        )
        other = sum(one != two for one, two in zip(before, after, strict=False)) + abs(len(before) - len(after))
        events, clips = events + other, clips + (other > 0)
        worst = max(worst, *(abs(expected["scores"][head] - found["scores"][head]) for head in expected["scores"]))
    return events, clips, worst


if __name__ == "__main__":
    sys.exit(main())
