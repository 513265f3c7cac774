"""Is an audio file all there? Decoders take a cut file for a short one; here the container itself is asked."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from inherentd.daemon.errors import DaemonError

UNKNOWN_SIZE = 0x7FFF_0000  # what programs write that stream a WAV and do not know its length is above this
LAST_PAGE = 4  # flag in the header of an Ogg page
OGG_TAIL_BYTES = 66_000  # the largest page is 65,307 bytes


def refuse_incomplete(path: Path) -> None:
    """Raise DaemonError when the file is missing, empty, or shorter than its own header says."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise DaemonError(f"{path}: is a folder, expected a WAV, FLAC or OGG file")
        if size == 0:
            raise DaemonError(f"{path}: is empty (0 bytes), expected a WAV, FLAC or OGG file")
        with path.open("rb") as file:
            magic = file.read(4)
            if magic in {b"RIFF", b"RF64"}:
                _check_riff(path, file, size)
            elif magic == b"OggS":
                _check_ogg(path, file, size)
    except FileNotFoundError:
        raise DaemonError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DaemonError(f"{path}: cannot be read: {error.strerror}") from None


def _check_riff(path: Path, file: BinaryIO, size: int) -> None:
    long_data_bytes: int | None = None  # RF64 keeps the length of the data in a chunk of its own
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"ds64":
            long_data_bytes = struct.unpack("<8xQ", file.read(16))[0] if size >= position + 24 else None
        if name == b"data":
            declared = long_data_bytes if long_data_bytes is not None and length == 0xFFFF_FFFF else length
            there = size - position - 8
            if declared > there and (declared < UNKNOWN_SIZE or long_data_bytes is not None):
                raise DaemonError(
                    f"{path}: is truncated: its header says {declared} bytes of audio, {there} are there; "
                    "get the whole file again"
                )
            if declared == 0 and there > 0:
                raise DaemonError(f"{path}: its header says 0 bytes of audio, {there} follow: it was never finished")
            return
        position += 8 + length + length % 2
    raise DaemonError(f"{path}: is truncated: a WAV file without audio data; get the whole file again")


def _check_ogg(path: Path, file: BinaryIO, size: int) -> None:
    file.seek(max(0, size - OGG_TAIL_BYTES))
    tail = file.read()
    page = tail.rfind(b"OggS")
    header = tail[page : page + 27]
    segments = tail[page + 27 : page + 27 + header[26]] if page >= 0 and len(header) == 27 else b""
    whole = bool(segments) and len(tail) >= page + 27 + len(segments) + sum(segments)
    if not whole or not header[5] & LAST_PAGE:
        raise DaemonError(f"{path}: is truncated: its last Ogg page is missing; get the whole file again")
