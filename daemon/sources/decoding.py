"""Audio file -> 16 kHz mono int16 blocks, or an error: a broken file never passes for a short one."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.container import refuse_incomplete
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.resampling import Resampler

Pcm = NDArray[np.int16]


class AudioFile:
    """An opened WAV, FLAC, OGG or other file that libsndfile reads."""

    def __init__(self, path: Path) -> None:
        """Open. Raises DaemonError for a file that is missing, empty, cut off or no audio."""
        refuse_incomplete(path)
        self.path = path
        self.bad_samples = 0  # NaN or infinite, taken as 0
        self._soundfile: Any = importlib.import_module("soundfile")
        try:
            self._file: Any = self._soundfile.SoundFile(str(path))
        except self._soundfile.LibsndfileError as error:
            raise DaemonError(f"{path}: is no audio file that can be read: {_reason(error)}") from None
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames = int(self._file.frames)
        if self.frames == 0:
            self._file.close()
            raise DaemonError(f"{path}: holds no audio (0 samples)")

    def blocks(self, seconds: float) -> Generator[Pcm]:
        """Yield int16 [n] at 16 kHz, mono, about `seconds` at a time; n may be 0. Closes the file at the end.

        A 16 kHz mono 16-bit file comes out bit for bit. Raises DaemonError when fewer samples can be decoded than
        the file's header says.
        """
        exact = self.channels == 1 and str(self._file.subtype) == "PCM_16"
        block_frames = max(1, round(seconds * self.rate_hz))
        read = 0
        try:
            resampler = Resampler(self.rate_hz)
            while True:
                block: NDArray[Any] = self._file.read(block_frames, dtype="int16" if exact else "float32")
                if len(block) == 0:
                    break
                read += len(block)
                yield resampler.push(block if exact else self._mono(block))
            if read != self.frames:
                raise DaemonError(
                    f"{self.path}: is truncated: its header says {self.frames} samples, {read} could be decoded; "
                    "get the whole file again"
                )
            yield resampler.flush()
        except self._soundfile.LibsndfileError as error:
            raise DaemonError(
                f"{self.path}: is damaged or truncated somewhere after sample {read} of {self.frames} ({_reason(error)}); "
                "get the whole file again"
            ) from None
        except PipelineError as error:
            raise DaemonError(f"{self.path}: {error}") from None
        finally:
            self._file.close()

    def _mono(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        finite = np.isfinite(block)
        if not finite.all():  # before the resampler, whose filter would spread one NaN over many samples
            self.bad_samples += int(block.size - np.count_nonzero(finite))
            block = np.where(finite, block, np.float32(0))
        return block if block.ndim == 1 else block.mean(axis=1, dtype=np.float32)


def read_whole(path: Path) -> Pcm:
    """Return all samples of a file, int16 [n] at 16 kHz. Raises DaemonError as AudioFile does."""
    return np.concatenate(list(AudioFile(path).blocks(seconds=10.0)))


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2].rstrip(".") or "unknown format"
