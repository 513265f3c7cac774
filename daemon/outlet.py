"""What the engine and the daemon tell -> messages on the wire, with the wall clock of their sample."""

from __future__ import annotations

import time
from typing import Any

import structlog

from inherentd.client.messages import ModelIdentity
from inherentd.daemon import stream_clock
from inherentd.daemon.condition import Condition
from inherentd.daemon.event_fields import fields
from inherentd.daemon.health import Health
from inherentd.daemon.notify import Notifier
from inherentd.daemon.publisher import Publisher
from inherentd.daemon.sources import Source
from inherentd.daemon.sources.vitals import Vitals
from inherentd.daemon.stream_clock import StreamClock
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened, Intent
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.runtimes import Processor

HOP_SAMPLES = SAMPLE_RATE_HZ // 50


class Outlet:
    """Sends events and health through one publisher."""

    def __init__(self, publisher: Publisher, model: ModelIdentity, processor: Processor, notifier: Notifier) -> None:
        """Set the clock to now: no sample has been heard."""
        self._publisher, self._model, self._processor = publisher, model, processor
        self._notifier = notifier
        self._clock = StreamClock(time.time_ns())
        self._samples = 0
        self._log = structlog.get_logger()
        self.health = Health()

    @property
    def stream(self) -> str:
        """The id of this run."""
        return self._publisher.stream

    @property
    def endpoint(self) -> str:
        """Where events go out."""
        return self._publisher.endpoint

    @property
    def subscribers(self) -> int:
        """How many are connected now."""
        return self._publisher.subscribers

    @property
    def refused_peers(self) -> int:
        """How many keys, subscriptions and peers were refused."""
        return sum(self._publisher.refusals.values())

    def handle_subscriptions(self) -> None:
        """Let subscribers come and go."""
        self._publisher.handle_subscriptions()

    def heard(self, samples_so_far: int, *, live: bool) -> None:
        """Note that a block arrived just now, up to this sample. The first one sets the clock."""
        if self._samples == 0:
            self._clock = StreamClock(0)
        self._samples = samples_so_far
        self._clock = stream_clock.step(self._clock, samples_so_far, time.time_ns(), live=live)

    def send(self, events: list[Event]) -> None:
        """Publish what the engine told."""
        for event in events:
            payload = event.pcm.astype("<i2", copy=False).tobytes() if isinstance(event, Audio) else None
            added = fields(event, self._model)
            self._publisher.publish(event.TOPIC, self._clock.time_ns(event.at_sample), added, payload)
            self._log_event(event)

    def time_ns(self, at_sample: int) -> int:
        """Return the wall clock of a sample, nanoseconds since 1970."""
        return self._clock.time_ns(at_sample)

    def tell_health(self, condition: Condition, source: Source | None) -> dict[str, Any] | None:
        """Publish a health message if one is due. Return what it told."""
        if not self.health.due(condition):
            return None
        if self.health.changed(condition):
            self._log.info("state", state=condition.state, reason=condition.reason)
        fields = self.health_fields(condition, source)
        self.health.told(condition)
        self._publisher.publish("health", self._clock.time_ns(self._samples), fields)
        if source is not None:
            source.forget_jitter()
        self._notifier.tell(condition.state, fields["frames"], condition.reason)
        return fields

    def health_fields(self, condition: Condition, source: Source | None) -> dict[str, Any]:
        """Return what a health message tells, with at_sample."""
        vitals = source.vitals if source is not None else Vitals()
        return {
            "at_sample": self._samples,
            "state": condition.state,
            "reason": condition.reason,
            "muted": source is not None and source.muted,
            "microphone": vitals.device,
            "processor": str(self._processor),
            "frames": max(0, self._samples - vitals.dropped) // HOP_SAMPLES,
            "overflows": vitals.overflows,
            "gaps": vitals.gaps,
            "dropped": vitals.dropped,
            "jitter_ms": vitals.jitter_ms,
            "drift_ppm": vitals.drift_ppm,
            **self.health.usage(),
        }

    def tell_reload(self, *, under_way: bool) -> None:
        """Tell the service manager that a reload begins, or is over."""
        self._notifier.reload(under_way=under_way)

    def change_model(self, model: ModelIdentity, processor: Processor) -> None:
        """Tell from now on that this model decides."""
        self._model, self._processor = model, processor

    def _log_event(self, event: Event) -> None:
        match event:
            case GateOpened():
                self._log.info("gate opened", utterance=event.utterance, score=round(event.score, 3))
            case Intent() if event.final:
                self._log.info("intent", utterance=event.utterance, head=event.head, score=round(event.score, 3))
            case GateClosed():
                seconds = round(event.duration_samples / SAMPLE_RATE_HZ, 2)
                self._log.info("gate closed", utterance=event.utterance, reason=event.reason, seconds=seconds)
            case _:
                pass
