"""What each request does to the running daemon."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from inherentd.client.requests import (
    AudioGet,
    ContextSet,
    Mark,
    Mute,
    Reload,
    Status,
    Stop,
    ThresholdsGet,
    ThresholdsSet,
    Unmute,
)
from inherentd.daemon.config_layers import nearest
from inherentd.daemon.control import tuning
from inherentd.daemon.control.server import Asked, ControlServer
from inherentd.daemon.control.tuning import Tuning
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.ring import Pcm


class Controlled(Protocol):
    """What requests need of the daemon; `daemon.listening.Listening` is one."""

    tuning: Tuning

    @property
    def model_hash(self) -> str:
        """Of the training of the model that runs."""
        ...

    @property
    def thresholds(self) -> dict[str, float]:
        """By key, as they are without the context."""
        ...

    def status(self) -> dict[str, Any]:
        """Return what `status` answers."""
        ...

    def mute(self, *, on: bool) -> None:
        """Mute or unmute."""
        ...

    def retune(self, changed: Tuning) -> None:
        """Use other thresholds or another context. Raises DaemonError or PipelineError when they cannot work."""
        ...

    def audio(self, start: int, stop: int) -> Pcm:
        """Return samples of the stream. Raises PipelineError when they are not held."""
        ...

    def reload(self, asked: Asked | None) -> None:
        """Begin to reload; who asked is answered at the end."""
        ...

    def mark(self, mark: Mark) -> dict[str, Any]:
        """Note what an utterance really was. Return what was done."""
        ...

    def stop(self) -> None:
        """End soon."""
        ...


class Desk:
    """Answers requests."""

    def __init__(self, server: ControlServer, daemon: Controlled, state_folder: Path) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._server, self._daemon, self._state_folder = server, daemon, state_folder
        self.counted = Counter[str]()

    def work(self) -> None:
        """Answer what was asked since the last call."""
        for asked in self._server.requests():
            name = str(asked.request.__struct_config__.tag)
            self.counted[name] += 1
            try:
                self._answer(asked)
            except (DaemonError, PipelineError) as error:
                self._server.refuse(asked, str(error))

    def reloaded(self, answer: list[Asked], error: str, result: dict[str, Any]) -> None:
        """Answer all that asked for a reload which is done now, or failed with an error."""
        for asked in answer:
            if error:
                self._server.refuse(asked, error)
            else:
                self._server.reply(asked, result)

    def _answer(self, asked: Asked) -> None:
        daemon, request = self._daemon, asked.request
        match request:
            case Status():
                self._server.reply(asked, daemon.status())
            case Mute() | Unmute():
                daemon.mute(on=isinstance(request, Mute))
                self._server.reply(asked, {"muted": isinstance(request, Mute)})
            case ThresholdsGet():
                self._server.reply(asked, {"thresholds": daemon.thresholds})
            case ThresholdsSet():
                self._set_thresholds(request)
                self._server.reply(asked, {"thresholds": daemon.thresholds, "kept": request.keep})
            case ContextSet():
                self._server.reply(asked, self._set_context(request))
            case AudioGet():
                pcm = daemon.audio(request.start, request.stop)
                result = {"start": request.start, "stop": request.stop, "rate": SAMPLE_RATE_HZ, "format": "s16le"}
                self._server.reply(asked, result, pcm.astype("<i2", copy=False).tobytes())
            case Reload():
                daemon.reload(asked)
            case Mark():
                self._server.reply(asked, daemon.mark(request))
            case Stop():
                self._server.reply(asked, {"stopping": True})
                daemon.stop()

    def _set_thresholds(self, request: ThresholdsSet) -> None:
        known = self._daemon.thresholds
        for key in request.thresholds:
            if key not in known:
                raise DaemonError(f"thresholds: this model has no head with the key {key!r}{nearest(key, known)}")
        changed = self._daemon.tuning.with_thresholds(request.thresholds)
        self._daemon.retune(changed)
        # What is left to the configuration again is not to come back at the next start either.
        changes = {key: value for key, value in request.thresholds.items() if request.keep or value is None}
        if changes:
            by_model, model = tuning.kept(self._state_folder), self._daemon.model_hash
            before = Tuning(by_model.get(model, {}))
            after = before.with_thresholds(changes)
            if after != before:
                tuning.keep(self._state_folder, {**by_model, model: dict(after.thresholds)})

    def _set_context(self, request: ContextSet) -> dict[str, Any]:
        changed = self._daemon.tuning
        if request.assistant_speaking is not None:
            changed = replace(changed, assistant_speaking=request.assistant_speaking)
        if request.expecting_reply_ms is not None:
            until = time.monotonic() + request.expecting_reply_ms / 1000
            changed = replace(changed, reply_until=until if request.expecting_reply_ms else None)
        self._daemon.retune(changed)
        return {
            "assistant_speaking": changed.assistant_speaking,
            "expecting_reply_ms": request.expecting_reply_ms or 0,
        }
