"""Archives unpacked beside themselves: X.tar.gz and X.zip into the folder X, whole or not at all, nothing outside it."""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from inherentd.inherent_model.errors import ModelError

MARKER = ".unpacked"
"""in an unpacked folder: the SHA-256 of its archive"""
_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tar\.xz|zip)$")


def is_archive(path: str) -> bool:
    """Return whether the name is that of an archive that `unpack` can read."""
    return bool(_SUFFIX.search(path))


def unpacked_folder(archive: Path) -> Path:
    """Return where an archive is unpacked."""
    return archive.with_name(_SUFFIX.sub("", archive.name))


def is_ours(folder: Path) -> bool:
    """Return whether `unpack` made the folder, so that it may be replaced."""
    return (folder / MARKER).is_file()


def unpack(archive: Path, sha256: str) -> Path:
    """Return the folder with the archive's content; nothing is done where it lies there already (same SHA-256)."""
    folder = unpacked_folder(archive)
    if is_ours(folder) and (folder / MARKER).read_text().strip() == sha256:
        return folder
    if folder.exists() and not is_ours(folder):
        raise ModelError(f"{folder}: is there and was not made by --unpack; move it away to unpack {archive.name}")
    unfinished = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        (_unzip if archive.suffix == ".zip" else _untar)(archive, unfinished)
        (unfinished / MARKER).write_text(sha256 + "\n")
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, RuntimeError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ModelError(f"{archive}: cannot be unpacked: {type(error).__name__}: {error}") from error
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(folder)
    return unfinished.rename(folder)


def _untar(archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise ModelError(f"{archive}: unpacking safely needs Python 3.11.4 or newer; unpack it yourself, or update")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")  # refuses what leads outside, links included, and devices


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise ModelError(
                    f"{archive}: its member {member.filename!r} leads out of the folder; nothing was unpacked"
                )
        needed, free = sum(member.file_size for member in file.infolist()), shutil.disk_usage(folder).free
        if needed > free:
            raise ModelError(f"{archive}: needs {needed} bytes unpacked, {free} are free at {folder.parent}")
        file.extractall(folder)  # noqa: S202 - every member was looked at above
