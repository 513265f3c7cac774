"""How loud each hop is, and whether that is louder than the room: cheap, in the time domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.ring import Pcm

SILENCE_DBFS = -100.0
FULL_SCALE_POWER = 32768.0**2
VOICE_LAG_SAMPLES = 16


@dataclass(frozen=True)
class ActivityConfig:
    """When a level counts as speech: over the room's floor by `margin_db`, and over `lowest_dbfs`."""

    margin_db: float = 9.0
    lowest_dbfs: float = -58.0
    rise_db_per_s: float = 2.0
    """how fast the floor follows a louder room. Falls are followed at once."""

    @property
    def lowest_floor_dbfs(self) -> float:
        """Return the floor of the quietest room; a moment of digital silence must not make any room seem loud."""
        return self.lowest_dbfs - self.margin_db


@dataclass(frozen=True)
class ActivityState:
    """The room's noise floor."""

    floor_dbfs: float


ROOM = ActivityConfig(margin_db=3.5, lowest_dbfs=-76.5)
"""what is more than a room's own noise, by `voices_dbfs`: less than what counts as speech, since it only decides who listens"""


def initial_state(config: ActivityConfig) -> ActivityState:
    """Return the state before the first step: a quiet room."""
    return ActivityState(config.lowest_floor_dbfs)


def step(config: ActivityConfig, state: ActivityState, level_dbfs: float, seconds: float) -> tuple[ActivityState, bool]:
    """Return the next state and whether this step of `seconds` is active (speech or other sound over the floor)."""
    floor = max(min(level_dbfs, state.floor_dbfs + config.rise_db_per_s * seconds), config.lowest_floor_dbfs)
    return ActivityState(floor), level_dbfs > floor + config.margin_db


def levels_dbfs(samples: Pcm, hop_samples: int) -> NDArray[np.float64]:
    """Return the level of each whole hop in dB of full scale, [hops], at least `SILENCE_DBFS`."""
    hops = len(samples) // hop_samples
    return _dbfs(samples[: hops * hop_samples].reshape(hops, hop_samples).astype(np.float32))


def voices_dbfs(samples: Pcm, hop_samples: int) -> NDArray[np.float64]:
    """Return the level of each whole hop's differences over 1 ms, as `levels_dbfs` does: hum and rumble count little, what
    voices have around 500 Hz most, and chance moves it less than the level. Tried with lags of 1 to 16 samples on speech in white,
    pink, brown noise, hum, rain and a fan at 0 to 10 dB: with this one soft speech stands out from steady noise most.
    """
    hops = len(samples) // hop_samples
    framed = samples[: hops * hop_samples].reshape(hops, hop_samples).astype(np.float32)
    return _dbfs(framed[:, VOICE_LAG_SAMPLES:] - framed[:, :-VOICE_LAG_SAMPLES])


def _dbfs(framed: NDArray[np.float32]) -> NDArray[np.float64]:
    power = np.einsum("hs,hs->h", framed, framed) / framed.shape[1]
    return 10 * np.log10(np.maximum(power / FULL_SCALE_POWER, 10 ** (SILENCE_DBFS / 10)), dtype=np.float64)
