"""What installing brings: the client library alone, or the daemon with it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import msgspec
import pytest
import zmq

from tests.test_repository import REPOSITORY

WHEEL = [sys.executable, "-c", "from setuptools import build_meta as b; print(b.build_wheel('out'))"]
ALONE = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import inherentd.client
async def nothing_comes():
    async with inherentd.client.AsyncSubscriber("tcp://127.0.0.1:1") as subscriber:
        assert [message async for message in subscriber.messages(0.01)] == []
asyncio.run(nothing_comes())
print(inherentd.client.__file__)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
    return folder


def built(project: Path) -> zipfile.ZipFile:
    subprocess.run(WHEEL, cwd=project, check=True, capture_output=True)
    return zipfile.ZipFile(next((project / "out").glob("*.whl")))


def requirements(wheel: zipfile.ZipFile) -> set[str]:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return set(message_from_bytes(wheel.read(name)).get_all("Requires-Dist", []))


def test_the_client_alone_needs_zeromq_and_msgspec_only(source: Path, tmp_path: Path) -> None:
    wheel = built(source / "distributions" / "client")
    assert requirements(wheel) == {"msgspec>=0.19", "pyzmq>=26"}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == {f"inherentd/client/{path.name}" for path in (source / "client").glob("*.py")}
    wheel.extractall(tmp_path)
    for package in (zmq, msgspec):
        installed = Path(package.__file__).parents[1]
        for path in (*installed.glob("*zmq*"), *installed.glob("msgspec*")):
            if not (tmp_path / path.name).exists():
                (tmp_path / path.name).symlink_to(path)
    # Without site-packages (-S) and PYTHONPATH (-I) there is nothing else.
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "inherentd" / "client" / "__init__.py")


def test_the_daemon_brings_the_client_and_all_that_it_needs_itself(source: Path) -> None:
    wheel = built(source)
    always = {requirement for requirement in requirements(wheel) if "extra ==" not in requirement}
    assert {"msgspec>=0.19", "pyzmq>=26", "onnxruntime>=1.20", "sounddevice>=0.5"} <= always
    assert "inherentd/client/subscriber.py" in wheel.namelist()


def test_both_have_the_same_version_and_bounds() -> None:
    both, alone = (
        tomllib.loads((REPOSITORY / folder / "pyproject.toml").read_text())["project"]
        for folder in (".", "distributions/client")
    )
    assert alone["version"] == both["version"]
    assert alone["requires-python"] == both["requires-python"]
    assert set(alone["dependencies"]) <= set(both["dependencies"])


@pytest.mark.parametrize("command", ["run", "listen", "control"])
def test_a_command_without_the_daemons_packages_says_so_in_one_line(command: str) -> None:
    code = "import sys; sys.modules['yaml'] = sys.modules['structlog'] = None; from inherentd.daemon.cli import main; "
    arguments = [sys.executable, "-c", f"{code}sys.exit(main([{command!r}]))"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(f"inherentd {command}: needs the package ")
    assert "pip install inherentd" in done.stderr
