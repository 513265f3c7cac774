"""From messages to utterances, without sockets: what belongs together, and whether all of it came."""

from __future__ import annotations

from dataclasses import dataclass, field

from inherentd.client.message import MOST_DEVICES, Message, Runs
from inherentd.client.messages import (
    SAMPLE_RATE_HZ,
    AudioHeader,
    GateClosedHeader,
    GateOpenedHeader,
    HealthHeader,
    IntentHeader,
)

TOPICS = ("gate.opened", "intent", "gate.closed", "audio")
LONGEST_SECONDS = 660  # the daemon closes after 600 s at most, and sends up to 20 s from before
MOST_INTENTS = 1_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said between two decisions of the gate."""

    stream: str
    """id of the daemon's run"""
    device: str
    utterance: int
    """its number in that run"""
    at_sample: int
    """position of `pcm`'s first sample in the run's stream"""
    pcm: bytes
    """s16le, mono, from the pre-roll on"""
    rate: int
    """samples per second"""
    opened: GateOpenedHeader | None
    closed: GateClosedHeader | None
    intents: dict[str, float]
    """score by head: the final one, else the early one"""
    complete: bool
    """the opening, every sample, every intent's final score and the close came; else pieces of `pcm` may be missing"""

    @property
    def seconds(self) -> float:
        """How long `pcm` is."""
        return len(self.pcm) / 2 / self.rate

    def wav(self) -> bytes:
        """Return `pcm` as a WAV file."""
        import io
        import wave

        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(self.rate)
            writer.writeframes(self.pcm)
        return file.getvalue()


@dataclass(slots=True)
class _Open:
    """The utterance that is open, as far as it came."""

    stream: str
    device: str
    utterance: int
    at_sample: int
    rate: int = SAMPLE_RATE_HZ
    pcm: bytearray = field(default_factory=bytearray)
    opened: GateOpenedHeader | None = None
    intents: dict[str, float] = field(default_factory=dict[str, float])
    final: set[str] = field(default_factory=set[str])
    audio_until: int | None = None
    broken: bool = False
    last: bool = False

    def add_audio(self, header: AudioHeader, payload: bytes) -> None:
        begins_right = header.at_sample == self.begin if self.audio_until is None else self.follows(header)
        if not begins_right or self.last:
            self.broken = True
        if self.audio_until is None:
            self.at_sample, self.rate = header.at_sample, header.rate
        if len(self.pcm) + len(payload) > 2 * SAMPLE_RATE_HZ * LONGEST_SECONDS:
            self.broken = True
        else:
            self.pcm += payload
        self.audio_until = header.at_sample + header.samples
        self.last = header.last

    def follows(self, header: AudioHeader) -> bool:
        return header.at_sample == self.audio_until and header.rate == self.rate

    @property
    def begin(self) -> int | None:
        return None if self.opened is None else self.opened.at_sample - self.opened.preroll_samples

    def add_intent(self, header: IntentHeader) -> None:
        if header.head not in self.intents and len(self.intents) >= MOST_INTENTS:
            self.broken = True
            return
        self.intents[header.head] = header.score
        if header.final:
            self.final.add(header.head)

    def ended(self, closed: GateClosedHeader | None = None) -> Utterance:
        whole = self.opened is not None and closed is not None and self.last and not self.broken
        complete = whole and closed is not None and self.final == set(closed.intents)
        return Utterance(self.stream, self.device, self.utterance, self.at_sample, bytes(self.pcm), self.rate,
                         self.opened, closed, self.intents, complete)  # fmt: skip


class Collectors:
    """Puts utterances together from the messages of any number of devices, as a broker brings them: a `Collector` for each run.

    The first message of a new run (`stream`) ends what is open of its device, incomplete: the daemon restarted. Where two daemons
    have one name, both are heard: after that first message none ends what the other has open. At most `devices` are known at
    once: the one that was silent longest is forgotten, and what is open of it ends incomplete.
    """

    def __init__(self, devices: int = MOST_DEVICES) -> None:
        """Nothing is open."""
        self._runs = Runs(Collector, devices)

    def push(self, message: Message) -> list[Utterance]:
        """Return the utterances that this message ended, in order."""
        collector, others, forgotten = self._runs.of(message.header)
        return [ended for one in (*others, *forgotten) for ended in one.end()] + collector.push(message)


class Collector:
    """Puts utterances together from the messages of one daemon, in the order they came. Holds one at most."""

    def __init__(self) -> None:
        """Nothing is open. What is open when the first message comes ends incomplete."""
        self._stream = ""
        self._newest = -1
        self._open: _Open | None = None

    def push(self, message: Message) -> list[Utterance]:
        """Return the utterances that this message ended, in order: usually none, or the one that it closes.

        Where the close was lost, the next utterance, the daemon's stop or another run of it (`stream`) ends what is open.
        """
        header, ended = message.header, list[Utterance]()
        if header.stream != self._stream:
            ended += self.end()
            self._stream, self._newest = header.stream, -1
        match header:
            case GateOpenedHeader() | IntentHeader() | AudioHeader() | GateClosedHeader():
                if header.utterance > self._newest:
                    ended += self.end()
                    self._newest = header.utterance
                    self._open = _Open(header.stream, header.device, header.utterance, header.at_sample)
                if self._open is not None and header.utterance == self._open.utterance:
                    ended += self._add(self._open, message)
            case HealthHeader(state="stopping"):
                ended += self.end()
            case _:
                pass
        return ended

    def _add(self, utterance: _Open, message: Message) -> list[Utterance]:
        match message.header:
            case GateOpenedHeader() as header:
                utterance.opened = header
                if utterance.begin is not None and utterance.audio_until is None:
                    utterance.at_sample = utterance.begin
            case AudioHeader() as header:
                utterance.add_audio(header, message.payload)
            case IntentHeader() as header:
                utterance.add_intent(header)
            case GateClosedHeader() as header:
                return self.end(header)
            case _:
                pass
        return []

    def end(self, closed: GateClosedHeader | None = None) -> list[Utterance]:
        """Return what was open, complete only with its close and if all of it came; nothing is open then."""
        utterance, self._open = self._open, None
        return [utterance.ended(closed)] if utterance is not None else []
