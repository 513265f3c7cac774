"""A scene: requests in the middle of talk that is meant for nobody, as one recording, and where each request lies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.sources.decoding import read_whole

RATE_HZ = 16_000
BETWEEN_SECONDS = (0.5, 3.0)
AFTER_REQUEST_SECONDS = (3.0, 5.0)
"""the user waits for an answer"""
ROOM_LEVEL = 5.0
"""standard deviation of the room's noise, of 32768"""
VOICES = ("slt", "awb", "kal16")
SUFFIXES = {".wav", ".flac", ".ogg", ".opus"}


@dataclass(frozen=True)
class Request:
    """A request in the scene: samples [start, stop) of the clip, of which [speech_start, speech_stop) is speech."""

    path: str
    text: str
    pcm: np.ndarray
    start: int
    speech_start: int
    speech_stop: int


def scene(
    requests: Sequence[tuple[Path, str]], talk: Sequence[Path], minutes: float, seed: int
) -> tuple[np.ndarray, list[Request]]:
    """Return the recording, int16 [samples] at 16 kHz, with so much talk in it, and the requests.

    Talk comes in a random order, and again from the beginning where there is too little; requests stand at even distances.
    """
    rng = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    placed: list[Request] = []
    position = spoken = 0

    def add(pcm: np.ndarray) -> None:
        nonlocal position
        pieces.append(pcm)
        position += len(pcm)

    def wait(seconds: tuple[float, float]) -> None:
        add(np.rint(rng.normal(0, ROOM_LEVEL, round(rng.uniform(*seconds) * RATE_HZ))).astype(np.int16))

    wanted = round(minutes * 60 * RATE_HZ)
    wait((2.0, 2.0))
    for path in _over_and_over(talk, rng):
        while len(placed) < len(requests) and spoken >= (len(placed) + 0.5) / len(requests) * wanted:
            path_, text = requests[len(placed)]
            pcm = read_whole(path_)
            first, last = speech_bounds(pcm)
            placed.append(Request(str(path_), text, pcm, position, position + first, position + last))
            add(pcm)
            wait(AFTER_REQUEST_SECONDS)
        if spoken >= wanted:
            return np.concatenate(pieces), placed
        pcm = read_whole(path)
        spoken += len(pcm)
        add(pcm)
        wait(BETWEEN_SECONDS)
    raise AssertionError


def speech_bounds(pcm: np.ndarray) -> tuple[int, int]:
    """Return the first sample of speech and the one after the last: 20 ms within 40 dB of the loudest."""
    peaks = np.abs(pcm[: len(pcm) // 320 * 320].astype(np.float64)).reshape(-1, 320).max(axis=1)
    loud = np.flatnonzero(peaks > peaks.max() * 0.01)
    return int(loud[0]) * 320, int(loud[-1] + 1) * 320


def requests_of(manifests: Sequence[Path], count: int) -> list[tuple[Path, str]]:
    """Return clip and text of so many addressed test lines, evenly drawn; without manifests the demo's."""
    return [(path, text) for path, text, _ in labelled_requests(manifests, count)]


def labelled_requests(manifests: Sequence[Path], count: int) -> list[tuple[Path, str, tuple[str, ...]]]:
    """Return what `requests_of` does, with the heads of each clip."""
    if not manifests:
        return [(Path(clip.path), clip.text, clip.heads) for clip in load_clips(BUNDLED) if clip.addressed][:count]
    found = [
        (manifest.parent / row["path"], row["text"], tuple(row.get("heads", ())))
        for manifest in manifests
        for row in map(json.loads, manifest.read_text().splitlines())
        if row.get("split") == "test" and row["addressed"] and row["text"]
    ]
    return [found[round(index)] for index in np.linspace(0, len(found) - 1, min(count, len(found)))]


def talk_of(source: Path, name: str) -> list[Path]:
    """Return the audio files of a folder, or the unaddressed test clips of a manifest, of the source `name` only if given."""
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    return [
        source.parent / row["path"]
        for row in rows
        if row.get("split") == "test" and not row["addressed"] and name in ("", row.get("source"))
    ]


def unaddressed_of(manifests: Sequence[Path]) -> list[Path]:
    """Return the unaddressed test clips of manifests; without manifests the demo's."""
    if not manifests:
        return [Path(clip.path) for clip in load_clips(BUNDLED) if not clip.addressed]
    return [path for manifest in manifests for path in talk_of(manifest, "")]


def synthesised_talk(folder: Path) -> list[Path]:
    """Return what the demo's bystanders say, in each of flite's voices."""
    texts = [clip.text for clip in load_clips(BUNDLED) if not clip.addressed]
    paths: list[Path] = []
    for voice in VOICES:
        for index, text in enumerate(texts):
            paths.append(folder / f"{voice}-{index}.wav")
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(paths[-1])], check=True)
    return paths


def _over_and_over(paths: Sequence[Path], rng: np.random.Generator) -> Iterator[Path]:
    while True:
        for index in rng.permutation(len(paths)):
            yield paths[index]
