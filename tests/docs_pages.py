"""The pages, their blocks of code, and the shell commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
SHELL = "sh"
BETWEEN = {"&&", "||", "|", ";", "&"}
LOOP = re.compile(r"for (?P<name>\w+) in (?P<values>[^;]+); do (?P<body>.+); done$")
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")


def pages() -> list[Path]:
    """Return every page that people read: the README, the model card and docs/."""
    return [REPOSITORY / "README.md", REPOSITORY / "models" / "README.md", *sorted(DOCS.glob("*.md"))]


@dataclass(frozen=True)
class Block:
    """Code on a page. An indented block is shell; a fenced one says what it is."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One program with its arguments, without what is set, piped and redirected around it."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {shlex.join(self.words)}"


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    page, lines = str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        start = number
        if (fence := re.match(r"\s*(```+)(\w*)", lines[number])) is not None:
            number += 1
            while not lines[number].lstrip().startswith(fence[1]):
                number += 1
            yield Block(page, start + 1, fence[2], tuple(line.strip() for line in lines[start + 1 : number]))
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            yield Block(page, start + 1, SHELL, tuple(line.strip() for line in lines[start:number]))
            number -= 1
        number += 1


def commands(path: Path) -> Iterator[Command]:
    """Yield the commands of a page's shell blocks in order."""
    for block in blocks(path):
        if block.language != SHELL:
            continue
        text = "\n".join(block.lines).replace("\\\n", " ")
        for line in filter(None, text.splitlines()):
            for words in (words for turn in turns(line) for words in split(turn)):
                yield Command(block.page, block.line, tuple(words))


def turns(line: str) -> Iterator[str]:
    """Yield a line, or what a loop over words does in each turn."""
    loop = LOOP.match(line)
    if loop is None:
        yield line
    else:
        for value in loop["values"].split():
            yield re.sub(rf"\${loop['name']}\b", value, loop["body"])


def split(line: str) -> Iterator[list[str]]:
    """Yield the programs of a shell line with their arguments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if skip:
            skip = False
        elif word in BETWEEN:
            while words and (ASSIGNMENT.match(words[0]) or words[0] == "sudo"):
                words.pop(0)
            if words:
                yield words
            words = []
        elif word in {">", ">>", "<"}:
            skip = True
        else:
            words.append(word)


def headings(path: Path) -> list[str]:
    """Return the anchors of a page, as code hosts make them."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-") for title in titles]


def links(path: Path) -> list[str]:
    """Return where a page's links and pictures lead."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|href)="([^"]+)"', text)]
