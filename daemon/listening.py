"""The loop: audio in, events out, and between two blocks whatever was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import structlog

from inherentd.client.requests import Mark
from inherentd.daemon import engine_setup, logging
from inherentd.daemon.captures.capture import Label
from inherentd.daemon.captures.recorder import Recorder
from inherentd.daemon.captures.store import Store, Utterance
from inherentd.daemon.condition import Condition
from inherentd.daemon.config import Config
from inherentd.daemon.control.desk import Desk
from inherentd.daemon.control.server import Asked
from inherentd.daemon.control.tuning import Tuning, tuned
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.metrics.counting import count_events, take_health
from inherentd.daemon.metrics.figures import Figures
from inherentd.daemon.outlet import Outlet
from inherentd.daemon.reloading import Reloads, needing_restart
from inherentd.daemon.security import memory
from inherentd.daemon.sources import Pcm, Source
from inherentd.daemon.stop import StopSignals
from inherentd.pipeline.artifact import ArtifactMetadata, threshold_key
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.events import Event
from inherentd.pipeline.runtimes import Runtime

DEAF_SECONDS = 2.0
"""without a processed sample, whoever is to blame"""
ANSWER_SECONDS = 0.1
"""how long a request may wait while no audio comes"""


class Listening:
    """What runs while the daemon runs. Requests come in through `desk`, if there is one."""

    def __init__(self, config: Config, engine: Engine, source: Source, outlet: Outlet, *, reloads: Reloads,
                 stop: StopSignals, tuning: Tuning, kept: Callable[[Config, ArtifactMetadata], dict[str, float]],
                 figures: Figures, recorder: Recorder | None) -> None:  # fmt: skip
        """Take what was opened; nothing is read yet. `kept` gives the thresholds that were kept for a model."""
        self.tuning = tuning
        self.desk: Desk | None = None
        self._config, self._engine, self._source, self._outlet = config, engine, source, outlet
        self._kept = kept
        self._reloads, self._stop, self._figures, self._recorder = reloads, stop, figures, recorder
        self._started_with = config
        """some settings hold from the start to the stop"""
        self._processed_at = time.monotonic()
        self._log = structlog.get_logger()

    def until_the_end(self) -> str:
        """Move audio from the source through the engine to the subscribers. Return why it ended."""
        source, engine, outlet, figures = self._source, self._engine, self._outlet, self._figures
        while not self._stop.requested:
            self._tell_health(self.condition)
            block = source.read(min(outlet.health.seconds_until_due(), ANSWER_SECONDS))
            if block is None:
                return "the audio ended"
            if len(block):
                started, steps = time.perf_counter(), engine.steps
                events = engine.push(block)
                figures.observe_step(time.perf_counter() - started, engine.steps - steps)
                outlet.heard(engine.samples, live=source.live)
                self._send(events)
                self._processed_at = time.monotonic()
            self._work()
        return self._stop.name

    def finish(self, reason: str) -> None:
        """Close and publish what is open, and tell why it ends."""
        self._send(self._engine.finish())
        if self._recorder is not None:
            self._recorder.close()
        self._tell_health(Condition("stopping", reason))

    @property
    def condition(self) -> Condition:
        """Whether somebody listens: only while samples are processed, whatever the source says of itself."""
        silent_seconds = time.monotonic() - self._processed_at
        said = self._source.condition
        if said.state == "listening" and silent_seconds > DEAF_SECONDS:
            return Condition("stalled", "no audio comes")
        return said if self._engine.samples or said.state == "stalled" else Condition("starting")

    @property
    def model_hash(self) -> str:
        """Of the training of the model that runs."""
        return self._engine.runtime.metadata.training_hash

    @property
    def thresholds(self) -> dict[str, float]:
        """By key, as they are without the context."""
        metadata = self._engine.runtime.metadata
        section = tuned(self._config, Tuning(self.tuning.thresholds), metadata).gate
        gate = engine_setup.gate_config(section, metadata)
        values = (gate.open_threshold, *gate.intent_thresholds)
        return {threshold_key(head): value for head, value in zip(gate.heads, values, strict=True)}

    def status(self) -> dict[str, Any]:
        """Return what is told by `health`, and what it takes to understand it."""
        engine, metadata = self._engine, self._engine.runtime.metadata
        return {
            **self._outlet.health_fields(self.condition, self._source),
            "stream": self._outlet.stream,
            "endpoint": self._outlet.endpoint,
            "input": self._started_with.input.source,
            "model": {"version": metadata.version, "hash": metadata.training_hash},
            "heads": list(engine.heads),
            "thresholds": self.thresholds,
            "gate": {"opens": engine.config.gate.open_threshold, "closes": engine.config.gate.close_threshold},
            "context": {
                "assistant_speaking": self.tuning.assistant_speaking,
                "expecting_reply": self.tuning.reply_until is not None,
            },
            "deciding": self._deciding(),
            "open": engine.is_open,
            "asleep": engine.asleep,
            "level_dbfs": engine.level_dbfs,
            "scores_per_second": self._config.publish.scores_per_second,
            "held": {"start": engine.oldest, "stop": engine.samples},
            "reloading": self._reloads.under_way,
            "subscribers": self._outlet.subscribers,
        }

    def _deciding(self) -> dict[str, Any]:
        """Return what it takes to decide again over published scores, with other thresholds."""
        engine = self._engine
        return {
            "gate": asdict(engine.config.gate),  # with the context's part in its threshold
            "close_share": engine_setup.CLOSE_SHARE if self._config.gate.close_threshold is None else None,
            "step_samples": engine.runtime.step_frames * engine.spec.hop_samples,
            "scores_every_samples": engine.config.scores_every_samples,
        }

    def mute(self, *, on: bool) -> None:
        """Mute or unmute."""
        self._source.mute(on=on)
        if on:
            self._send(self._engine.close_utterance("muted"))
        self._log.info("muted" if on else "unmuted")

    def retune(self, changed: Tuning) -> None:
        """Use other thresholds or another context from the next step on."""
        metadata = self._engine.runtime.metadata
        config = engine_setup.engine_config(tuned(self._config, changed, metadata), metadata)
        self._send(self._engine.change(config))
        self.tuning = changed

    def audio(self, start: int, stop: int) -> Pcm:
        """Return samples that the ring still holds."""
        return self._engine.audio(start, stop)

    def reload(self, asked: Asked | None) -> None:
        """Begin to read configuration and model anew, beside the loop."""
        self._outlet.tell_reload(under_way=True)
        self._reloads.ask(asked)

    def mark(self, mark: Mark) -> dict[str, Any]:
        """Count what an utterance really was, and label its capture where captures are kept."""
        if mark.utterance > self._figures.gate_openings:
            raise DaemonError(f"utterance {mark.utterance}: there were {self._figures.gate_openings} so far")
        self._figures.false_accepts += not mark.addressed
        folder, result = self._started_with.captures.folder, {"utterance": mark.utterance, "capture": ""}
        if folder is None:
            result["reason"] = "counted only: no captures are kept (captures.folder)"
        else:
            label = Label(addressed=mark.addressed, heads=mark.heads, note=mark.note)
            store = Store(Path(folder).expanduser())
            result["capture"] = store.label(Utterance(self._outlet.stream, mark.utterance), label).id
        return result

    def stop(self) -> None:
        """End soon."""
        self._stop.request("asked to stop")

    def _send(self, events: list[Event]) -> None:
        self._outlet.send(events)
        count_events(self._figures, events)
        if self._recorder is not None:
            self._recorder.heard(events, self._outlet.time_ns)

    def _tell_health(self, condition: Condition) -> None:
        told = self._outlet.tell_health(condition, self._source)
        if told is None:
            return
        figures = self._figures
        take_health(figures, told)
        figures.subscribers, figures.refused_peers = self._outlet.subscribers, self._outlet.refused_peers
        figures.queues = {"microphone_samples": self._source.vitals.waiting}
        if self.desk is not None:
            figures.control_requests = self.desk.counted
        if self._recorder is not None:
            counts = self._recorder.counts
            figures.near_misses = self._recorder.near_misses
            figures.queues["captures"] = self._recorder.waiting
            figures.captures_written, figures.captures_failed = counts.written, counts.failed + counts.dropped

    def _work(self) -> None:
        """Do what was asked for, which is little at a time."""
        self._outlet.handle_subscriptions()
        if self._stop.take_reload():
            self.reload(None)
        self._finish_reload()
        if self.tuning.at(time.monotonic()) != self.tuning:
            self.retune(self.tuning.at(time.monotonic()))
        if self.desk is not None:
            self.desk.work()

    def _finish_reload(self) -> None:
        """Go on with what was read meanwhile, if something was."""
        finished = self._reloads.finished()
        if finished is None:
            return
        result, answer = finished
        error, restart = result.error, list[str]()
        if result.config is not None and result.runtime is not None:
            try:
                restart = self._use(result.config, result.runtime)
            except Exception as problem:  # a model that breaks at once: the one before goes on
                error = str(problem) or type(problem).__name__
        self._outlet.tell_reload(under_way=self._reloads.under_way)
        memory.give_back()  # of the model before, or of the one that was not taken
        version = self._engine.runtime.metadata.version
        if error:
            self._log.warning("not reloaded; everything stays as it was", reason=error)
        else:
            self._log.info("reloaded", model=version, needs_restart=restart)
            self._figures.reloads += 1
        if self.desk is not None:
            self.desk.reloaded(answer, error, {"model": version, "needs_restart": restart})

    def _use(self, config: Config, runtime: Runtime) -> list[str]:
        """Go on with another configuration and model. Return the settings that hold from the next start only."""
        metadata = runtime.metadata
        # What was set at run time says nothing about another model; without a hash nobody knows which one it is.
        same = metadata.training_hash == self.model_hash != ""
        tuning = self.tuning if same else replace(self.tuning, thresholds=self._kept(config, metadata))
        engine_config = engine_setup.engine_config(tuned(config, tuning, metadata), metadata)
        self._send(self._engine.change(engine_config, runtime))
        self._outlet.change_model(engine_setup.identity(metadata), runtime.processor)
        self._figures.model = engine_setup.running_model(runtime)
        restart = needing_restart(self._started_with, config)
        self.tuning, self._config = tuning, config
        logging.configure(config.log)
        return restart
