"""The daemon: start in order, loop, stop in reverse."""

from __future__ import annotations

import socket
import uuid

import structlog

from inherentd.daemon import engine_setup, sources
from inherentd.daemon.config import Config
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.health import Condition
from inherentd.daemon.outlet import Outlet
from inherentd.daemon.publisher import Publisher, PublisherConfig
from inherentd.daemon.sources import Source, open_source
from inherentd.daemon.stop import StopSignals
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError


def run(config: Config, wait_for_subscriber_seconds: float = 0) -> None:
    """Listen and publish until the audio ends or SIGINT or SIGTERM comes.

    Raises DaemonError or PipelineError when it cannot start or has to give up; what was open is closed and told first.
    """
    log = structlog.get_logger()
    sources.check(config.input)
    runtime = engine_setup.open_model(config.model)
    metadata, processor = runtime.metadata, runtime.processor
    if processor.reason:
        log.warning(
            "running on another processor" if processor.asked not in ("auto", processor.running) else "running, but",
            asked=processor.asked,
            running=processor.running,
            reason=processor.reason,
        )
    engine = Engine(engine_setup.engine_config(config, metadata), runtime)
    with StopSignals() as stop, Publisher(_publisher_config(config)) as publisher:
        log.info(
            "publishing",
            endpoint=publisher.endpoint,
            model=metadata.version,
            heads=len(metadata.head_order),
            backend=processor.backend,
            processor=processor.running,
        )
        if wait_for_subscriber_seconds and not publisher.wait_for_subscriber(stop, wait_for_subscriber_seconds):
            log.warning("no subscriber came in time", waited_seconds=wait_for_subscriber_seconds)
        outlet = Outlet(publisher, engine_setup.identity(metadata), processor)
        outlet.tell_health(Condition("starting"), None)
        with open_source(config.input, stop) as source:
            log.info("listening", input=config.input.source, speed=config.input.speed)
            reason = "failed"
            try:
                reason = listen(engine, source, outlet, stop)
            except (DaemonError, PipelineError) as error:
                reason = str(error)
                raise
            finally:
                outlet.send(engine.finish())
                outlet.tell_health(Condition("stopping", reason), source)
                if engine.bad_samples or source.bad_samples:
                    bad = engine.bad_samples + source.bad_samples
                    log.warning("samples that were not numbers were taken as 0", samples=bad)


def listen(engine: Engine, source: Source, outlet: Outlet, stop: StopSignals) -> str:
    """Move audio from the source through the engine to the subscribers. Return why it ended."""
    while not stop.requested:
        condition = Condition("stalled", source.stalled) if source.stalled else Condition("running")
        outlet.tell_health(condition, source)
        block = source.read(outlet.health.seconds_until_due())
        if block is None:
            return "the audio ended"
        if len(block):
            events = engine.push(block)
            outlet.heard(engine.samples, live=source.live)
            outlet.send(events)
    return stop.name


def _publisher_config(config: Config) -> PublisherConfig:
    return PublisherConfig(
        endpoint=config.publish.endpoint,
        stream=uuid.uuid4().hex,
        device=config.publish.device or socket.gethostname(),
        queue_messages=config.publish.queue_messages,
    )
