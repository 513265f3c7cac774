"""A small slice in the exact layout of Google's Speech Commands, spoken by synthesizers that the test runs."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence

import numpy as np
import soundfile

from inherentd.inherent_model.corpus.engines import synthesize
from inherentd.inherent_model.corpus.voices import Voice

RATE_HZ = 16_000


def speaker(voice: Voice) -> str:
    """Return eight hex digits, as the data set names who speaks."""
    return hashlib.sha256(f"{voice}".encode()).hexdigest()[:8]


def spoken(word: str, voice: Voice) -> np.ndarray:
    """Return one second with the word in its middle, float32 [16000]."""
    samples = synthesize(word, voice)[:RATE_HZ]
    before = (RATE_HZ - len(samples)) // 2
    return np.pad(samples, (before, RATE_HZ - len(samples) - before))


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, int(seconds * RATE_HZ)).astype(np.float32)


def archives(known: Sequence[str], unknown: Sequence[str], voices: dict[str, Sequence[Voice]]) -> tuple[bytes, bytes]:
    """Return the large archive and the test set's own, .tar.gz. voices: who speaks in which split; the same clips of the
    test's voices are in both, as in the data set."""
    large: dict[str, bytes] = {}
    small: dict[str, bytes] = {}
    lists: dict[str, list[str]] = {"validation": [], "test": []}
    for split, members in voices.items():
        for word in (*known, *unknown):
            for voice in members:
                name, clip = f"{speaker(voice)}_nohash_0.wav", wav(spoken(word, voice))
                large[f"{word}/{name}"] = clip
                if split != "train":
                    lists[split].append(f"{word}/{name}")
                if split == "test":
                    folder, prefix = (word, "") if word in known else ("_unknown_", f"{word}_")
                    small[f"{folder}/{prefix}{name}"] = clip
    for index, length_s in enumerate((12, 8)):
        large[f"_background_noise_/{('running_tap', 'pink_noise')[index]}.wav"] = wav(noise(length_s, index))
    for index in range(len(voices["test"])):
        small[f"_silence_/{index}.wav"] = wav(noise(1, 100 + index))
    large["validation_list.txt"] = "".join(f"{line}\n" for line in lists["validation"]).encode()
    large["testing_list.txt"] = "".join(f"{line}\n" for line in lists["test"]).encode()
    return packed(large), packed(small)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
