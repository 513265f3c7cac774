"""One file over HTTP into its part: resumed where the server can, begun again where it cannot, with patience."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from inherentd.inherent_model.corpus.part import Part, notes_of, range_start
from inherentd.inherent_model.corpus.public import RemoteFile
from inherentd.inherent_model.errors import ModelError

PROGRESS_BYTES = 1 << 20
"""a part that grew so far beyond its greatest size is progress: patience begins anew"""
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How often and how slowly a file is tried again."""

    tries: int = 6
    """in a row without progress"""
    first_wait_s: float = 1.0
    """doubles with every try"""
    longest_wait_s: float = 60.0
    timeout_s: float = 30.0
    """to connect, and between two pieces of an answer"""


class Stopped(Exception):  # noqa: N818 - not an error: the user pressed Ctrl-C
    """The fetch was told to stop; what is there stays for the next one."""


class _TryAgain(Exception):  # noqa: N818 - not an error yet: the next try may do
    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def open_client(patience: Patience, connections: int) -> httpx2.Client:
    """Return a client for `connections` threads. Bytes are asked for as they are: digests are of those."""
    return httpx2.Client(
        timeout=patience.timeout_s,
        follow_redirects=True,
        headers={"Accept-Encoding": "identity", "User-Agent": "inherentd-corpus"},
        limits=httpx2.Limits(max_connections=connections),
    )


@dataclass(frozen=True)
class Download:
    """One file to bring into `part`; `report(bytes, total)` hears how far it is, `stop` ends it."""

    client: httpx2.Client
    file: RemoteFile
    part: Part
    patience: Patience
    report: Callable[[int, int | None], None]
    stop: threading.Event

    def run(self) -> bool:
        """Complete the part and return whether it was put together from more than one answer.

        What will not mend by itself is a ModelError, and so is a server that stays away for longer than `patience`.
        """
        self.part.target.parent.mkdir(parents=True, exist_ok=True)
        furthest, tries, resumed = self.part.size, 0, False
        while True:
            resumed = resumed or self.part.size > 0
            try:
                self._transfer()
                return resumed
            except _TryAgain as error:
                message, wait_s = str(error), error.wait_s
            except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                raise ModelError(f"{self.file.url}: {error}; the catalogue may be out of date") from error
            except httpx2.TransportError as error:
                message, wait_s = f"{type(error).__name__}: {error}", 0.0
            tries += 1
            if self.part.size >= furthest + PROGRESS_BYTES:
                furthest, tries = self.part.size, 1
            if tries >= self.patience.tries:
                kept = "; what came is kept, and the next fetch goes on from it" if self.part.size else ""
                raise ModelError(f"{self.file.url}: {message}; gave up after {tries} tries without progress{kept}")
            doubled_s = self.patience.first_wait_s * 2 ** (tries - 1) * random.uniform(0.75, 1.25)
            if self.stop.wait(min(max(wait_s, doubled_s), self.patience.longest_wait_s)):
                raise Stopped

    def _transfer(self) -> None:
        before = self.part.notes(self.file.url, has_digest=bool(self.file.sha256 or self.file.md5))
        start = self.part.size if before else 0
        if before and start == before.total:
            return  # it was stopped between the last byte and the verification
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self.client.stream("GET", self.file.url, headers=headers) as response:
            self._refuse(response)
            now = notes_of(self.file.url, response)
            if response.status_code == 416 or (
                response.status_code == 206 and (range_start(response) != start or (before and before.contradict(now)))
            ):
                self.part.discard()
                raise _TryAgain("the file on the server is another than before; beginning again")
            if now.total is not None:
                self._refuse_size(now.total, now.total)
            if response.status_code == 200 or not start:
                self.part.begin(now)
                start = 0
            position = self._write(response, start, now.total)
        expected = now.total if now.total is not None else self.file.bytes
        if expected is not None and position < expected:
            raise _TryAgain(f"the connection ended after {position} of {expected} bytes")

    def _write(self, response: httpx2.Response, position: int, total: int | None) -> int:
        """Append the answer to the part, and return how many bytes that has then."""
        self.report(position, total)
        with self.part.path.open("ab") as out:
            for chunk in response.iter_raw():
                if self.stop.is_set():
                    raise Stopped
                out.write(chunk)
                position += len(chunk)
                self._refuse_size(0, position)
                self.report(position, total)
        return position

    def _refuse(self, response: httpx2.Response) -> None:
        """Raise for an answer that is not the file: _TryAgain where it may be later."""
        what = f"{response.status_code} {response.reason_phrase}"
        if self.file.url.startswith("https:") and response.url.scheme != "https":
            raise ModelError(f"{self.file.url}: leads to {response.url}, which is not encrypted; nothing was kept")
        if response.status_code in TEMPORARY:
            wait = response.headers.get("retry-after", "")
            raise _TryAgain(what, float(wait) if wait.isdigit() else 0.0)
        if response.status_code not in {200, 206, 416}:
            raise ModelError(f"{self.file.url}: {what}; the catalogue may be out of date")

    def _refuse_size(self, at_least: int, at_most: int) -> None:
        """Raise ModelError when a file of so many bytes cannot be the catalogue's; an unknown size is any."""
        expected = self.file.bytes
        if expected is not None and (at_most > expected or 0 < at_least < expected):
            self.part.discard()
            raise ModelError(
                f"{self.file.url}: {at_most} bytes, expected {expected} (catalogue): the server has another version, or "
                "an error page in its place"
            )
