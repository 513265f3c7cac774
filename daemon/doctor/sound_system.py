"""Is there anything that microphones can be reached through, and may this user?"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inherentd.daemon.doctor.asking import NoAnswerError
from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.errors import DaemonError

CONNECT_SECONDS = 1.0
SOUND_DEVICES = Path("/dev/snd")
HANGS = "the sound system does not answer"
HANGS_ADVICE = "restart it: systemctl --user restart pipewire-pulse pipewire, or pulseaudio --kill"


@dataclass(frozen=True)
class SoundServer:
    """A sound server's socket."""

    name: str
    socket: str
    answers: bool


def servers(environment: Mapping[str, str]) -> list[SoundServer]:
    """Return PulseAudio and PipeWire where they should be for this user. PulseAudio's socket may be PipeWire's too."""
    runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    pulse = environment.get("PULSE_RUNTIME_PATH", f"{runtime}/pulse") + "/native"
    named = environment.get("PULSE_SERVER", "").split(" ")[0].rpartition("}")[2]
    if named.startswith(("unix:", "/")):
        pulse = named.removeprefix("unix:")
    pipewire = f"{environment.get('PIPEWIRE_RUNTIME_DIR', runtime)}/pipewire-0"
    return [SoundServer(name, path, _answers(path)) for name, path in (("PulseAudio", pulse), ("PipeWire", pipewire))]


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            return probe.connect_ex(path) == 0
        except OSError:  # e.g. a path that is too long
            return False


def audio_stack(
    platform: str, version: Callable[[], str], found: list[SoundServer], sound_devices: Path = SOUND_DEVICES
) -> Finding:
    """Is PortAudio installed, and what is behind it? version: PortAudio's own text; raises DaemonError without it, and
    NoAnswerError where it hangs."""
    try:
        portaudio = version().partition(",")[0]
    except NoAnswerError:
        return Finding("audio stack", "failure", HANGS, HANGS_ADVICE)
    except DaemonError as error:
        return Finding("audio stack", "failure", "PortAudio is not installed", str(error).partition("; ")[2])
    if platform == "darwin":
        return Finding("audio stack", "ok", f"{portaudio}, Core Audio")
    answering = [f"{server.name} ({server.socket})" for server in found if server.answers]
    behind = ", ".join(answering) or ("bare ALSA, no sound server" if _microphones(sound_devices) else "")
    if behind:
        return Finding("audio stack", "ok", f"{portaudio}; {behind}")
    looked = ", ".join(server.socket for server in found)
    return Finding(
        "audio stack",
        "warning",
        f"{portaudio}, but no sound server answers ({looked}), and {sound_devices} has no microphone",
        "connect a microphone, or start the sound server as this user: systemctl --user start pipewire-pulse, "
        "or pulseaudio --start",
    )


def alsa_permission(
    found: list[SoundServer],
    readable: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK | os.W_OK),
    sound_devices: Path = SOUND_DEVICES,
) -> Finding:
    """May this user record, under Linux?"""
    if any(server.answers for server in found):
        return Finding("permission", "ok", "the sound server lends the microphone")
    microphones = _microphones(sound_devices)
    if not microphones:
        return Finding("permission", "unknown", f"there is no microphone below {sound_devices} to be allowed")
    refused = [path.name for path in microphones if not readable(path)]
    if not refused:
        return Finding("permission", "ok", f"{', '.join(path.name for path in microphones)} may be opened")
    return Finding(
        "permission",
        "failure",
        f"this user may not open {', '.join(refused)}",
        "sudo usermod -aG audio $USER, and log in again; in a system service: SupplementaryGroups=audio",
    )


def _microphones(sound_devices: Path) -> list[Path]:
    return sorted(sound_devices.glob("pcm*c"))  # c: capture; p would be playback
