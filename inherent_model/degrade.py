"""What a microphone hears of a clean clip: room, noise, overload, level, offset, telephone or codec.

On the waveform, for evaluation and wherever the quick form on mel frames (`augment.py`) is too rough.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile
import soxr
from scipy import signal

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.noises import RATE_HZ, noise
from inherentd.inherent_model.rooms import ROOMS, impulse_response

FRAME_SAMPLES = 320  # 20 ms
ACTIVE_MARGIN_DB = 15.9  # ITU-T P.56, method B
DISTANCES_M = {"near": (0.3, 1.0), "far": (2.0, 4.0)}
TELEPHONE_BAND_HZ = (300, 3400)
MU = 255  # ITU-T G.711
OPUS_KBPS = (6, 256)


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done to a clip, in this order; ranges are drawn from anew for each clip, None leaves the step out."""

    name: str
    room: str | None = None
    """"near": 0.3 to 1 m from the microphone, "far": 2 to 4 m"""
    rt60_s: tuple[float, float] = (0.2, 0.8)
    noise: tuple[str, ...] = ("pink",)
    """kinds (`noises.KINDS`), one of them drawn for each clip"""
    snr_db: tuple[float, float] | None = None
    """speech while it is spoken (`active_level_dbfs`) over the noise's mean; None: no noise"""
    clip_db: float | None = None
    """an overloaded input: cut off so far under the highest peak"""
    level_dbfs: tuple[float, float] | None = None
    """of the speech while it is spoken; the noise goes along"""
    dc_offset: float = 0.0
    """of full scale"""
    telephone: bool = False
    """300 to 3400 Hz, 8 kHz, mu-law of 8 bits"""
    opus_kbps: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.room is not None and self.room not in DISTANCES_M:
            raise ModelError(f"condition {self.name!r}: room {self.room!r}, expected one of {', '.join(DISTANCES_M)}")
        for name in ("rt60_s", "snr_db", "level_dbfs"):
            low, high = getattr(self, name) or (0, 0)
            if not low <= high:
                raise ModelError(f"condition {self.name!r}: {name} [{low:g}, {high:g}], expected the lower end first")
        if self.snr_db is not None and not self.noise:
            raise ModelError(f"condition {self.name!r}: snr_db without a kind of noise; name one, e.g. noise: [pink]")
        if self.opus_kbps is not None and not OPUS_KBPS[0] <= self.opus_kbps <= OPUS_KBPS[1]:
            raise ModelError(f"condition {self.name!r}: opus_kbps {self.opus_kbps}, expected {OPUS_KBPS[0]} to 256")


def degrade(
    samples: np.ndarray,
    condition: Condition,
    rng: np.random.Generator,
    sounds: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> np.ndarray:
    """Return the clip under a condition, as many samples, float32 in [-1, 1]; the speech stays where it was in time.

    samples: float32 at 16 kHz; give it silence at its end for the room's tail. sounds: by kind of noise, what "babble"
    and "recorded" are made of. All that is random comes from `rng`.
    """
    heard = samples.astype(np.float32)
    if condition.room is not None:
        index = int(rng.integers(ROOMS))
        heard = reverberate(heard, impulse_response(DISTANCES_M[condition.room], condition.rt60_s, index))
    if condition.snr_db is not None:
        kind = condition.noise[int(rng.integers(len(condition.noise)))]
        beneath = noise(kind, len(heard), rng, (sounds or {}).get(kind, ()))
        heard = heard + beneath * gain_to(active_level_dbfs(heard) - rng.uniform(*condition.snr_db))
    if condition.clip_db is not None:
        highest = float(np.abs(heard).max(initial=0)) * 10 ** (-condition.clip_db / 20)
        heard = np.clip(heard, -highest, highest)
    if condition.level_dbfs is not None:
        heard = heard * gain_to(rng.uniform(*condition.level_dbfs) - active_level_dbfs(heard))
    heard = np.clip(heard + condition.dc_offset, -1, 1).astype(np.float32)
    if condition.telephone:
        heard = telephone(heard)
    if condition.opus_kbps is not None:
        heard = opus(heard, condition.opus_kbps)
    return heard


def drawn_for(condition: Condition, path: str | Path, seed: int = 0, take: int = 0) -> np.random.Generator:
    """Return what draws for one take of a clip under a condition: it depends on these, the clip by its file name, and on no
    other clip."""
    names = (condition.name, Path(path).name)
    return np.random.default_rng([seed, take, *(zlib.crc32(name.encode()) for name in names)])


def active_level_dbfs(samples: np.ndarray) -> float:
    """Return the mean level of the frames in which somebody speaks, in dB of full scale (a sine at full scale: -3).

    After ITU-T P.56: a frame is active when it is at most 15.9 dB under the level of the active ones.
    """
    framed = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = np.mean(np.square(framed if len(framed) else samples[None], dtype=np.float64), axis=1)
    level = float(power.mean()) if power.size else 0.0
    for _ in range(20):
        active = power[power > level * 10 ** (-ACTIVE_MARGIN_DB / 10)]
        if not len(active) or np.isclose(active.mean(), level):
            break
        level = float(active.mean())
    return 10 * float(np.log10(max(level, 1e-10)))


def gain_to(level_db: float) -> np.float32:
    """Return the factor for an amplitude that a level in dB stands for."""
    return np.float32(10 ** (level_db / 20))


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the samples heard through a room, as loud as before."""
    wet = np.asarray(signal.fftconvolve(samples, response), np.float32)[: len(samples)]
    return wet * gain_to(active_level_dbfs(samples) - active_level_dbfs(wet))


def telephone(samples: np.ndarray) -> np.ndarray:
    """Return the samples after a narrow-band telephone line: band limits, 8 kHz, mu-law (ITU-T G.711)."""
    band = signal.butter(4, TELEPHONE_BAND_HZ, "bandpass", fs=RATE_HZ, output="sos")
    line = soxr.resample(signal.sosfiltfilt(band, samples).astype(np.float32), RATE_HZ, RATE_HZ // 2)
    line = np.clip(line, -1, 1)
    compressed = np.sign(line) * np.log1p(MU * np.abs(line)) / np.log1p(MU)
    steps = np.rint(compressed * 127) / 127
    line = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU
    return _as_long(soxr.resample(line.astype(np.float32), RATE_HZ // 2, RATE_HZ), len(samples))


def opus(samples: np.ndarray, kbps: float) -> np.ndarray:
    """Return the samples after Opus at about so many kilobits a second; ModelError where libsndfile has no Opus."""
    if "OPUS" not in soundfile.available_subtypes("OGG"):
        raise ModelError(f"opus: libsndfile {soundfile.__libsndfile_version__} cannot write it; expected 1.1 or newer")
    # libsndfile maps its compression level from 0 to 1 to 256 down to 6 kbit/s (ogg_opus.c).
    compression = 1 - (kbps - OPUS_KBPS[0]) / (OPUS_KBPS[1] - OPUS_KBPS[0])
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS", compression_level=compression)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return _as_long(decoded, len(samples))


def _as_long(samples: np.ndarray, count: int) -> np.ndarray:
    """Return exactly `count` samples in [-1, 1]: resamplers and codecs may give one more or fewer, and overshoot."""
    return np.clip(np.pad(samples, (0, max(0, count - len(samples))))[:count], -1, 1).astype(np.float32)
