"""The pages as a whole: all in the site, no link that leads nowhere, and the site builds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.docs_pages import DOCS, REPOSITORY, blocks, headings, links, pages

LANGUAGES = {"sh", "json", "python", "yaml", "text", "ini"}


def named(nav: list[Any]) -> list[str]:
    """Return the pages of a navigation, however deep."""
    found: list[str] = []
    for entry in nav:
        for below in entry.values():
            found += named(below) if isinstance(below, list) else [below]
    return found


def broken(path: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (path.parent / target) if target else path
        if not file.is_file() or (anchor and anchor not in headings(file)):
            found.append(link)
    return found


def test_every_page_is_in_the_navigation_once() -> None:
    nav = tomllib.loads((REPOSITORY / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(named(nav)) == sorted(path.name for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Some `title`, here\n[a](#some-title-here) [b](#nowhere) [c](none.md) [d](https://example.org/x)\n"
    )
    assert broken(page) == ["#nowhere", "none.md"]


def test_links_within_the_site_stay_within_it() -> None:
    for path in DOCS.glob("*.md"):
        assert [link for link in links(path) if link.startswith("../")] == [], path


def test_every_fenced_block_says_what_it_is() -> None:
    for path in pages():
        for block in blocks(path):
            assert block.language in LANGUAGES, f"{block.page}:{block.line}: got {block.language!r}"


def test_no_command_hides_in_a_block_that_is_not_shell() -> None:
    for path in pages():
        for block in blocks(path):
            if block.language not in {"sh", "text"}:  # text shows what programs print, with their names
                assert not [line for line in block.lines if line.startswith(("inherent ", "inherentd ", "python "))]


def test_the_picture_of_the_architecture_is_well_formed_and_says_what_it_shows() -> None:
    picture = ET.parse(DOCS / "architecture.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert picture.find(f"{name}title") is not None
    assert len(picture.findtext(f"{name}desc") or "") > 100
    assert "prefers-color-scheme: dark" in (picture.findtext(f"{name}style") or "")


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="zensical is missing: pip install 'inherentd[docs]'")
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(REPOSITORY / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in DOCS.glob("*.md"):
        built = tmp_path / "site" / ("index.html" if path.stem == "index" else f"{path.stem}/index.html")
        text = built.read_text(encoding="utf-8")
        assert "<h1" in text, built
        for loaded in ('<script src="http', '<link rel="stylesheet" href="http', '<img src="http'):
            assert loaded not in text, built
