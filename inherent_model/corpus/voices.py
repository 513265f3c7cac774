"""Which voices may speak in which split, and how they are drawn.

A voice is (engine, name, settings). Voices of the test and validation splits never speak in training, not even in a
blend. The reserved voices belong to an independent evaluation and are refused everywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from inherentd.inherent_model.errors import ModelError

RESERVED = frozenset(
    {"af_nova", "af_kore", "am_onyx", "am_puck", "bf_lily", "bf_alice", "bm_lewis", "bm_daniel", "joe", "en-GB", "slt"}
)

KOKORO_TEST = ("af_bella", "am_michael", "bm_george")
KOKORO_VALIDATION = ("af_sarah", "am_liam")
KOKORO_TRAIN = (
    "af_heart", "af_alloy", "af_aoede", "af_jessica", "af_nicole", "af_river", "af_sky",
    "am_adam", "am_echo", "am_eric", "am_fenrir", "am_santa",
    "bf_emma", "bf_isabella", "bm_fable",
)  # fmt: skip
KOKORO_FOREIGN = (
    "ef_dora", "em_alex", "em_santa", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara", "im_nicola",
    "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo", "pf_dora", "pm_alex", "pm_santa",
    "zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang",
)  # fmt: skip

# Names of the single voices of the smaller engines, by split. A split that is missing has no voice of that engine.
SMALL_ENGINES: dict[str, dict[str, tuple[str, ...]]] = {
    "hibari": {"train": ("heart",)},
    "pico": {"train": ("en-US",)},
    "flite": {"train": ("kal16", "awb"), "test": ("rms",)},
    "festival": {"train": ("kal_diphone",), "test": ("ked_diphone",)},
    "espeak": {
        "train": tuple(
            f"{accent}+{variant}"
            for accent in ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp")
            for variant in ("m1", "m2", "m3", "m4", "m7", "f1", "f2", "f3", "f4")
        ),
        "validation": ("en-gb-x-gbclan+m5", "en-gb-x-gbclan+f5"),
        "test": ("en-us-nyc+m6", "en-us-nyc+linda"),
    },
}


@dataclass(frozen=True)
class Voice:
    """Who speaks: `name` within `engine` (for Kokoro a blend like "a*0.60+b*0.40"), speed and pitch as factors."""

    engine: str
    name: str
    speed: float = 1.0
    pitch: float = 1.0
    formant: float = 1.0
    parts: dict[str, float] = field(default_factory=dict)


def components(name: str) -> list[str]:
    """Return the single voices in a blend's name: "af_sky*0.60+bf_emma*0.40" -> ["af_sky", "bf_emma"]."""
    return [part.split("*")[0] for part in name.split("+")]


def refuse_reserved(name: str) -> None:
    """Raise ModelError when a voice, or a part of a blend, is reserved for the independent evaluation."""
    reserved = RESERVED.intersection(components(name))
    if reserved:
        raise ModelError(
            f"voice {name!r}: {sorted(reserved)} is reserved for the independent evaluation; choose another"
        )


def draw(engine: str, split: str, rng: random.Random, revoiced_share: float = 0.65) -> Voice:
    """Return a voice of `engine` that may speak in `split`; the same `rng` state gives the same voice.

    Speed, pitch and formant ranges are those that stay intelligible for the engine. Pitch and formants are changed
    after synthesis with WORLD (training only, in `revoiced_share` of the clips), so that one neural voice becomes many
    speakers.
    """
    speed = round(rng.uniform(0.85, 1.3), 2)
    if engine == "kokoro":
        parts = _kokoro_parts(split, rng)
        name = "+".join(f"{voice}*{weight:.2f}" for voice, weight in parts.items())
        voice = Voice(engine, name if len(parts) > 1 else next(iter(parts)), speed, parts=parts)
    else:
        name = rng.choice(SMALL_ENGINES[engine][split])
        voice = Voice(engine, name, speed)
    refuse_reserved(voice.name)
    if split != "train" or engine == "espeak" or rng.random() < 1 - revoiced_share:
        return voice
    return Voice(
        engine,
        voice.name,
        speed,
        pitch=round(rng.uniform(0.65, 1.35), 2),
        formant=round(rng.uniform(0.86, 1.15), 2),
        parts=voice.parts,
    )


def _kokoro_parts(split: str, rng: random.Random) -> dict[str, float]:
    """Return style weights that sum to 1: a pure voice, a blend, or an extrapolation a + 0.4 (a - b)."""
    pool = {"train": KOKORO_TRAIN, "validation": KOKORO_VALIDATION, "test": KOKORO_TEST}[split]
    first = rng.choice(pool)
    if split != "train" or rng.random() < 0.3:
        return {first: 1.0}
    second = rng.choice([name for name in (*pool, *KOKORO_FOREIGN) if name != first])
    weight = round(rng.uniform(0.35, 0.9), 2) if rng.random() < 0.75 else 1.4
    return {first: weight, second: round(1 - weight, 2)}
