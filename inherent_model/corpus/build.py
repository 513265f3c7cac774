"""`inherent corpus build`: sentences times voices -> clips and one manifest.

Deterministic (the plan follows from the recipe and its seed), resumable (a clip that exists is not made again) and
parallel (`spread`: processes here, or a Ray cluster). A clip that an engine cannot speak is counted and left out, with
the reason in the log.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import soundfile
from tqdm import tqdm

from inherentd.inherent_model.corpus import sentences as sentence_sources
from inherentd.inherent_model.corpus import spread
from inherentd.inherent_model.corpus.decode import write_flac
from inherentd.inherent_model.corpus.engines import synthesize
from inherentd.inherent_model.corpus.grammar import PHRASES_FOLDER, load_grammar
from inherentd.inherent_model.corpus.sentences import Sentence
from inherentd.inherent_model.corpus.voices import SMALL_ENGINES, Voice, draw
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole
from inherentd.inherent_model.yaml_files import load

LICENCES = {
    "kokoro": "Apache-2.0", "hibari": "Apache-2.0", "pico": "Apache-2.0", "flite": "BSD-like", "festival": "BSD-like",
    "espeak": "GPL-3.0 (the program; its output is not)",
}  # fmt: skip


class CorpusRecipe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `configs/corpus/*.yaml` may hold. Paths are relative to the working directory."""

    seed: int = 0
    out: str
    kokoro_voices: str | None = None
    """folder with Kokoro's style vectors (`voices/*.bin` of the npm package kokoro-js); needed for engine kokoro"""
    phrases: tuple[str, ...] = ("first",)
    """which grammars, used together: folders of inherent_model/corpus/phrases by name, or folders of your own by path"""
    per_phrasing: dict[str, int] = {}
    """sentences made of each phrasing of the project's grammar, by split; empty: none of the grammar"""
    intent_corpora: list[str] = []
    """TSV files of requests (text, intent), optional: left out with a word where they do not exist"""
    talk_corpora: list[str] = []
    """text files of people talking to each other, optional likewise"""
    corpus_sentences: dict[str, int] = {}
    """at most so many sentences of each text corpus, by its file's stem"""
    addressed_share: float = 0.5
    """how many of each engine's clips are addressed"""
    revoiced_share: float = 0.65
    """how many training clips get another pitch and other formants, at several times the cost of the small engines"""
    clips: dict[str, dict[str, int]]
    """how many clips each engine speaks, by split: {train: {kokoro: 3000, ...}, test: {...}}"""


@dataclass(frozen=True)
class Clip:
    """One planned clip: where it goes, what is said and by whom."""

    path: str
    sentence: Sentence
    voice: Voice


def load_recipe(path: Path) -> CorpusRecipe:
    """Return the recipe of a YAML file; a wrong key or type is a ModelError that names it."""
    return load(path, CorpusRecipe)


def collect(recipe: CorpusRecipe) -> list[Sentence]:
    """Return every sentence the recipe can draw from, shuffled by its seed; text that stands in the test or validation
    split is dropped from training wherever else it came from."""
    rng = random.Random(recipe.seed)
    folders = [_phrases_folder(name) for name in recipe.phrases] if recipe.per_phrasing else []
    phrasings = [phrasing for folder in folders for phrasing in load_grammar(folder)]
    found = list(sentence_sources.from_grammar(phrasings, recipe.per_phrasing, rng))
    for paths, read in (
        (recipe.intent_corpora, sentence_sources.from_intent_corpus),
        (recipe.talk_corpora, sentence_sources.from_talk_corpus),
    ):
        for path in map(Path, paths):
            if not path.is_file():
                print(f"{path} is not here: going on without it", file=sys.stderr)
                continue
            rows = list(read(path))
            rng.shuffle(rows)
            found += rows[: recipe.corpus_sentences.get(path.stem, len(rows))]
    held_out = {sentence.text for sentence in found if sentence.split != "train"}
    found = [sentence for sentence in found if sentence.split != "train" or sentence.text not in held_out]
    rng.shuffle(found)
    return found


def _phrases_folder(name: str) -> Path:
    """Return the project's own folder of that name, else the name as a path from the working directory."""
    ours = PHRASES_FOLDER / name
    return ours if ours.is_dir() else Path(name)


def plan(recipe: CorpusRecipe) -> list[Clip]:
    """Return the clips in the order in which they are made. Each engine goes through the sentences of its split from
    a place of its own, `addressed_share` of its clips addressed, so that the engines together cover them all.

    ModelError where a split has no addressed or no other sentences; where text corpora of the recipe are not here, it
    has no clips instead.
    """
    found = collect(recipe)
    clips: list[Clip] = []
    for split, engines in recipe.clips.items():
        addressed = [sentence for sentence in found if sentence.split == split and sentence.addressed]
        others = [sentence for sentence in found if sentence.split == split and not sentence.addressed]
        if not addressed or not others:
            what = f"split {split!r} has {len(addressed)} addressed and {len(others)} other sentences"
            if all(Path(name).is_file() for name in (*recipe.intent_corpora, *recipe.talk_corpora)):
                raise ModelError(f"{what}: need both")
            print(f"{what} without the text corpora that are not here: no clips of it", file=sys.stderr)
            continue
        for engine, count in engines.items():
            if engine != "kokoro" and split not in SMALL_ENGINES.get(engine, {}):
                raise ModelError(
                    f"engine {engine!r} has no voice for split {split!r} (inherent_model/corpus/voices.py)"
                )
            rng = random.Random(f"{recipe.seed}/{split}/{engine}")
            start = rng.random()
            for index in range(count):
                before = int(index * recipe.addressed_share + 1e-9)
                is_addressed = int((index + 1) * recipe.addressed_share + 1e-9) > before
                kind, place = (addressed, before) if is_addressed else (others, index - before)
                sentence = kind[(int(start * len(kind)) + place) % len(kind)]
                voice = draw(engine, split, rng, recipe.revoiced_share)
                digest = hashlib.sha256(f"{sentence.text}|{voice}".encode()).hexdigest()[:16]
                clips.append(Clip(f"{split}/{engine}/{digest}.flac", sentence, voice))
    return clips


def build(
    recipe: CorpusRecipe, *, workers: int, engines: Iterable[str] | None = None, splits: Iterable[str] | None = None,
    spread_by: spread.Spread = spread.local,
) -> Counter[str]:  # fmt: skip
    """Make every clip of the plan that is not there yet, write `manifest.jsonl`, and return counts by engine and split.

    `engines` and `splits` limit what is made now (the manifest always lists all clips that exist). Deterministic from
    the seed. Interrupted (KeyboardInterrupt), it writes the manifest all the same: a part of a corpus can be trained on.
    """
    out = Path(recipe.out).absolute()
    wanted = [
        clip for clip in plan(recipe)
        if (engines is None or clip.voice.engine in set(engines)) and (splits is None or clip.sentence.split in set(splits))
    ]  # fmt: skip
    missing = [clip for clip in wanted if not (out / clip.path).is_file()]
    for folder in {out, *((out / clip.path).parent for clip in missing)}:
        folder.mkdir(parents=True, exist_ok=True)
    voices = Path(recipe.kokoro_voices).absolute() if recipe.kokoro_voices else None
    failures: Counter[str] = Counter()
    problems = spread_by(partial(_speak, out=out, voices=voices), missing, workers)
    try:
        for problem in tqdm(problems, total=len(missing), desc="synthesis", unit="clip", file=sys.stderr):
            if problem:
                failures[problem] += 1
    except KeyboardInterrupt:
        counts = write_manifest(recipe)
        print(
            f"{out}: its manifest lists the {counts.total()} clips there are; the same command goes on", file=sys.stderr
        )
        raise
    for problem, count in failures.most_common(10):
        print(f"left out {count} clips: {problem}", file=sys.stderr)
    unseen = sum(not (out / clip.path).is_file() for clip in missing) - failures.total()
    if unseen:
        todo = "share that folder between the machines; where it is shared, run this again for the whole manifest"
        print(f"{unseen} clips were made but are not seen in {out}: {todo}", file=sys.stderr)
    return write_manifest(recipe)


def write_manifest(recipe: CorpusRecipe) -> Counter[str]:
    """Write one JSON line for every planned clip that exists and return how many, by "split/engine"."""
    out = Path(recipe.out)
    counts: Counter[str] = Counter()
    with whole(out / "manifest.jsonl") as unfinished, unfinished.open("w") as file:
        for row in _rows(out, plan(recipe)):
            counts[f"{row['split']}/{row['voice']['engine']}"] += 1
            file.write(json.dumps(row) + "\n")
    return counts


def _rows(out: Path, clips: list[Clip]) -> Iterator[dict[str, Any]]:
    for clip in {clip.path: clip for clip in clips}.values():
        path = out / clip.path
        if path.is_file():
            row: dict[str, Any] = {"path": clip.path, **asdict(clip.sentence), "voice": asdict(clip.voice)}
            row["seconds"] = round(soundfile.info(path).duration, 3)
            row["licence"] = LICENCES[clip.voice.engine]
            yield row


def _speak(clip: Clip, out: Path, voices: Path | None) -> str | None:
    """Make one clip and return None, or the reason why it could not be made."""
    path = out / clip.path
    try:
        samples = synthesize(clip.sentence.text, clip.voice, voices)
    except Exception as error:  # a synthesizer may fail in any way on one odd sentence: that costs this clip only
        return f"{clip.voice.engine}: {type(error).__name__}: {error}"[:160]
    write_flac(path, samples)
    return None
