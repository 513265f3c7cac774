"""Public corpora: what a catalogue file says of one, read and checked before anything is fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import yaml

from inherentd.inherent_model.errors import ModelError

CATALOGUE = Path(__file__).parent / "catalogue"
RECORD = "fetched.json"
PART, NOTES = ".part", ".part.json"
"""what a file that is being fetched, and what is known of it, are called beside the file"""

Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")  # so no "..", no root, no hidden file


class RemoteFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One file of a corpus. Without a digest, the first fetch records one and later fetches are held to it."""

    path: str
    """where it goes, relative to the corpus's folder, with forward slashes"""
    url: str
    bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")] | None = None
    required: bool = True
    group: Word | None = None
    licence: str | None = None
    """where it differs from the corpus's"""


class PublicCorpus(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One corpus, as `corpus/catalogue/NAME.yaml` or a user's own file has it."""

    name: Word
    version: Word
    licence: str
    homepage: str
    default_groups: tuple[Word, ...] = ()
    """what is fetched when nobody asks for groups; empty: everything"""
    files: Annotated[tuple[RemoteFile, ...], msgspec.Meta(min_length=1)]

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups, in the order of the files."""
        return tuple(dict.fromkeys(file.group for file in self.files if file.group))


def names() -> list[str]:
    """Return the names in the project's own catalogue."""
    return sorted(path.stem for path in CATALOGUE.glob("*.yaml"))


def load_corpus(name: str, catalogue: Path | None = None) -> PublicCorpus:
    """Return the corpus called `name`, from the project's catalogue or from a file of the user's."""
    path = catalogue or CATALOGUE / f"{name}.yaml"
    if catalogue is None and name not in names():
        raise ModelError(f"{name!r}: no such corpus; known are {', '.join(names())}; --catalogue FILE names your own")
    corpus = read_catalogue(path)
    if corpus.name != name:
        raise ModelError(f"{path}: holds the corpus {corpus.name!r}, but {name!r} was asked for")
    return corpus


def read_catalogue(path: Path) -> PublicCorpus:
    """Return the corpus of a catalogue file; what is wrong in it is a ModelError that names it."""
    try:
        corpus = msgspec.convert(yaml.safe_load(path.read_text()), PublicCorpus)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such catalogue file") from error
    except (OSError, UnicodeDecodeError, msgspec.ValidationError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: {error}") from error
    for file in corpus.files:
        if not is_safe_path(file.path):
            raise ModelError(
                f"{path}: path {file.path!r}; expected a relative path of letters, digits, '.', '_' and '-' that stays "
                f"in the folder and is neither {RECORD} nor ends in {PART} or {NOTES}"
            )
        url = urlsplit(file.url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.password:
            raise ModelError(f"{path}: url {file.url!r}; expected http:// or https:// without a user name")
    paths = [file.path for file in corpus.files]
    if len(set(paths)) < len(paths):
        raise ModelError(f"{path}: {max(paths, key=paths.count)!r} stands there twice; every file needs its own path")
    _known(corpus.default_groups, corpus.groups, f"{path}: default group")
    return corpus


def is_safe_path(path: str) -> bool:
    """Return whether a path stays inside the folder and away from the files that fetching keeps there."""
    return bool(_PATH.fullmatch(path)) and path != RECORD and not path.endswith((PART, NOTES))


def select(corpus: PublicCorpus, groups: Sequence[str] = (), only: Sequence[str] = ()) -> list[RemoteFile]:
    """Return the files of these groups ("all": every group) or with these paths; by default the default groups'."""
    if only:
        _known(only, [file.path for file in corpus.files], f"{corpus.name}: file")
        return [file for file in corpus.files if file.path in only]
    if groups and "all" not in groups:
        _known(groups, corpus.groups, f"{corpus.name}: group")
    wanted = corpus.groups if "all" in groups else groups or corpus.default_groups or corpus.groups
    return [file for file in corpus.files if file.group is None or file.group in wanted]


def _known(asked: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in asked:
        if name not in known:
            raise ModelError(f"{what} {name!r} is not known; expected one of: {', '.join(known) or 'none'}")
