"""What an engine takes on the disk: the packages that pip installs for it, measured here or in a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = "inherentd"


def installed_bytes(requirements: Iterable[str]) -> int:
    """Return the bytes of the files of these packages and of all that they need, as their records list them."""
    return sum(_bytes_of(name) for name in _closure(requirements))


def fresh_bytes(requirements: Sequence[str]) -> int:
    """Return the bytes that pip puts into a fresh virtual environment for these packages, without pip."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        wanted = [str(ROOT) + name.removeprefix(OURS) if name.startswith(OURS) else name for name in requirements]
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-compile", "--constraint", str(ROOT / "constraints.txt"), *wanted], check=True)
        return _sum(path for path in (Path(folder) / "lib").rglob("*") if path.is_file() and not path.is_symlink())


def _closure(requirements: Iterable[str]) -> set[str]:
    """Return the names of all packages that these need here, themselves among them."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [Requirement(requirement) for requirement in requirements]
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            needs = distribution(key[0]).requires or []
        except PackageNotFoundError:  # it is not needed on this machine
            continue
        found.add(key[0])
        for need in map(Requirement, needs):
            extras = ["", *wanted.extras]
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(need)
    return found


def _bytes_of(name: str) -> int:
    if name == OURS:  # editable here: what its wheel holds
        return _sum(_our_files())
    files = distribution(name).files or []
    return _sum(Path(str(file.locate())) for file in files if "__pycache__" not in file.parts)


def _our_files() -> Iterable[Path]:
    """Return the files of this repository that the rules of pyproject.toml put into the wheel."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    kept, left_out = ("*.py", *rules["package-data"]["*"]), rules["exclude-package-data"]["*"]
    for package in (ROOT / "src" / OURS).iterdir():
        for path in package.resolve().rglob("*") if package.is_dir() else [package]:
            if any(fnmatch(path.name, rule) for rule in kept) and not any(fnmatch(path.name, r) for r in left_out):
                yield path


def _sum(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
