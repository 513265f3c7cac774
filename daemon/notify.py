"""What a service manager is told: ready, still hearing, or why not. Where none listens, nothing is sent.

systemd's protocol (sd_notify): lines of NAME=VALUE, in a datagram to the socket that $NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import structlog

HEARING = ("listening", "muted", "silent")
FEEDS_PER_WATCHDOG = 4  # systemd asks for 2; twice that, so that a late one does not count


@dataclass(frozen=True)
class Config:
    """What the service manager asked for."""

    watchdog_seconds: float | None = None  # without a sign of life for so long it restarts the service; None: never


@dataclass(frozen=True)
class State:
    """What was told so far."""

    ready: bool = False
    status: str = ""
    frames: int = 0  # when the watchdog was fed last
    fed_at: float = float("-inf")  # seconds


def step(
    config: Config, state: State, condition_state: str, frames: int, now: float, *, reason: str = ""
) -> tuple[State, list[str]]:
    """Return the next state and what must be told now.

    `frames` counts real audio that the model has processed, `now` is in seconds. Ready is told once, when the first
    audio went through; the watchdog is fed only by further audio, so a service that went deaf is restarted.
    """
    messages: list[str] = []
    hears = condition_state in HEARING and frames > 0
    if hears and not state.ready:
        state = replace(state, ready=True)
        messages.append("READY=1")
    if condition_state == "stopping" and state.status.partition(":")[0] != "stopping":
        messages.append("STOPPING=1")
    status = f"{condition_state}: {reason}" if reason else condition_state
    if status != state.status:
        state = replace(state, status=status)
        messages.append(_status(status))
    if config.watchdog_seconds is None or not hears or frames <= state.frames:
        return state, messages
    if now - state.fed_at >= config.watchdog_seconds / FEEDS_PER_WATCHDOG:
        state = replace(state, frames=frames, fed_at=now)
        messages.append("WATCHDOG=1")
    return state, messages


class Notifier:
    """Sends to the service manager, without ever waiting for it."""

    def __init__(self, address: str, watchdog_seconds: float | None = None) -> None:
        """Take the socket's address: a path, @NAME for an abstract one, "" for none."""
        self.watchdog_seconds = watchdog_seconds
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._state = State()
        self._failed = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return a notifier for what the service manager put there; one that sends nothing where it put nothing."""
        address = environment.get("NOTIFY_SOCKET", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        asked = for_us and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address if address[:1] in ("/", "@") else "", int(microseconds) / 1e6 if asked else None)

    def tell(self, condition_state: str, frames: int, reason: str = "") -> None:
        """Send what `step` finds worth telling now. What could not be sent is tried again at the next call."""
        config = Config(self.watchdog_seconds)
        state, messages = step(config, self._state, condition_state, frames, time.monotonic(), reason=reason)
        if not messages or self.send(messages):
            self._state = state

    def reload(self, *, under_way: bool) -> None:
        """Tell that the configuration is being read again, or that this is over. Nothing before the service was ready."""
        if self._state.ready:
            self.send(["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"] if under_way else ["READY=1"])

    def send(self, messages: Sequence[str]) -> bool:
        """Send these lines as one message. Return whether they went out, or nobody wants them."""
        if self._socket is None:
            return True
        try:
            # Not waiting: a socket that nobody reads is full after some ten messages, and would block for good.
            self._socket.sendto("\n".join(messages).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            if not self._failed:
                structlog.get_logger().debug("the service manager cannot be told", error=str(error))
            self._failed = True
            return False
        return True

    def close(self) -> None:
        """Let go of the socket; nothing is sent any more."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
