"""Google's Speech Commands (Warden 2018, arXiv:1804.03209) as manifests: a word a second, by people, and silence.

Splits are the data set's own lists, by speaker. Silence follows TensorFlow Datasets (`speech_commands.py`): a second of the
background recordings every half second, `running_tap.wav` for validation, the others for training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inherentd.inherent_model.corpus.decode import SAMPLE_RATE_HZ, write_flac
from inherentd.inherent_model.corpus.recordings import audio_fields
from inherentd.inherent_model.corpus.sources import lines, one_file
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import read_audio

VALIDATION_NOISE = "running_tap.wav"
SILENCE, UNKNOWN = "_silence_", "_unknown_"
"""folders of the test set's own archive"""
_LISTS = {"validation_list.txt": "validation", "testing_list.txt": "test"}
_SPEAKER = re.compile(r"(?:^|_)([0-9a-f]+)_nohash_\d+$")
"""the stem of a recording's name: who speaks, and which take it is"""


def all_words(folder: Path, base: Path) -> Iterator[dict[str, Any]]:
    """Yield a manifest line for each word of the large archive, its test list included, and for each second of silence,
    of training and validation, which is written to `base/silence`."""
    root = one_file(folder, "testing_list.txt", "speech_commands").parent
    split_of = {
        line: split for name, split in _LISTS.items() for _, line in lines(one_file(root, name, "speech_commands"))
    }
    words = sorted(path for path in root.glob("[!_]*/*.wav"))
    missing = set(split_of) - {f"{path.parent.name}/{path.name}" for path in words}
    if missing:
        raise ModelError(
            f"{root}: {len(missing)} recordings of its lists are not there, {min(missing)} among them; unpack the archive again"
        )
    for path in words:
        word = path.parent.name
        yield _line(path, base, split_of.get(f"{word}/{path.name}", "train"), word)
    yield from _silence(root, base)


def with_test_set(folder: Path, base: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of `all_words` but those of its test list, and in their place the archive that Warden published
    for the 12 classes: ten words, unknown ones (addressed, without a word) and silence."""
    found = sorted(path.parent for path in folder.rglob(SILENCE) if path.is_dir())
    if len(found) != 1:
        raise ModelError(
            f"{folder}: {len(found)} folders {SILENCE}, expected the test set's; "
            "`inherent corpus fetch speech_commands --groups all --unpack` brings it"
        )
    yield from (line for line in all_words(folder, base) if line["split"] != "test")
    for path in sorted(found[0].glob("*/*.wav")):
        yield _line(path, base, "test", path.parent.name)


def _silence(root: Path, base: Path) -> Iterator[dict[str, Any]]:
    """Yield a line for each second of the background recordings, and write it."""
    recordings = sorted(root.glob("_background_noise_/*.wav"))
    if len(recordings) < 2:
        raise ModelError(
            f"{root}: {len(recordings)} recordings in _background_noise_, expected 2 or more; unpack again"
        )
    held = next((path for path in recordings if path.name == VALIDATION_NOISE), recordings[-1])
    (base / "silence").mkdir(parents=True, exist_ok=True)
    for recording in recordings:
        samples = read_audio(recording, SAMPLE_RATE_HZ)
        for start in range(0, len(samples) - SAMPLE_RATE_HZ + 1, SAMPLE_RATE_HZ // 2):
            path = base / "silence" / f"{recording.stem}-{start}.flac"
            write_flac(path, samples[start : start + SAMPLE_RATE_HZ])
            yield _line(path, base, "validation" if recording == held else "train", SILENCE)


def _line(path: Path, base: Path, split: str, label: str) -> dict[str, Any]:
    """Return the manifest line of a recording of `label`: a word, `UNKNOWN` or `SILENCE`."""
    known = [] if label in {SILENCE, UNKNOWN} else [label]
    speaker = _SPEAKER.search(path.stem)
    # "real": people who record read the same prompts, and a text of the test may be in training (manifest.py).
    voice = {"voice": {"engine": "real", "name": speaker[1]}} if speaker and label != SILENCE else {}
    return {
        **audio_fields(str(path), path, base),
        "text": " ".join(known),
        "heads": known,
        "addressed": int(label != SILENCE),
        "source": "speech_commands",
        "split": split,
        "licence": "CC-BY-4.0",
        **voice,
    }
