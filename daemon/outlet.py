"""What the engine and the daemon tell -> messages on the wire, with the wall clock of their sample."""

from __future__ import annotations

import time

import structlog

from inherentd.daemon import messages, stream_clock
from inherentd.daemon.health import Condition, Health
from inherentd.daemon.publisher import Publisher
from inherentd.daemon.sources import Source
from inherentd.daemon.stream_clock import StreamClock
from inherentd.pipeline.events import Audio, Event, GateClosed, GateOpened, Intent
from inherentd.pipeline.runtimes import Processor


class Outlet:
    """Sends events and health through one publisher."""

    def __init__(self, publisher: Publisher, model: messages.ModelIdentity, processor: Processor) -> None:
        """Set the clock to now: no sample has been heard."""
        self._publisher, self._model, self._processor = publisher, model, processor
        self._clock = StreamClock(time.time_ns())
        self._samples = 0
        self._log = structlog.get_logger()
        self.health = Health()

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
            fields = messages.fields(event, self._model)
            self._publisher.publish(event.TOPIC, self._clock.time_ns(event.at_sample), fields, payload)
            self._log_event(event)

    def tell_health(self, condition: Condition, source: Source | None) -> None:
        """Publish a health message if one is due."""
        if not self.health.due(condition):
            return
        if self.health.changed(condition):
            self._log.info("state", state=condition.state, reason=condition.reason)
        overflows, dropped = (source.overflows, source.dropped) if source is not None else (0, 0)
        fields = self.health.fields(condition, self._samples, overflows, dropped)
        fields["processor"] = str(self._processor)
        self._publisher.publish("health", self._clock.time_ns(self._samples), fields)
        self._publisher.forget_subscriptions()

    def _log_event(self, event: Event) -> None:
        match event:
            case GateOpened():
                self._log.info("gate opened", utterance=event.utterance, score=round(event.score, 3))
            case Intent() if event.final:
                self._log.info("intent", utterance=event.utterance, head=event.head, score=round(event.score, 3))
            case GateClosed():
                seconds = round(event.duration_samples / messages.SAMPLE_RATE_HZ, 2)
                self._log.info("gate closed", utterance=event.utterance, reason=event.reason, seconds=seconds)
            case _:
                pass
