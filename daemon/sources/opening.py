"""Opening a microphone beside the daemon's loop, because closing, looking and opening may each hang for good."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

from inherentd.daemon.config import InputSection
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import portaudio
from inherentd.daemon.sources.capture import Capture

PROBE_SECONDS = 20.0


class Opening(threading.Thread):
    """Closes a dead capture, then opens the wanted device or else the fallback.

    Afterwards `capture` is there, or `reason` says why not. With `capture` and `reason` both, it is the fallback.
    """

    def __init__(self, section: InputSection, wanted: str, *, dead: Capture | None, muted: bool) -> None:
        """Start at once."""
        super().__init__(name="microphone-opening", daemon=True)
        self.capture: Capture | None = None
        self.reason = ""
        self.started_at = time.monotonic()
        self.hushed = portaudio.Hushed()
        self._section, self._wanted, self._dead, self._muted = section, wanted, dead, muted
        self.start()

    def run(self) -> None:
        """Close, look again, open."""
        try:
            if self._dead is not None:
                self._dead.close()
            with self.hushed:
                portaudio.look_again()
                self.capture, self.reason = open_first(self._section, self._wanted, muted=self._muted)
        except DaemonError as error:
            self.reason = str(error)
        except Exception as error:  # whatever PortAudio does not like: tell it, and try again later
            self.reason = f"microphone: {error}"


def open_first(section: InputSection, wanted: str, *, muted: bool) -> tuple[Capture, str]:
    """Return the wanted device, opened, and ""; or the fallback and why it is not the wanted one. DaemonError when neither
    can be opened."""
    try:
        return Capture(portaudio.find(wanted), section.block_ms, section.channel, muted=muted), ""
    except DaemonError as error:
        if section.fallback is None:
            raise
        reason = str(error)
    name = section.fallback.partition(":")[2]
    try:
        return Capture(portaudio.find(name), section.block_ms, muted=muted), reason
    except DaemonError as error:
        raise DaemonError(f"{reason}; and the fallback: {error}") from None


class Probe:
    """Asks from a process of its own whether a device can be opened again: PortAudio's list is frozen in this one, and
    renewing it would interrupt the fallback."""

    def __init__(self, wanted: str, channel: int | None) -> None:
        """Start at once."""
        command = [sys.executable, "-m", "inherentd.daemon.cli", "devices", "--open", wanted]
        command += [] if channel is None else ["--channel", str(channel)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._until = time.monotonic() + PROBE_SECONDS

    def found(self) -> bool | None:
        """Return whether the device is back; None: not known yet."""
        code = self._process.poll()
        if code is None and time.monotonic() > self._until:
            self.close()
            return False
        return None if code is None else code == 0

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def opens(wanted: str, channel: int | None) -> str:
    """Return what `inherentd devices --open` prints: the device and how it opens. Raises DaemonError when it does not."""
    with portaudio.Hushed():
        capture = Capture(portaudio.find(wanted), 80, channel, muted=True)
    line = json.dumps({"device": capture.name, "rate_hz": capture.rate_hz})
    capture.close()
    return line
