"""What a user gets: packages that hold what they need, light imports, nothing of the machine it was built on."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [REPOSITORY / name for name in names.splitlines() if (REPOSITORY / name).is_file()]


def test_the_daemon_reaches_no_training_library() -> None:
    code = (
        "import sys, pkgutil, importlib, inherentd.daemon, inherentd.pipeline\n"
        "for package in (inherentd.daemon, inherentd.pipeline):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'tensorflow', 'scipy', 'sklearn', 'onnx', 'sounddevice'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_and_the_sdist_hold_everything(tmp_path: Path) -> None:
    """The package folders are links into src/inherentd: both builds must follow them."""
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, source], check=True)
    build = [sys.executable, "-c", "from setuptools import build_meta as b; import sys; print(b.build_sdist('out'))"]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    sdist = next((source / "out").glob("*.tar.gz"))
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "xzf", sdist, "-C", unpacked, "--strip-components=1"], check=True)
    wheel = [sys.executable, "-c", "from setuptools import build_meta as b; print(b.build_wheel('out'))"]
    subprocess.run(wheel, cwd=unpacked, check=True, capture_output=True)
    names = zipfile.ZipFile(next((unpacked / "out").glob("*.whl"))).namelist()
    for wanted in (
        "inherentd/models/inherent.onnx",
        "inherentd/models/inherent.metadata.json",
        "inherentd/models/inherent-batched.onnx",
        "inherentd/models/inherent-litert.tflite",
        "inherentd/models/inherent-mlx.safetensors",
        "inherentd/models/README.md",
        "inherentd/configs/daemon.yaml",
        "inherentd/configs/train/whole.yaml",
        "inherentd/contracts/gate.opened.schema.json",
        "inherentd/daemon/demo/clips.jsonl",
        "inherentd/inherent_model/corpus/phrases/first/start_timer.yaml",
        "inherentd/systemd/inherentd.service",
        "inherentd/systemd/inherentd@.service",
        "inherentd/systemd/org.inherentd.agent.plist",
        "inherentd/web/dashboard/index.html",
        "inherentd/web/dashboard/dashboard.css",
        "inherentd/web/dashboard/main.js",
        "inherentd/pipeline/runtimes/onnx.py",
        "inherentd/export/onnx.py",
        "inherentd/bridges/wyoming/wake.py",
    ):
        assert wanted in names, wanted
    assert sum(name.endswith(".flac") for name in names) >= 12
    assert not [
        name
        for name in names
        if name.endswith(("inherent.safetensors", "-windowed.onnx", "-audio-float16.onnx")) or name.startswith("tests")
    ]


def test_the_sample_rate_is_written_down_once() -> None:
    for folders in (("pipeline", "daemon"), ("inherent_model/corpus",)):
        sources = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
        assert len(sources) > 10
        found = [path.name for path in sources for _ in re.findall(r"(?<!KOKORO)_RATE_HZ = \d", path.read_text())]
        assert len(found) == 1, found


def test_constraints_pin_versions_and_name_no_address() -> None:
    for name in ("constraints.txt", "constraints-bridges.txt"):
        lines = [line for line in (REPOSITORY / name).read_text().splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line) for line in lines), lines


def test_every_dependency_is_pinned_and_explained() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    section = project[project.index("\ndependencies = [") : project.index("[project.scripts]")]
    names = {name.lower() for name in re.findall(r'"([A-Za-z0-9_-]+)(?:\[[a-z]+\])?[><=]', section)} - {"setuptools"}
    constraints = [(REPOSITORY / name).read_text() for name in ("constraints.txt", "constraints-bridges.txt")]
    pinned = {line.split("==")[0].lower() for text in constraints for line in text.splitlines()}
    explained = (REPOSITORY / "docs" / "dependencies.md").read_text().lower()
    assert names <= pinned
    assert [name for name in names if name not in explained] == []


def test_the_versions_that_are_written_down_agree() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    released = re.findall(r"^## \[([0-9.]+)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == project["version"]
    pinned: dict[str, str] = {}
    for name in ("constraints-bridges.txt", "constraints.txt"):  # of what both pin, the latter's are explained
        pinned |= dict(re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / name).read_text(), re.MULTILINE))
    rows = re.findall(
        r"^\| ([^|]+) \| ([0-9][^|]*) \|", (REPOSITORY / "docs" / "dependencies.md").read_text(), re.MULTILINE
    )
    explained = {
        name: version
        for names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    assert len(explained) >= 20
    assert {name: pinned.get(name) for name in explained} == explained


def test_nothing_names_the_machine_it_was_made_on() -> None:
    machine_path = re.compile(r"(?<![\w.])/(?:root|work|farm|home/\w+)/[\w.-]+")
    registry = re.compile(r"https?://[^\s\"']*(?:registry|mirror|proxy|/simple)")
    texts = {".py", ".service", ".plist", ".toml", ".txt", ".md", ".yaml", ".json", ".jsonl", ".sh", ""}
    for path in tracked():
        if path.suffix in texts and path != Path(__file__).resolve():
            text = path.read_text()
            assert not machine_path.search(text), (path, machine_path.search(text))
            assert not registry.search(text), (path, registry.search(text))
