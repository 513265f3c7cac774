"""Augmentation on log-mel batches: speakers, rooms, noise, gain and masks, cheap enough to be new in every epoch.

Mel power is additive for uncorrelated sounds and a room's late reverberation smears it with an exponential decay
(Lebart et al. 2001), so noise and rooms can be mixed here instead of in the waveform.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor

from inherentd.inherent_model.errors import ModelError
from inherentd.pipeline.frontend import FrontendSpec, log_mel

UNEVEN_FRAMES = 25
"""so often, every half second, an uneven tempo is another one; a clip has at least two"""
WHITE_SECONDS = 60
"""how much white noise the steady noises are cut out of, each from a random place"""


class AugmentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ranges and probabilities, `augment` in a training recipe; dB are power dB."""

    warp: tuple[float, float] = (0.86, 1.16)
    """vocal tract length perturbation: frequencies are scaled by a factor in this range (Jaitly & Hinton 2013)"""
    tempo: tuple[float, float] = (1.0, 1.0)
    """each clip is spoken so many times as fast, at the same pitch (Ko et al. 2015): `BatchMaker` lays it so, before all else"""
    uneven_tempo: float = 0.0
    """and its tempo changes as it goes on, every half second: standard deviation of its logarithm; 0: it does not"""
    cut_probability: float = 0.0
    """a clip begins too late, and as often ends too soon: in the silence around the speech, or up to 0.2 s into it"""
    gain_db: tuple[float, float] = (-34.0, 4.0)
    noise_probability: float = 0.75
    snr_db: tuple[float, float] = (-3.0, 30.0)
    room_probability: float = 0.5
    reverberation_s: tuple[float, float] = (0.15, 0.9)
    """time to decay by 60 dB"""
    reverberation_share: tuple[float, float] = (0.05, 0.6)
    """power of the late tail over that of the dry sound, which loses half as much: 0.6 is 0.7 dB under it, 1.5 is 8 dB over"""
    babble_share: float = 0.0
    """of the noises: several voices of the training clips at once"""
    talkers: tuple[int, int] = (3, 7)
    """how many"""
    steady_share: float = 0.25
    """of the noises that are no babble: noise of a random colour, as of fans and streets; the rest is recorded, where there are recordings"""
    tilt_db: float = 6.0
    """a smooth random curve over frequency with about this standard deviation: microphones and distances"""
    band_limit_probability: float = 0.4
    band_limit_hz: tuple[float, float] = (3400.0, 7500.0)
    """nothing above a frequency in this range, as from telephones, codecs and recordings at 8 to 16 kHz: the sound of a
    recording must not tell what is said"""
    frequency_masks: int = 2
    frequency_mask_bins: int = 18
    time_masks: int = 2
    time_mask_frames: int = 12

    def __post_init__(self) -> None:
        """Refuse ranges that are the wrong way round, and tempos that nobody speaks at or changes between."""
        for name, value in msgspec.structs.asdict(self).items():
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name}: got [{value[0]:g}, {value[1]:g}], expected the lower bound first")
        if not (self.tempo[0] >= 0.25 and self.tempo[1] <= 4):
            raise ValueError(f"tempo: got {list(self.tempo)}, expected factors of 0.25 to 4; [0.85, 1.2] is usual")
        if not 0 <= self.cut_probability <= 1:
            raise ValueError(f"cut_probability: got {self.cut_probability:g}, expected 0 to 1; 0.2 is usual")
        if not 0 <= self.uneven_tempo <= 0.5:
            raise ValueError(f"uneven_tempo: got {self.uneven_tempo:g}, expected 0 to 0.5; 0.15 is usual")


class Augmenter:
    """Turns clean log-mel batches into what a microphone in a room would hear."""

    def __init__(self, config: AugmentConfig, spec: FrontendSpec, noises: list[np.ndarray],
                 voices: Sequence[np.ndarray] = ()) -> None:  # fmt: skip
        """Take the log-mel of recorded noises and, for babble, of clips of speech, all [frames, bins]. ModelError where babble is
        asked for without such clips."""
        if config.babble_share and not voices:
            raise ModelError(f"babble_share: got {config.babble_share:g} without clips of speech; leave it out")
        self.config = config
        self.voices = voices
        self.spec = spec
        self.noises = [torch.from_numpy(np.exp(noise)) for noise in noises]
        # Steady noise is rough in mel power: a narrow bin's varies as much as its mean. What is made here has that from the frontend.
        samples = np.random.default_rng(0).normal(0, 0.1, WHITE_SECONDS * spec.sample_rate_hz)
        white = np.exp(log_mel(spec, samples.astype(np.float32)))
        self.white = torch.from_numpy(white / white.mean(0))
        self.warps = torch.stack([_warp_matrix(spec, factor) for factor in np.linspace(*config.warp, 25)])
        top_mel = 2595 * np.log10(1 + spec.high_hz / 700)
        cutoffs_mel = 2595 * np.log10(1 + np.array(config.band_limit_hz) / 700)
        self.cutoff_bins = (cutoffs_mel / top_mel * spec.mel_bins).astype(int)

    def __call__(self, mel: Tensor, speech: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the augmented batch, shape and dtype of `mel` [batch, frames, bins] (natural log), drawn from `rng`.

        speech: bool [batch, frames], true where the clean clip holds speech; it sets the level that SNR refers to.
        """
        config = self.config
        batch, frames, bins = mel.shape
        power = torch.exp(mel)
        power = torch.einsum("btf,bgf->btg", power, self.warps[rng.integers(0, len(self.warps), batch)])
        for index in np.flatnonzero(rng.random(batch) < config.room_probability):
            power[index] = _reverberate(
                power[index], rng.uniform(*config.reverberation_s), rng.uniform(*config.reverberation_share), self.spec
            )
        weight = speech[..., None].float()
        level = (power * weight).sum((1, 2)) / (weight.sum((1, 2)) * bins).clamp(min=1)
        for index in np.flatnonzero(rng.random(batch) < config.noise_probability):
            noise = self._noise(frames, rng)
            snr = 10 ** (rng.uniform(*config.snr_db) / 10)
            power[index] += noise * (level[index] / (noise.mean() * snr + 1e-20))
        gain_db = torch.from_numpy(rng.uniform(*config.gain_db, (batch, 1, 1)))
        curve_db = torch.from_numpy(self._curves(batch, bins, rng))[:, None]
        power = power * (10 ** ((gain_db + curve_db) / 10)).float()
        for index in np.flatnonzero(rng.random(batch) < config.band_limit_probability):
            power[index, :, int(rng.integers(*self.cutoff_bins, endpoint=True)) :] *= 1e-5
        out = torch.log(power.clamp(min=self.spec.log_floor))
        self._mask(out, rng)
        return out

    def _noise(self, frames: int, rng: np.random.Generator) -> Tensor:
        """Return mel power [frames, bins]: several voices, a recorded noise from a random place, or a coloured one made here."""
        if self.config.babble_share and rng.random() < self.config.babble_share:
            return self._babble(frames, rng)
        if not self.noises or rng.random() < self.config.steady_share:
            slope_db = np.linspace(0, rng.uniform(-35, 5), self.spec.mel_bins, dtype=np.float32)
            return _rolled(self.white, frames, rng) * torch.from_numpy(10 ** (slope_db / 10))
        return _rolled(self.noises[rng.integers(len(self.noises))], frames, rng)

    def _babble(self, frames: int, rng: np.random.Generator) -> Tensor:
        """Return mel power [frames, bins] of several voices, equally loud."""
        mixed = torch.zeros(frames, self.spec.mel_bins)
        for _ in range(int(rng.integers(*self.config.talkers, endpoint=True))):
            voice = self.voices[int(rng.integers(len(self.voices)))]
            power = torch.exp(torch.from_numpy(np.asarray(voice, np.float32)))
            mixed += _rolled(power / power.mean(), frames, rng)
        return mixed

    def _curves(self, batch: int, bins: int, rng: np.random.Generator) -> np.ndarray:
        """Return smooth random gain curves in dB, [batch, bins]."""
        knots = rng.normal(0, self.config.tilt_db, (batch, 6))
        places = np.linspace(0, 5, bins)
        return np.stack([np.interp(places, np.arange(6), knot) for knot in knots])

    def _mask(self, mel: Tensor, rng: np.random.Generator) -> None:
        """SpecAugment (Park et al. 2019): bands and moments replaced by the clip's mean."""
        config = self.config
        for item in mel:
            mean = item.mean()
            for _ in range(config.frequency_masks):
                width = int(rng.integers(0, config.frequency_mask_bins + 1))
                start = int(rng.integers(0, mel.shape[2] - width))
                item[:, start : start + width] = mean
            for _ in range(config.time_masks):
                width = int(rng.integers(0, min(config.time_mask_frames, mel.shape[1] // 4) + 1))
                start = int(rng.integers(0, mel.shape[1] - width))
                item[start : start + width] = mean


def tempo_places(frames: int, tempo: float, uneven: float, rng: np.random.Generator) -> np.ndarray:
    """Return from which of so many frames each frame of the clip is taken when it is spoken `tempo` times as fast: float64,
    in order, the first 0, the last frames - 1. `uneven` as `AugmentConfig.uneven_tempo`; where that is 0 nothing is drawn."""
    count = max(1, round(frames / tempo))
    places = np.linspace(0, frames - 1, count)
    if not uneven or count < 2:
        return places
    tempos = np.exp(rng.normal(0, uneven, max(2, count // UNEVEN_FRAMES + 1)))
    tempos = np.interp(np.linspace(0, len(tempos) - 1, count - 1), np.arange(len(tempos)), tempos)
    passed = np.cumsum(tempos)
    places[1:-1] = passed[:-1] / passed[-1] * (frames - 1)
    return places


def at_places(mel: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the frames of log-mel [frames, bins] at these places, float32; between two frames they are interpolated."""
    sound = np.asarray(mel, np.float32)
    if np.array_equal(places, np.arange(len(sound))):
        return sound
    low = np.minimum(places.astype(int), max(0, len(sound) - 2))
    share = (places - low).astype(np.float32)[:, None]
    return sound[low] * (1 - share) + sound[np.minimum(low + 1, len(sound) - 1)] * share


def _rolled(sound: Tensor, frames: int, rng: np.random.Generator) -> Tensor:
    """Return `frames` frames of a sound from a random place, round and round."""
    start = int(rng.integers(len(sound)))
    return torch.cat([sound[start:], sound[:start]]).repeat(frames // len(sound) + 1, 1)[:frames]


def _warp_matrix(spec: FrontendSpec, factor: float) -> Tensor:
    """Return [bins, bins]: row g takes its power, interpolated, from the bin that lies at its frequency / factor."""
    top_mel, low_mel = (2595 * np.log10(1 + hz / 700) for hz in (spec.high_hz, spec.low_hz))
    mels = np.linspace(low_mel, top_mel, spec.mel_bins + 2)[1:-1]
    source_hz = 700 * (10 ** (mels / 2595) - 1) / factor
    place = np.interp(2595 * np.log10(1 + source_hz / 700), mels, np.arange(spec.mel_bins))
    low = np.minimum(np.floor(place).astype(int), spec.mel_bins - 2)
    matrix = np.zeros((spec.mel_bins, spec.mel_bins), np.float32)
    rows = np.arange(spec.mel_bins)
    matrix[rows, low] = 1 - (place - low)
    matrix[rows, low + 1] += place - low
    return torch.from_numpy(matrix)


def _reverberate(power: Tensor, decay_s: float, wet: float, spec: FrontendSpec) -> Tensor:
    """Return [frames, bins] with a late tail: each frame leaks, `wet` strong, into the following ones."""
    decay = 10 ** (-6 * spec.hop_samples / spec.sample_rate_hz / decay_s)
    length = min(40, power.shape[0])
    tail = wet * (1 - decay) * decay ** torch.arange(length - 1, -1, -1, dtype=torch.float32)
    padded = torch.nn.functional.pad(power.T[:, None], (length, 0))
    late = torch.nn.functional.conv1d(padded, tail[None, None])[:, 0, : power.shape[0]].T
    return power * (1 - wet * 0.5) + late
