"""The last utterances as WAV, to listen to: in memory only, bounded in number and in bytes."""

from __future__ import annotations

from typing import Any

from inherentd.client import Utterance

MOST_UTTERANCES = 100
MOST_BYTES = 32 * 2**20


class Shelf:
    """Utterances by run and number; the oldest go first."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held: dict[tuple[str, int], tuple[dict[str, Any], bytes]] = {}
        self._bytes = 0

    def put(self, utterance: Utterance) -> dict[str, Any]:
        """Keep one. Return what a page shows of it."""
        told = _told(utterance)
        self._take(utterance.stream, utterance.utterance)
        wav = utterance.wav()
        self._held[utterance.stream, utterance.utterance] = told, wav
        self._bytes += len(wav)
        while len(self._held) > MOST_UTTERANCES or self._bytes > MOST_BYTES:
            self._take(*next(iter(self._held)))
        return told

    def wav(self, stream: str, utterance: int) -> bytes | None:
        """Return an utterance's WAV, or None when it is not here any more, or never was."""
        return self._held.get((stream, utterance), (None, None))[1]

    def told(self) -> list[dict[str, Any]]:
        """Return what a page shows of each, the oldest first."""
        return [told for told, _ in self._held.values()]

    def _take(self, stream: str, utterance: int) -> None:
        _, wav = self._held.pop((stream, utterance), (None, b""))
        self._bytes -= len(wav)


def _told(utterance: Utterance) -> dict[str, Any]:
    """Return what is known; an opening or a close that was not heard leaves its part out."""
    opened, closed = utterance.opened, utterance.closed
    return {
        "stream": utterance.stream,
        "utterance": utterance.utterance,
        "time_ns": None if opened is None else opened.time_ns,
        "seconds": round(utterance.seconds, 2),
        "score": None if opened is None else opened.score,
        "reason": None if closed is None else closed.reason,
        "intents": utterance.intents,
        "complete": utterance.complete,
    }
