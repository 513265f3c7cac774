"""Sentences with labels -> recordings with labels: a small set to hear, to test with and to score, by any engine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import soundfile

from inherentd.inherent_model.corpus.decode import SAMPLE_RATE_HZ
from inherentd.inherent_model.corpus.engines import synthesize
from inherentd.inherent_model.corpus.say import SYSTEM_VOICE
from inherentd.inherent_model.corpus.voices import KOKORO_TRAIN, SMALL_ENGINES, Voice
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.labels import Label, Labels


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What the index holds. Without `addressed`, a sentence is addressed when it has a head."""

    text: str
    heads: tuple[str, ...] = ()
    addressed: bool | None = None


@dataclass(frozen=True)
class Sentence:
    """What is to be said, and which heads should fire at it: the gate first, none where it is not addressed."""

    text: str
    fired: tuple[str, ...]


def read_index(path: Path, heads: Sequence[str]) -> list[Sentence]:
    """Return the sentences of a JSON index; ModelError says which entry is wrong, or which head is unknown."""
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(
            f'{path}: {error}; expected a list of {{"text": ..., "heads": [...], "addressed": true or false}}'
        ) from error
    if not entries:
        raise ModelError(f"{path}: no sentences; expected a list with one or more")
    return [_sentence(f"{path}: sentence {number}", entry, heads) for number, entry in enumerate(entries, 1)]


def _sentence(where: str, entry: _Entry, heads: Sequence[str]) -> Sentence:
    if not entry.text.strip():
        raise ModelError(f"{where}: the text is empty; expected something to say")
    unknown = [head for head in entry.heads if head not in heads]
    if unknown:
        near = difflib.get_close_matches(unknown[0], heads, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(heads)}"
        raise ModelError(f"{where}: head {unknown[0]!r} is unknown; {hint}")
    if entry.heads and entry.addressed is False:
        raise ModelError(f"{where}: not addressed, but with heads {list(entry.heads)}; what is not addressed has none")
    addressed = bool(entry.heads) if entry.addressed is None else entry.addressed
    return Sentence(
        entry.text.strip(),
        tuple(head for index, head in enumerate(heads) if (addressed and index == 0) or head in entry.heads),
    )


def default_voice(engine: str) -> str:
    """Return the name of an engine's voice where none is asked for."""
    if engine == "kokoro":
        return KOKORO_TRAIN[0]
    return SMALL_ENGINES[engine]["train"][0] if engine in SMALL_ENGINES else SYSTEM_VOICE


def speak(sentences: Sequence[Sentence], voice: Voice, heads: Sequence[str], out: Path, kokoro_voices: Path | None
          ) -> Labels:  # fmt: skip
    """Make `out/audio/NNNN-words.wav` of each sentence (16 kHz, 16 bit) and return their labels, for a CSV in `out`."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    speaker = f"{voice.engine}:{voice.name}"
    rows = []
    for number, sentence in enumerate(sentences, 1):
        samples = synthesize(sentence.text, voice, kokoro_voices)
        words = "-".join(re.findall(r"[a-z0-9]+", sentence.text.lower())[:6])
        name = f"audio/{number:04}-{words}.wav"
        soundfile.write(out / name, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        row = Label(
            line=number + 1,
            audio_path=name,
            transcript=sentence.text,
            speaker_id=speaker,
            session_id=speaker,
            device="synthesizer",
            environment="none",
            source="fixtures",
            duration_s=round(len(samples) / SAMPLE_RATE_HZ, 3),
            split="",
            fired=sentence.fired,
        )
        rows.append(row)
    return Labels(out, tuple(heads), tuple(rows))
