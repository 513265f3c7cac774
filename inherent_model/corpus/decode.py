"""Any audio file as 16 kHz mono FLAC."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.whole import whole

SAMPLE_RATE_HZ = 16_000


def decode(data: bytes, ffmpeg: Sequence[str] = ()) -> npt.NDArray[np.float32]:
    """Return the samples, 16 kHz mono. `ffmpeg`: input options for what libsndfile does not read, e.g. -f g722."""
    if ffmpeg:
        return _with_ffmpeg(data, ffmpeg)
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ModelError(f"{error.error_string} Expected wav, ogg, opus, flac or mp3") from error
    return soxr.resample(samples.mean(axis=1), rate_hz, SAMPLE_RATE_HZ)


def write_flac(path: Path, samples: npt.NDArray[np.float32]) -> None:
    """Write the file in one go: it is there whole or not at all."""
    with whole(path) as unfinished:
        soundfile.write(unfinished, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")


def _with_ffmpeg(data: bytes, options: Sequence[str]) -> npt.NDArray[np.float32]:
    output = ["-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-"]
    try:
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", *options, "-i", "-", *output],
            input=data, capture_output=True, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ModelError("ffmpeg is not here; apt-get install ffmpeg") from error
    if done.returncode != 0:
        raise ModelError(f"ffmpeg {' '.join(options)}: {done.stderr.decode(errors='replace').strip()[-120:]}")
    return np.frombuffer(done.stdout, dtype="<f4").astype(np.float32)
