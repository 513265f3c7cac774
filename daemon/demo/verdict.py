"""Messages -> for each clip, what was heard, and whether that is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inherentd.daemon.demo.stream import Span
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


@dataclass
class Heard:
    """What arrived for one clip: of the utterances that opened between its start and the next clip's."""

    span: Span
    opened: bool = False
    intents: set[str] = field(default_factory=set[str])
    audio_bytes: int = 0
    closed_after_seconds: float | None = None  # after the end of the clip

    def expected(self, gate: str) -> set[str]:
        """Return the intents that should be heard; the gate itself is none."""
        return set(self.span.clip.heads) - {gate}

    def right(self, gate: str) -> bool:
        """Return whether exactly what was meant was heard: nothing, or the gate and just these intents."""
        clip = self.span.clip
        return self.opened == clip.addressed and self.intents == (self.expected(gate) if clip.addressed else set())


class Verdict:
    """Collects messages by the clip in which their utterance opened."""

    def __init__(self, spans: Sequence[Span]) -> None:
        """Begin with nothing heard."""
        self.heard = [Heard(span) for span in spans]
        self.received = 0  # messages other than health
        self.gate = ""
        self._of_utterance: dict[int, Heard] = {}

    def add(self, message: dict[str, Any]) -> Heard | None:
        """Take one message in. Return what it belongs to, if it belongs to a clip."""
        if message["topic"] == "health":
            return None
        self.received += 1
        if message["topic"] == "gate.opened":
            self.gate = next(iter(message["scores"]))
            current = next((heard for heard in reversed(self.heard) if heard.span.start <= message["at_sample"]), None)
            if current is None:
                return None
            current.opened = True
            self._of_utterance[message["utterance"]] = current
        heard = self._of_utterance.get(message.get("utterance", -1))
        if heard is not None:
            self._note(heard, message)
        return heard

    def right(self) -> list[bool]:
        """Return for each clip whether it was understood."""
        return [heard.right(self.gate) for heard in self.heard]

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield one plain record a clip."""
        for heard, right in zip(self.heard, self.right(), strict=True):
            clip = heard.span.clip
            yield {
                "clip": clip.name,
                "text": clip.text,
                "voice": clip.voice,
                "addressed": clip.addressed,
                "expected": sorted(heard.expected(self.gate)) if clip.addressed else [],
                "opened": heard.opened,
                "heard": sorted(heard.intents),
                "audio_bytes": heard.audio_bytes,
                "closed_after_seconds": heard.closed_after_seconds,
                "right": right,
            }

    def _note(self, heard: Heard, message: dict[str, Any]) -> None:
        match message["topic"]:
            case "intent" if message["final"]:
                heard.intents.add(message["head"])
            case "audio":
                heard.audio_bytes += 2 * message["samples"]
            case "gate.closed":
                heard.closed_after_seconds = (message["at_sample"] - heard.span.stop) / SAMPLE_RATE_HZ
            case _:
                pass
