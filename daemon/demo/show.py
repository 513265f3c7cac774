"""What arrives, as it arrives, and a table of it all at the end."""

from __future__ import annotations

import statistics
import time
from typing import TextIO

from inherentd.daemon.demo.processes import Received
from inherentd.daemon.demo.stream import Span
from inherentd.daemon.demo.verdict import Heard, Verdict
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ


class Show:
    """Prints what arrives as it arrives, and the table at the end."""

    def __init__(self, spans: list[Span], out: TextIO) -> None:
        """Begin before the first clip."""
        self.verdict = Verdict(spans)
        self._to_come = list(spans)
        self._total = len(spans)
        self._out = out
        self._clock = Clock()
        self._cpu: list[float] = []
        self._rss = 0
        self._late_ms: list[float] = []
        self._audio: dict[int, tuple[int, int]] = {}

    def step(self, message: Received | None) -> None:
        """Show a message, or that time goes by."""
        if message is not None and message["topic"] == "health":
            self._clock.set(message)
            if message["state"] == "starting":
                self._print(f"the model runs by {message['processor']}")
            if message["frames"] and message["state"] == "listening":
                self._cpu.append(message["cpu"])
                self._rss = max(self._rss, message["rss"])
        position = message["at_sample"] if message is not None and message["topic"] != "audio" else self._clock.now()
        while self._to_come and self._to_come[0].start <= position:
            self._announce(self._to_come.pop(0))
        if message is not None:
            if message["topic"] in ("gate.opened", "intent"):
                self._late_ms.append((message["received_ns"] - message["time_ns"]) / 1e6)
            heard = self.verdict.add(message)
            text = self._text(message, heard)
            if text:
                seconds = message["at_sample"] / SAMPLE_RATE_HZ
                self._print(f"[{seconds:6.2f} s]     {message['topic']:<12} {text}")

    def table(self) -> None:
        """Print what was expected and heard of each clip, and the share that is right."""
        rows = list(self.verdict.rows())
        width = max(len(row["clip"]) for row in rows)
        self._print(f"\n{'clip':<{width}}  {'addressed':<9}  {'expected':<24}  {'heard':<34}  right")
        for row in rows:
            expected = ", ".join(row["expected"]) or ("gate only" if row["addressed"] else "nothing")
            heard = ", ".join(row["heard"]) or ("gate only" if row["opened"] else "nothing")
            addressed, right = "yes" if row["addressed"] else "no", "right" if row["right"] else "WRONG"
            self._print(f"{row['clip']:<{width}}  {addressed:<9}  {expected:<24}  {heard:<34}  {right}")
        right = sum(row["right"] for row in rows)
        gate_right = sum(row["opened"] == row["addressed"] for row in rows)
        share = f"{right} of {len(rows)} clips ({right / len(rows):.0%})"
        self._print(f"\nright: {share}; the gate alone: {gate_right} of {len(rows)}")
        if self._late_ms:
            median, most = statistics.median(self._late_ms), max(self._late_ms)
            self._print(
                f"events arrived {median:.0f} ms (median; at most {most:.0f}) after the sound that they tell of"
            )
        if self._cpu:
            cpu = sum(self._cpu) / len(self._cpu)
            self._print(f"the daemon used {cpu:.2%} of one core and {self._rss / 1e6:.0f} MB of memory")

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def _announce(self, span: Span) -> None:
        clip = span.clip
        number = self._total - len(self._to_come)
        kind = "for the assistant" if clip.addressed else "not for it"
        seconds = span.start / SAMPLE_RATE_HZ
        self._print(f'[{seconds:6.2f} s] {number}/{self._total} {clip.name} ({kind}): "{clip.text}"')

    def _text(self, message: Received, heard: Heard | None) -> str:
        match message["topic"]:
            case "gate.opened":
                preroll_seconds = message["preroll_samples"] / SAMPLE_RATE_HZ
                return f"score {message['score']:.2f}, audio from {preroll_seconds:.2f} s before"
            case "intent":
                return f"{message['head']} {message['score']:.2f} ({'final' if message['final'] else 'early'})"
            case "audio":
                messages, samples = self._audio.get(message["utterance"], (0, 0))
                self._audio[message["utterance"]] = messages + 1, samples + message["samples"]
                return (
                    f"{2 * (samples + message['samples']):,} bytes in {messages + 1} messages"
                    if message["last"]
                    else ""
                )
            case "gate.closed":
                delay = heard.closed_after_seconds if heard is not None else None
                after = f", {delay:+.2f} s from the end of the clip" if delay is not None else ""
                return f"{message['reason']}{after}"
            case _:
                return ""


class Clock:
    """Where in the recording the daemon is now, from its last health message."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._sample_zero_ns: int | None = None

    def set(self, message: Received) -> None:
        """Take the wall clock of sample 0 from a health message, once audio flows."""
        if message["frames"]:
            self._sample_zero_ns = message["time_ns"] - message["at_sample"] * 62_500

    def now(self) -> int:
        """Return the sample that is heard now, -1 before the stream began."""
        return -1 if self._sample_zero_ns is None else (time.time_ns() - self._sample_zero_ns) // 62_500
