"""Training batches: clips laid into short streams, with what every head should say at every step.

A stream holds one or two clips with quiet before, between and after. A fired head should be certain from just before
the end of the phrase until shortly after it, may rise from the middle on, and is 0 everywhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inherentd.inherent_model.augment import Augmenter, at_places, tempo_places
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.features import Features
from inherentd.inherent_model.heads import targets
from inherentd.inherent_model.manifest import Utterance
from inherentd.inherent_model.recipe import GROUP_SHARES
from inherentd.inherent_model.sounds import pieces_of_sound
from inherentd.inherent_model.words import terms as terms_of
from inherentd.inherent_model.words import words as words_of
from inherentd.pipeline.frontend import FrontendSpec, log_mel

CERTAIN_BEFORE_END_FRAMES = 6
CERTAIN_AFTER_END_FRAMES = 24
SILENT_AFTER_END_FRAMES = 60
RISING_WEIGHT = 0.3
ROUND_STREAMS = 512
"""drawn at once, and laid into batches of similar length"""
FEWEST_STREAMS = 5
"""in a batch; one of fewer is left out"""
COMPANION_WEIGHTS = (1.0, 1.0, 2.0, 2.0, 2.0)
"""how much more often than it begins a stream a clip of each group (`group_shares`, and noise) is laid beside a spoken one"""
HARD_SHARE = 0.4
"""how many of the unaddressed clips are drawn from the mined ones"""
ENOUGH_HARD_CLIPS = 50
"""with fewer mined ones the share is smaller: the same few again and again would be learnt by heart"""


CUT_SPEECH_FRAMES = 10
"""0.2 s: so much of the speech, a quarter of it at most, may be missing at either end of a clip that is cut off"""
MADE_NOISES = 120
"""pieces of 10 s of sound without speech that are made, at least"""
NOISE_FRAMES = 500
"""10 s: longer recordings of noise are taken to pieces, so that enough streams fit into a batch"""


@dataclass(frozen=True)
class Batch:
    """`target` and `weight` are [batch, steps, heads]; phonemes are CTC targets, one stream after another, none of a stream in
    which somebody says nobody knows what."""

    mel: Tensor
    target: Tensor
    weight: Tensor
    phonemes: Tensor
    phoneme_lengths: Tensor
    words: Tensor
    """which terms of the vocabulary were said, bool [streams of one clip with a text, terms]"""
    word_places: Tensor
    """[same streams, 2]: which stream of the batch, and the first step that has heard all of it"""
    sequence: Tensor
    """the numbers of the words one after another, CTC targets as the phonemes are"""
    sequence_lengths: Tensor


@dataclass(frozen=True)
class Example:
    """A clip ready to be laid into streams."""

    mel: np.ndarray
    speech: tuple[int, int]
    target: np.ndarray
    phonemes: tuple[int, ...]
    words: tuple[int, ...] | None = None
    """which terms of the vocabulary are said; None where nobody knows what is said"""
    sequence: tuple[int, ...] = ()
    """the words one after another, numbered from 1"""
    written: bool = False
    """whether somebody wrote down the words; phonemes may also come from what a recognizer heard"""
    noise: bool = False
    """nobody speaks"""


def examples(rows: list[Utterance], features: Features, heads: tuple[str, ...], symbols: dict[str, int],
             phonemes: dict[str, str], *, vocabulary: dict[str, int],
             word_numbers: dict[str, int]) -> list[Example]:  # fmt: skip
    """Return one example a row: mel (float16, memory-mapped), where speech lies, head targets, phoneme and term
    indices, and the words by their numbers, from 1; all that have none share the number after the last."""
    found = []
    for index, row in enumerate(rows):
        mel = features.frames(index)
        said = row.said
        spoken = tuple(symbols[symbol] for symbol in phonemes.get(said, "") if symbol in symbols)
        target = np.array(targets(heads, row.heads, addressed=row.addressed), np.float32)
        words = tuple(vocabulary[term] for term in sorted(terms_of(said)) if term in vocabulary) if said else None
        told = words_of(said) if word_numbers else ()
        sequence = tuple(word_numbers.get(word, len(word_numbers) + 1) for word in told)
        found.append(Example(mel, features.speech(index), target, spoken, words, sequence, written=bool(row.text)))
    return found


def noise_examples(noises: Iterable[np.ndarray], spec: FrontendSpec, heads: int, seed: int) -> list[Example]:
    """Return sound in which nobody speaks, at most `NOISE_FRAMES` each: of `noises`, recordings as log-mel [frames, bins],
    and as many pieces that are made (`sounds.KINDS`), `MADE_NOISES` at least."""
    recorded = [noise[start : start + NOISE_FRAMES] for noise in noises for start in range(0, len(noise), NOISE_FRAMES)]
    made = pieces_of_sound(np.random.default_rng(seed), ())
    pieces = [log_mel(spec, samples) for _, samples in itertools.islice(made, max(MADE_NOISES, len(recorded)))]
    return [
        Example(mel.astype(np.float16), (0, len(mel)), np.zeros(heads, np.float32), (), noise=True)
        for mel in [*recorded, *pieces]
    ]


class BatchMaker:
    """Draws batches for ever: streams of similar length, half of them addressed, augmented anew each time.

    Batch number n follows from the seed and n alone, so that a run can go on exactly where it was interrupted and
    several processes can share the work. Clips are spoken `tempo` times as fast, `uneven_tempo` and cut off as of
    `AugmentConfig`; `batch_frames` counts them as they were. In `noise_share` of the streams nobody speaks.
    """

    def __init__(self, pool: list[Example], augmenter: Augmenter, spec: FrontendSpec, *, step_frames: int,
                 batch_frames: int, seed: int, terms: int = 0,
                 group_shares: Sequence[float] = GROUP_SHARES,
                 tempo: tuple[float, float] = (1.0, 1.0), uneven_tempo: float = 0.0, cut_probability: float = 0.0,
                 noise_share: float = 0.0) -> None:  # fmt: skip
        self.pool = pool
        self.tempo, self.uneven_tempo, self.cut_probability = tempo, uneven_tempo, cut_probability
        self.augmenter = augmenter
        self.step_frames = step_frames
        self.batch_frames = batch_frames
        self.silence = float(np.log(spec.log_floor))
        self.seed = seed
        self.terms = terms
        intents = np.array([example.target[1:].any() for example in pool])
        addressed = np.array([example.target[0] > 0 for example in pool])
        written = np.array([example.written for example in pool])
        noise = np.array([example.noise for example in pool])
        talk = ~addressed & ~noise
        if not talk.any() or not addressed.any():
            raise ModelError(
                f"{int(addressed.sum())} of {int((~noise).sum())} training clips are addressed; expected some of both"
            )
        groups = (intents, addressed & ~intents, talk & written, talk & ~written, noise)
        self.groups = [np.flatnonzero(group) for group in groups]
        shares = np.array([*group_shares, 0.0]) * [group.any() for group in groups]
        for side in (slice(0, 2), slice(2, 4)):  # what a missing group leaves, the other of its side takes
            shares[side] *= sum(group_shares[side]) / shares[side].sum()
        shares *= (1 - noise_share) / shares.sum()
        shares[4] = noise_share
        companions = shares * COMPANION_WEIGHTS
        self.shares, self.companions = shares, companions / companions.sum()
        self.rounds = 0
        self.mined: list[tuple[int, list[int]]] = []
        """(first round that it holds for, places in the pool of the hard unaddressed clips), in order of rounds"""

    def harden(self, places: list[int], rounds: int) -> None:
        """Draw more of these unaddressed clips, after so many rounds of streams: `self.rounds` are planned."""
        self.mined.append((rounds, places))

    def batches(self, first: int = 0, stride: int = 1) -> Iterator[Batch]:
        """Yield batches `first`, `first + stride`, ... without end."""
        number = 0
        for round_number in itertools.count():
            self.rounds = round_number + 1
            planned = self._round(np.random.default_rng([self.seed, round_number]), ROUND_STREAMS)
            if not planned:
                raise ModelError(
                    f"batch_frames: got {self.batch_frames}, in which no {FEWEST_STREAMS} streams of these clips fit; raise "
                    "it, or take shorter clips"
                )
            for place, streams in enumerate(planned):
                if number >= first and (number - first) % stride == 0:
                    yield self._batch(streams, np.random.default_rng([self.seed, round_number, place]))
                number += 1

    def _round(self, rng: np.random.Generator, count: int) -> list[list[list[Example]]]:
        """Return the batches of `count` streams, each a list of clips, sorted by length so that little is padding."""
        streams = []
        mined = next((places for start, places in reversed(self.mined) if start < self.rounds), [])
        hard = [np.intersect1d(group, mined) for group in self.groups]
        for group in rng.choice(len(self.groups), count, p=self.shares):
            members = [self._draw(int(group), hard, rng)]
            if rng.random() < 0.2 and not members[0].noise:
                members.append(self._draw(int(rng.choice(len(self.groups), p=self.companions)), hard, rng))
                rng.shuffle(members)  # pyright: ignore[reportArgumentType] - a list is a mutable sequence too
            streams.append(members)
        streams.sort(key=lambda members: sum(len(member.mel) for member in members))
        batches, current, longest = [], [], 0
        for members in streams:
            longest = max(longest, sum(len(member.mel) + 60 for member in members))
            if current and longest * (len(current) + 1) > self.batch_frames:
                batches.append(current)
                current, longest = [], sum(len(member.mel) + 60 for member in members)
            current.append(members)
        batches.append(current)
        return [batches[index] for index in rng.permutation(len(batches)) if len(batches[index]) >= FEWEST_STREAMS]

    def _draw(self, group: int, hard: list[np.ndarray], rng: np.random.Generator) -> Example:
        share = HARD_SHARE * min(1, len(hard[group]) / ENOUGH_HARD_CLIPS)
        members = hard[group] if len(hard[group]) and rng.random() < share else self.groups[group]
        return self.pool[int(rng.choice(members))]

    def _batch(self, streams: list[list[Example]], rng: np.random.Generator) -> Batch:
        laid = [self._lay(members, rng) for members in streams]
        frames = -(-max(len(mel) for mel, *_ in laid) // self.step_frames) * self.step_frames
        steps, heads = frames // self.step_frames, len(streams[0][0].target)
        mel = torch.full((len(laid), frames, laid[0][0].shape[1]), self.silence)
        speech = torch.zeros(len(laid), frames, dtype=torch.bool)
        target = np.zeros((len(laid), steps, heads), np.float32)
        weight = np.ones((len(laid), steps, heads), np.float32)
        phonemes: list[list[int]] = []
        sequences: list[list[int]] = []
        word_places: list[tuple[int, int]] = []
        said: list[list[int]] = []
        for index, (stream, places) in enumerate(laid):
            mel[index, : len(stream)] = torch.from_numpy(stream)
            for example, offset in places:
                start, end = (bound + offset for bound in example.speech)
                # What it is heard over is as loud as the speech says, or the noise where there is none.
                speech[index, start:end] |= not example.noise or len(places) == 1
                _mark(target[index], weight[index], example.target, (start, end), self.step_frames)
            if len(places) == 1 and (words := places[0][0].words) is not None:
                word_places.append((index, (places[0][0].speech[1] + places[0][1]) // self.step_frames))
                said.append(list(words))
            known = places if all(example.phonemes or example.noise for example, _ in places) else []
            phonemes.append([symbol for example, _ in known for symbol in example.phonemes])
            sequences.append([number for example, _ in known for number in example.sequence])
        mel = self.augmenter(mel, speech, rng)
        for index, (stream, _) in enumerate(laid):
            # The windowed TFLite form pads short input with zeros, which in log-mel is loud: it must not raise a score.
            if rng.random() < 0.25:
                mel[index, len(stream) :] = 0.0
        words = torch.zeros(len(said), self.terms, dtype=torch.bool)
        for row, terms_said in enumerate(said):
            words[row, terms_said] = True
        return Batch(mel, torch.from_numpy(target), torch.from_numpy(weight), *_ctc_targets(phonemes),
                     words, torch.tensor(word_places, dtype=torch.long).reshape(-1, 2), *_ctc_targets(sequences))  # fmt: skip

    def _lay(self, members: list[Example], rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[Example, int]]]:
        """Return one stream's clean log-mel, and each clip as it is heard in it with the frame where it begins."""
        pieces, places, position = [], [], 0
        bins = members[0].mel.shape[1]
        slowest, fastest = self.tempo
        for example in members:
            lead = int(rng.integers(0, 40)) if rng.random() < 0.8 else 0
            # Nothing is drawn where there is no range: recipes without one keep their batches.
            tempo = rng.uniform(slowest, fastest) if slowest < fastest else fastest
            taken = tempo_places(len(example.mel), tempo, self.uneven_tempo, rng)
            mel = at_places(example.mel, taken)
            if self.uneven_tempo:
                start, end = np.searchsorted(taken, example.speech).tolist()
            else:  # up to a frame earlier than that, as recipes of before there were uneven tempos have it
                start, end = (round(bound * len(mel) / len(example.mel)) for bound in example.speech)
            heard = replace(example, mel=mel, speech=(start, end))
            if self.cut_probability and not example.noise:
                heard = self._cut(heard, rng)
            pieces += [np.full((lead, bins), self.silence, np.float32), heard.mel]
            places.append((heard, position + lead))
            position += lead + len(heard.mel)
        trail = int(rng.integers(10, 50))
        pieces.append(np.full((trail, bins), self.silence, np.float32))
        return np.concatenate(pieces), places

    def _cut(self, example: Example, rng: np.random.Generator) -> Example:
        """Return the clip as it is when its beginning or its end is lost; where that took speech, nobody knows the words."""
        first, last = example.speech
        start, end = 0, len(example.mel)
        lost = min(CUT_SPEECH_FRAMES, (last - first) // 4)
        if rng.random() < self.cut_probability:
            start = int(rng.integers(first + lost + 1))
        if rng.random() < self.cut_probability:
            end = int(rng.integers(last - lost, end + 1))
        if start > first or end < last:
            example = replace(example, phonemes=(), words=None, sequence=())
        speech = (max(first, start) - start, min(last, end) - start)
        return replace(example, mel=example.mel[start:end], speech=speech)


def _ctc_targets(streams: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return the symbols of all streams one after another, and how many each has."""
    return torch.tensor(list(itertools.chain(*streams)), dtype=torch.long), torch.tensor(list(map(len, streams)))


def _mark(target: np.ndarray, weight: np.ndarray, fired: np.ndarray, speech: tuple[int, int], step_frames: int) -> None:
    """Write one clip's targets and weights, [steps, heads], for speech in frames [start, end)."""
    start, end = speech
    middle, certain, after, silent = (
        int(frame) // step_frames
        for frame in ((start + end) / 2, end - CERTAIN_BEFORE_END_FRAMES, end + CERTAIN_AFTER_END_FRAMES,
                      end + SILENT_AFTER_END_FRAMES)
    )  # fmt: skip
    on = np.flatnonzero(fired)
    weight[start // step_frames : middle, on] = 0
    target[middle:after, on] = 1
    weight[middle:certain, on] = RISING_WEIGHT
    weight[after:silent, on] = 0
