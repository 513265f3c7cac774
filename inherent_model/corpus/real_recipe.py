"""What `configs/corpus/real.yaml` may hold, and the clips that it means on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from inherentd.inherent_model.corpus.packages import Member, files_of, members
from inherentd.inherent_model.errors import ModelError
from inherentd.inherent_model.manifest import SPLITS
from inherentd.inherent_model.yaml_files import load


class Source(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Recordings of one voice, or of voices that go into the same split."""

    name: str
    package: str = ""
    """Debian package; the globs match the paths of its files"""
    manifest: str = ""
    """instead of a package: a manifest of unaddressed clips; the globs match the paths in it"""
    archive: str = ""
    """glob of the package's file that the clips are inside of; the globs match archive/member"""
    globs: tuple[str, ...] = ("*",)
    without: tuple[str, ...] = ()
    """globs of what is left out again: beeps, music, silence"""
    language: str
    """e.g. en"""
    language_from: str = ""
    """pattern whose first group is the language of the files that it matches, e.g. sounds/(\\w+)/"""
    voice_from: str = ""
    """pattern whose first group names the voice within the source, e.g. voices/(\\w+)/"""
    licence: str
    split: str = ""
    split_shares: dict[str, float] = {}
    """instead of one split: shares of the files sorted by name, e.g. {validation: 0.25, test: 0.75}"""
    ffmpeg: tuple[str, ...] = ()
    """input options of ffmpeg, for what libsndfile does not read, e.g. [-f, g722]"""
    min_seconds: float = 0.4
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what would leave a clip without a place or in two."""
        if bool(self.package) == bool(self.manifest):
            raise ValueError(f"{self.name}: expected either package or manifest")
        if bool(self.split) == bool(self.split_shares) or not {self.split or "test", *self.split_shares} <= {*SPLITS}:
            raise ValueError(f"{self.name}: expected split or split_shares, of {', '.join(SPLITS)}")
        if self.split_shares and abs(sum(self.split_shares.values()) - 1) > 1e-6:
            raise ValueError(f"{self.name}: split_shares {self.split_shares} do not add up to 1")


class RealRecipe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Paths are relative to the working directory."""

    out: str
    sources: list[Source]


@dataclass(frozen=True)
class Recording:
    """One clip to be: where it comes from, where it goes, who speaks in which language."""

    source: Source
    member: Member
    split: str
    language: str
    voice: str
    path: str
    """relative to the recipe's `out`"""


def load_recipe(path: Path) -> RealRecipe:
    """Return the recipe of a YAML file; a wrong key or type is a ModelError that names it."""
    return load(path, RealRecipe)


def plan(recipe: RealRecipe) -> list[Recording]:
    """Return the recordings in a fixed order; a source that is not on this machine is left out with a word."""
    return [recording for source in recipe.sources for recording in _recordings(source)]


def _recordings(source: Source) -> Iterator[Recording]:
    found = sorted(_members(source), key=lambda member: member.name)
    if not found:
        mend = f"apt-get install {source.package}" if source.package else f"no clip in {source.manifest}"
        print(f"{source.name} is not here: going on without it ({mend})", file=sys.stderr)
    for index, member in enumerate(found):
        split = source.split or _share(source.split_shares, index / len(found))
        language = _group(source.language_from, member.name) or source.language
        voice = "-".join(filter(None, [source.name, _group(source.voice_from, member.name), language]))
        # The digest keeps files of the same name in different folders apart.
        digest = hashlib.sha256(member.name.encode()).hexdigest()[:8]
        path = f"{split}/{source.name}/{Path(member.name).stem}-{digest}.flac"
        yield Recording(source, member, split, language, voice, path)


def _group(pattern: str, name: str) -> str:
    """Return what the pattern's first group finds; "" without a pattern or a match."""
    found = re.search(pattern, name) if pattern else None
    return found[1] if found else ""


def _members(source: Source) -> Iterator[Member]:
    if source.manifest:
        candidates = _listed(Path(source.manifest))
    elif source.archive:
        archives = [path for path in files_of(source.package) if fnmatchcase(str(path), source.archive)]
        candidates = [member for path in archives for member in members(path)]
    else:
        candidates = [Member(str(path), path) for path in files_of(source.package)]
    for member in candidates:
        if any(fnmatchcase(member.name, glob) for glob in source.globs) and not any(
            fnmatchcase(member.name, glob) for glob in source.without
        ):
            yield member


def _listed(manifest: Path) -> list[Member]:
    if not manifest.is_file():
        return []
    try:
        rows = [json.loads(line) for line in manifest.read_text().splitlines()]
        return [Member(row["path"], manifest.parent / row["path"]) for row in rows if not row["addressed"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest}: {error!r}; expected JSON lines with path and addressed") from error


def _share(shares: dict[str, float], place: float) -> str:
    """Return the split at a place from 0 to 1."""
    end = 0.0
    for split, share in shares.items():
        end += share
        if place < end - 1e-9:
            return split
    return list(shares)[-1]
