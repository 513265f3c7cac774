"""`inherent corpus real`: packages become clips, voices stay in one split, what is broken or missing is left out."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inherentd.inherent_model.cli import main
from inherentd.inherent_model.corpus import packages, real_recipe
from inherentd.inherent_model.corpus.decode import decode
from inherentd.inherent_model.corpus.real import build
from inherentd.inherent_model.corpus.real_recipe import RealRecipe, Source, load_recipe, plan
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import read_manifests

REPOSITORY = Path(__file__).parents[2]


def tone(path: Path, *, rate_hz: int = 16000, seconds: float = 1.0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate_hz)
    return path


@pytest.fixture
def talkie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of package `talkie`: two voices, a beep, a broken and a very short file; no other is installed."""
    folder = tmp_path / "talkie"
    tone(folder / "anna" / "hello.wav", rate_hz=22050, channels=2)
    tone(folder / "bo" / "hello.ogg", rate_hz=8000, seconds=2)
    tone(folder / "bo" / "short.wav", seconds=0.1)
    tone(folder / "beep.wav")
    (folder / "bo" / "broken.wav").write_bytes(b"RIFF nothing")
    monkeypatch.setattr(
        real_recipe, "files_of", lambda name: sorted(p for p in folder.rglob("*") if p.is_file()) if name == "talkie" else []
    )  # fmt: skip
    return folder


def source(**changes: object) -> Source:
    fields = {"name": "talkie", "package": "talkie", "globs": ("*/*.wav", "*/*.ogg"), "without": ("*beep*",),
              "language": "en", "voice_from": r"/(\w+)/\w+\.\w+$", "licence": "CC0-1.0", "split": "train"}  # fmt: skip
    return Source(**{**fields, **changes})  # type: ignore[arg-type]


def rows_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_clips_are_16_khz_mono_and_listed_with_voice_and_licence(tmp_path: Path, talkie: Path, capsys) -> None:
    out = tmp_path / "out"
    seconds = build(RealRecipe(out=str(out), sources=[source()]), workers=2)
    assert seconds == {("train", "talkie"): pytest.approx(3, abs=0.01)}
    anna, bo = rows_of(out)
    assert anna["path"].startswith("train/talkie/hello-") and anna["path"] != bo["path"]
    assert {**anna, "path": "", "seconds": 1} == {
        "path": "", "text": "", "addressed": 0, "heads": [], "split": "train", "seconds": 1, "source": "talkie",
        "licence": "CC0-1.0", "language": "en", "voice": {"engine": "real", "name": "talkie-anna-en"},
    }  # fmt: skip
    info = soundfile.info(out / anna["path"])
    assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")
    assert [row.speaker for row in read_manifests([out / "manifest.jsonl"])] == [
        "real:talkie-anna-en", "real:talkie-bo-en",
    ]  # fmt: skip
    errors = capsys.readouterr().err
    assert "left out 1 clips: talkie: too short" in errors
    assert "Expected wav, ogg" in errors
    assert "object at" not in errors


def test_the_language_is_the_sources_unless_a_files_name_tells_another(talkie: Path) -> None:
    (planned,) = plan(RealRecipe(out="out", sources=[source(globs=("*/anna/*",), language_from="/(anna)/")]))
    assert (planned.language, planned.voice) == ("anna", "talkie-anna-anna")
    (planned,) = plan(RealRecipe(out="out", sources=[source(globs=("*/anna/*",), language_from="/(bo)/")]))
    assert (planned.language, planned.voice) == ("en", "talkie-anna-en")


def test_a_second_run_decodes_nothing_again_and_writes_the_same(tmp_path: Path, talkie: Path) -> None:
    recipe = RealRecipe(out=str(tmp_path / "out"), sources=[source(globs=("*/hello.*",))])
    build(recipe, workers=2)
    first = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    clip = tmp_path / "out" / str(rows_of(tmp_path / "out")[0]["path"])
    os.utime(clip, (0, 0))
    build(recipe, workers=1)
    assert clip.stat().st_mtime == 0
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == first


def test_a_missing_package_is_left_out_with_the_line_that_brings_it(tmp_path: Path, talkie: Path, capsys) -> None:
    recipe = RealRecipe(out=str(tmp_path / "out"), sources=[source(name="gone", package="gone-data"), source()])
    assert {name for _, name in build(recipe, workers=1)} == {"talkie"}
    assert "gone is not here: going on without it (apt-get install gone-data)" in capsys.readouterr().err


def test_a_voice_in_two_splits_is_refused(tmp_path: Path, talkie: Path) -> None:
    sources = [source(globs=("*/anna/*",)), source(globs=("*/anna/*",), split="test")]
    with pytest.raises(ModelError, match="talkie-anna-en.*train and test"):
        build(RealRecipe(out=str(tmp_path), sources=sources), workers=1)


def test_a_manifest_is_shared_out_in_the_order_of_its_files(tmp_path: Path) -> None:
    names = [f"{number}.wav" for number in (5, 3, 1, 2, 4, 6, 7, 8)]
    lines = [json.dumps({"path": name, "addressed": 0}) for name in names] + ['{"path": "9.wav", "addressed": 1}']
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    dialogue = source(package="", manifest=str(tmp_path / "manifest.jsonl"), globs=("*",), voice_from="", split="",
                      split_shares={"validation": 0.25, "test": 0.75})  # fmt: skip
    planned = plan(RealRecipe(out="out", sources=[dialogue]))
    assert [(one.member.name, one.split) for one in planned] == [
        (f"{number}.wav", "validation" if number < 3 else "test") for number in range(1, 9)
    ]


def test_archives_are_read_without_unpacking(tmp_path: Path) -> None:
    clip = tone(tmp_path / "x.wav").read_bytes()
    with zipfile.ZipFile(tmp_path / "base.wz", "w") as archive:
        archive.writestr("audio/x.wav", clip)
    table = struct.pack(">12sBII", b"X.SB", 1, 36, len(clip))
    (tmp_path / "queen.1c").write_bytes(b"QTBL" + bytes(9) + struct.pack(">H", 1) + table + clip)
    for name, member in (("base.wz", "audio/x.wav"), ("queen.1c", "X.SB")):
        (found,) = packages.members(tmp_path / name)
        assert found.name == f"{tmp_path / name}/{member}"
        assert found.read() == clip
    with pytest.raises(ModelError, match="expected a zip archive"):
        list(packages.members(tmp_path / "x.wav"))


def test_ffmpeg_speaks_of_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError, match="apt-get install ffmpeg"):
        decode(b"", ["-f", "g722"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("package: a, split: dev", "split or split_shares"),
        ("package: a, split_shares: {train: 0.5}", "add up to 1"),
        ("split: train", "package or manifest"),
        ("package: a, split: train, glob: x", "glob"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "real.yaml").write_text(f"out: o\nsources: [{{name: n, language: en, licence: l, {text}}}]")
    with pytest.raises(ModelError, match=message):
        load_recipe(tmp_path / "real.yaml")


def test_the_projects_recipe_shares_no_source_between_splits() -> None:
    sources = load_recipe(REPOSITORY / "configs/corpus/real.yaml").sources
    assert len({one.name for one in sources}) == len(sources)
    assert all(one.licence for one in sources)


def test_without_dpkg_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert packages.files_of("bash") == []


def test_the_command_prints_hours(tmp_path: Path, talkie: Path, capsys) -> None:
    (tmp_path / "real.yaml").write_text(
        f"out: {tmp_path / 'out'}\nsources: [{{name: t, package: talkie, globs: ['*/hello.*'], language: en, licence: l, split: test}}]"
    )
    assert main(["corpus", "real", "--config", str(tmp_path / "real.yaml"), "--workers", "1"]) == 0
    assert "test: 0.00 hours" in capsys.readouterr().err
