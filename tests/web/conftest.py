"""The browser demo, built once: node and npm do it, Chromium runs it. Where one is missing, these tests are skipped."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "web"
TIMEOUT_S = 300

Node = Callable[..., str]


@pytest.fixture(scope="session")
def node() -> Node:
    """Return `run(*arguments, stdin="")`, which runs node in web/ and returns its standard output."""
    if shutil.which("node") is None:
        pytest.skip("node is missing: apt-get install nodejs")

    def run(*arguments: object, stdin: str = "") -> str:
        command = ["node", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=WEB, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def module(node: Node) -> Callable[[str, Any], Any]:
    """Return `call(script, given)`: what a script, which sees `given` and the modules of the demo, prints as JSON."""

    def call(script: str, given: Any) -> Any:
        preamble = 'import { readFileSync } from "node:fs"; const given = JSON.parse(readFileSync(0, "utf8"));\n'
        out = node("--input-type=module", "--eval", preamble + script, stdin=json.dumps(given))
        return json.loads(out)

    return call


@pytest.fixture(scope="session")
def demo(node: Node) -> Node:
    """Build web/dist and return `node`. Skips where npm or Chromium is missing."""
    if shutil.which("npm") is None:
        pytest.skip("npm is missing: apt-get install npm")
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("Chromium is missing: apt-get install chromium")
    with (WEB / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes build too
        subprocess.run(["make", "--silent", "web"], cwd=WEB.parent, check=True, timeout=TIMEOUT_S)
    return node


@pytest.fixture(scope="session")
def synthesizer() -> Callable[[str, Path], Path]:
    """Return `speak(text, path)`, which writes a 16 kHz WAV file and returns its path."""
    if shutil.which("flite") is None:
        pytest.skip("flite is missing: apt-get install flite")

    def speak(text: str, path: Path) -> Path:
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", path], check=True)
        return path

    return speak
