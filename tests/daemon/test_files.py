"""Files of all kinds: either every sample comes out, or an error; never a short file that looks whole."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.decoding import AudioFile, read_whole
from inherentd.daemon.sources.file import FileSource
from inherentd.daemon.stop import StopSignals
from tests.daemon.conftest import loud, write_wav


def tone(rate_hz: int, seconds: float = 1.0, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_16_khz_mono_comes_out_bit_for_bit(tmp_path: Path, ending: str) -> None:
    path, pcm = tmp_path / f"a.{ending}", loud(1.3)
    soundfile.write(path, pcm, 16_000, subtype="PCM_16")
    assert np.array_equal(read_whole(path), pcm)
    assert np.array_equal(np.concatenate(list(AudioFile(path).blocks(0.017))), pcm)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (8_000, 2), (44_100, 1), (48_000, 2), (16_000, 2)])
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_other_rates_and_channels_become_16_khz_mono(tmp_path: Path, rate_hz: int, channels: int, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.repeat(tone(rate_hz)[:, None], channels, axis=1), rate_hz)
    pcm = read_whole(path)
    assert abs(len(pcm) - 16_000) <= 1
    middle = slice(1_000, 15_000)
    assert np.abs(pcm[middle] / 32768 - tone(16_000)[: len(pcm)][middle]).max() < 0.01


def test_ogg(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, tone(16_000), 16_000)
    assert np.abs(read_whole(path)[1_000:15_000] / 32768 - tone(16_000)[1_000:15_000]).max() < 0.05


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_not_a_number_becomes_silence_and_is_counted(tmp_path: Path, rate_hz: int) -> None:
    samples = tone(rate_hz)
    samples[5_000], samples[6_000], samples[7_000] = np.nan, np.inf, -np.inf
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    file = AudioFile(path)
    pcm = np.concatenate(list(file.blocks(0.1)))
    assert file.bad_samples == 3
    assert np.abs(pcm).max() < 18_000
    assert np.abs(pcm).mean() > 5_000


def test_too_loud_is_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 8 * tone(16_000), 16_000, subtype="FLOAT")
    pcm = read_whole(path)
    assert (pcm.max(), pcm.min()) == (32767, -32768)
    assert (pcm * tone(16_000) > -1).all()


def _error_of(path: Path) -> str:
    with pytest.raises(DaemonError) as raised:
        read_whole(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_nothing_there(tmp_path: Path) -> None:
    assert "no such file" in _error_of(tmp_path / "none.wav")
    assert "is a folder" in _error_of(tmp_path)


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "is empty" in _error_of(tmp_path / "a.wav")
    assert "0 samples" in _error_of(write_wav(tmp_path / "b.wav", loud(0)))


def test_not_audio(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello, this is no audio at all, but long enough to be looked at")
    assert "no audio file" in _error_of(tmp_path / "a.wav")


@pytest.mark.parametrize("kept", [0.99, 0.5, 0.01])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_truncated(tmp_path: Path, ending: str, kept: float) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, loud(2), 16_000)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "truncated" in (message := _error_of(path)) or "damaged" in message or "no audio file" in message


def test_a_wav_cut_by_one_sample_and_one_inside_the_header(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(1))
    data = path.read_bytes()
    path.write_bytes(data[:-2])
    assert "its header says 32000 bytes of audio, 31998 are there" in _error_of(path)
    path.write_bytes(data[:30])
    assert "truncated" in _error_of(path)


def test_a_wav_that_was_never_finished(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(1))
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 0)
    path.write_bytes(data)
    assert "never finished" in _error_of(path)


def test_a_streamed_wav_of_unknown_length_is_whole(tmp_path: Path) -> None:
    path, pcm = tmp_path / "a.wav", loud(1)
    data = bytearray(write_wav(path, pcm).read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFF_FFFF)
    path.write_bytes(data)
    assert np.array_equal(read_whole(path), pcm)


def test_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, loud(4), 16_000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3_000] = bytes(3_000)
    path.write_bytes(data)
    message = _error_of(path)
    assert "damaged" in message or "truncated" in message
    assert "get the whole file again" in message


def test_pacing(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(0.5))
    with StopSignals() as stop, FileSource(path, "realtime", 80, stop) as source:
        started, lengths = time.monotonic(), []
        while (block := source.read(1.0)) is not None:
            lengths.append(len(block))
        assert 0.45 < time.monotonic() - started < 1.5
    assert lengths == [1280] * 6 + [320]
    with StopSignals() as stop, FileSource(path, "realtime", 1000, stop) as source:
        first = source.read(0.01)
        assert first is not None
        assert len(first) == 0


def test_full_speed(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", loud(20))
    with StopSignals() as stop, FileSource(path, "max", 80, stop) as source:
        started, samples = time.monotonic(), 0
        while (block := source.read(1.0)) is not None:
            samples += len(block)
    assert samples == 320_000
    assert time.monotonic() - started < 5
