"""The configured microphone: is it there, does it open, what does it hear?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inherentd.daemon.config import Config, InputSection
from inherentd.daemon.doctor import hearing
from inherentd.daemon.doctor.asking import NoAnswerError, within
from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.doctor.recording import Capture, Recording, record
from inherentd.daemon.doctor.sound_system import HANGS, HANGS_ADVICE
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources.portaudio import InputDevice

LIST_SECONDS = 6.0
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Sound:
    """How to get at microphones."""

    devices: Callable[[], list[InputDevice]]
    find: Callable[[str], InputDevice]
    open: Callable[[InputDevice], Capture]


def look(sound: Sound, config: Config, platform: str, seconds: float, *, held: bool) -> Iterator[Finding]:
    """Yield what there is to say about the microphone. held: a running daemon has it, so it is not touched."""
    wanted = config.input.source.partition(":")[2]
    try:
        device, devices = within(LIST_SECONDS, lambda: (sound.find(wanted), sound.devices()))
    except NoAnswerError:
        yield Finding("device", "failure", HANGS, HANGS_ADVICE)
        return
    except DaemonError as error:
        what, _, advice = str(error).removeprefix("microphone: ").partition("; ")
        meanwhile = _meanwhile(config.input)
        yield Finding("device", "warning" if meanwhile else "failure", f"{what}{meanwhile}", advice)
        return
    listed = ", ".join(f"{one.index} {one.name!r}{' (default)' * one.default}" for one in devices)
    text = f"{device.name!r} of {listed}"
    if held:
        yield Finding("device", "ok", text)
        yield Finding("recording", "unknown", "left out: the running daemon has the microphone")
        return
    try:
        recording = within(seconds + GRACE_SECONDS, lambda: record(lambda: sound.open(device), seconds))
    except NoAnswerError:
        yield Finding("device", "failure", f"{text}: {HANGS}", HANGS_ADVICE)
    except DaemonError as error:
        yield Finding("device", "failure", f"{text}: {error}", "is another program using it? try another: mic:NAME")
    else:
        opens = "16 kHz" if recording.rate_hz == hearing.SAMPLE_RATE_HZ else f"{recording.rate_hz} Hz, resampled"
        yield Finding("device", "ok", f"{text}; {device.channels} channels; opens at {opens}")
        yield from _heard(recording, config, platform)


def _meanwhile(section: InputSection) -> str:
    """Return what the daemon does while its microphone is away; nothing where it would not start."""
    if section.fallback is not None:
        return f"; the daemon listens to {section.fallback} instead"
    return "; the daemon waits for it" if section.wait_for_device else ""


def _heard(recording: Recording, config: Config, platform: str) -> Iterator[Finding]:
    found = hearing.silence(platform, recording.pcm)
    yield found
    if found.verdict == "ok":
        yield hearing.level(recording.pcm, config.sleep.below_dbfs)
        yield hearing.clipping(recording.pcm)
    if recording.overflows:
        text = f"the sound system lost audio {recording.overflows} times"
        yield Finding("overflows", "warning", text, "the machine is busy; see what else runs")
    yield hearing.sample_clock(recording)
