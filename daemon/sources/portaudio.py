"""The few things of sounddevice that are used here. It is imported only when a microphone is wanted."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from inherentd.daemon.errors import DaemonError

STDERR = 2


@dataclass(frozen=True)
class InputDevice:
    """A microphone as PortAudio lists it."""

    index: int
    name: str
    host_api: str
    channels: int
    rate_hz: float
    default: bool


def library() -> Any:
    """Return the sounddevice module. Raises DaemonError when PortAudio is not installed."""
    try:
        return importlib.import_module("sounddevice")
    except OSError:
        raise DaemonError(
            "microphone: the PortAudio library is not installed; "
            "apt-get install libportaudio2 (Debian, Ubuntu) or brew install portaudio (macOS)"
        ) from None


def input_devices() -> list[InputDevice]:
    """Return every device that can record, in PortAudio's order."""
    sounddevice = library()
    try:
        return _input_devices(sounddevice)
    except sounddevice.PortAudioError as error:
        raise DaemonError(f"microphone: the devices cannot be listed: {error}") from None


def _input_devices(sounddevice: Any) -> list[InputDevice]:
    default_index = int(sounddevice.default.device[0])
    host_apis: Any = sounddevice.query_hostapis()
    if default_index < 0:
        default_index = next((int(api["default_input_device"]) for api in host_apis), -1)
    return [
        InputDevice(
            index=index,
            name=str(device["name"]),
            host_api=str(host_apis[device["hostapi"]]["name"]),
            channels=int(device["max_input_channels"]),
            rate_hz=float(device["default_samplerate"]),
            default=index == default_index,
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def find(wanted: str) -> InputDevice:
    """Return the device that `wanted` names: "" the default, a number, a whole name, or a part of just one name."""
    devices = input_devices()
    if not devices:
        raise DaemonError(
            "microphone: no device can record; connect one or start the sound server (PulseAudio, PipeWire), "
            "or use a file: --input FILE"
        )
    if not wanted:
        return next((device for device in devices if device.default), devices[0])
    for matches in (
        [device for device in devices if wanted == str(device.index)],
        [device for device in devices if wanted == device.name],
        [device for device in devices if wanted.casefold() in device.name.casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(f"{device.index} {device.name!r}" for device in matches)
            raise DaemonError(
                f"microphone: {wanted!r} fits several: {names}; use one's number, e.g. mic:{matches[0].index}"
            )
    names = ", ".join(repr(device.name) for device in devices)
    raise DaemonError(f"microphone: none is named {wanted!r}; there are {names} (see inherentd devices)")


def look_again() -> None:
    """Make PortAudio see what was plugged in since it started. No stream may be open."""
    sounddevice = library()
    with contextlib.suppress(sounddevice.PortAudioError):  # it was not initialized: the try before this failed
        sounddevice._terminate()  # noqa: SLF001 (documented by sounddevice for exactly this)
    sounddevice._initialize()  # noqa: SLF001


class Hushed:
    """While its `with` block runs, what ALSA and PortAudio write to stderr is dropped: a dozen lines for every try to open a
    microphone that is not there. The log has a stderr of its own and tells the same in one line."""

    def __init__(self) -> None:
        """Nothing is taken away yet."""
        self._saved: int | None = None

    def __enter__(self) -> Self:
        """Take stderr away."""
        self._saved = os.dup(STDERR)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, STDERR)
        os.close(null)
        return self

    def end(self) -> None:
        """Give stderr back, also where the block hangs in another thread."""
        saved, self._saved = self._saved, None
        if saved is not None:
            os.dup2(saved, STDERR)
            os.close(saved)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give stderr back."""
        self.end()


def abandon() -> None:
    """Keep the end of this process from waiting for a sound system that hangs."""
    atexit.unregister(library()._exit_handler)  # noqa: SLF001
