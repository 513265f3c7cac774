"""The daemon: start in order, loop, stop in reverse."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from inherentd.client.places import control_endpoint
from inherentd.daemon import engine_setup, metrics, places, sources
from inherentd.daemon.captures.recorder import open_recorder
from inherentd.daemon.condition import Condition
from inherentd.daemon.config import Config
from inherentd.daemon.control import tuning
from inherentd.daemon.control.desk import Desk
from inherentd.daemon.control.server import ControlServer
from inherentd.daemon.control.tuning import Tuning
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.listening import Listening
from inherentd.daemon.metrics.figures import Figures
from inherentd.daemon.notify import Notifier
from inherentd.daemon.outlet import Outlet
from inherentd.daemon.publisher import Publisher, PublisherConfig
from inherentd.daemon.reloading import Reloads
from inherentd.daemon.security.sockets import ServerSockets
from inherentd.daemon.sources import open_source
from inherentd.daemon.stop import StopSignals
from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.engine import Engine
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import Processor


def run(read_config: Callable[[], Config], wait_for_subscriber_seconds: float = 0) -> None:
    """Listen and publish until the audio ends or SIGINT or SIGTERM comes. `read_config` is called again at each reload.

    Raises DaemonError or PipelineError when it cannot start or has to give up; what was open is closed and told first.
    """
    log = structlog.get_logger()
    config = read_config()
    sources.check(config.input)
    runtime = engine_setup.open_model(config.model)
    metadata = runtime.metadata
    _warn_of(runtime.processor)
    kept = Tuning(_kept_thresholds(config, metadata))
    engine = Engine(engine_setup.engine_config(tuning.tuned(config, kept, metadata), metadata), runtime)
    figures = Figures(engine_setup.running_model(runtime), metadata.head_order[1:])
    with ExitStack() as stack:
        stop = stack.enter_context(StopSignals())
        sockets = stack.enter_context(ServerSockets(config.security))
        publisher = stack.enter_context(Publisher(_publisher_config(config), sockets))
        log.info(
            "publishing",
            endpoint=publisher.endpoint,
            model=metadata.version,
            heads=len(metadata.head_order),
            backend=runtime.processor.backend,
            processor=runtime.processor.running,
        )
        control = _open_control(config, sockets, stack)
        stack.enter_context(metrics.serve(config.metrics.endpoint, figures, insecure=config.security.insecure))
        if wait_for_subscriber_seconds and not publisher.wait_for_subscriber(stop, wait_for_subscriber_seconds):
            log.warning("no subscriber came in time", waited_seconds=wait_for_subscriber_seconds)
        outlet = Outlet(publisher, engine_setup.identity(metadata), runtime.processor, Notifier.from_environment())
        outlet.tell_health(Condition("starting"), None)
        source = stack.enter_context(open_source(config.input, stop))
        recorder = open_recorder(config.captures, engine, publisher.stream, publisher.device)
        listening = Listening(config, engine, source, outlet, reloads=Reloads(read_config), stop=stop, tuning=kept,
                              kept=_kept_thresholds, figures=figures, recorder=recorder)  # fmt: skip
        if control is not None:
            listening.desk = Desk(control, listening, places.state_folder())
        log.info("listening", input=config.input.source, speed=config.input.speed)
        reason = "failed"
        try:
            reason = listening.until_the_end()
        except (DaemonError, PipelineError) as error:
            reason = str(error)
            raise
        finally:
            listening.finish(reason)
            bad = engine.bad_samples + source.vitals.bad_samples
            if bad:
                log.warning("samples that were not numbers were taken as 0", samples=bad)


def _kept_thresholds(config: Config, metadata: ArtifactMetadata) -> dict[str, float]:
    """Return what was set at run time for this model to be kept. What no longer fits is left out and told: it must not keep
    a service down."""
    log, folder = structlog.get_logger(), places.state_folder()
    file = folder / tuning.FILE_NAME
    by_model = tuning.kept(folder)
    if metadata.training_hash not in by_model:
        if file.exists():
            log.warning(
                "no kept thresholds are for this model: set them again with --keep, or remove this file", file=str(file)
            )
        return {}
    kept = by_model[metadata.training_hash]
    try:
        engine_setup.engine_config(tuning.tuned(config, Tuning(kept), metadata), metadata)
    except (DaemonError, PipelineError) as error:
        log.warning("kept thresholds are left out", file=str(file), reason=str(error))
        return {}
    if kept:
        log.info("thresholds kept from an earlier run", thresholds=kept)
    return kept


def _open_control(config: Config, sockets: ServerSockets, stack: ExitStack) -> ControlServer | None:
    if config.control.endpoint is None:
        return None
    server = ControlServer(control_endpoint(config.control.endpoint), sockets)
    stack.callback(server.close)
    structlog.get_logger().info("taking requests", endpoint=server.endpoint)
    return server


def _warn_of(processor: Processor) -> None:
    """Say so when something else runs the model than was asked for."""
    if processor.reason:
        structlog.get_logger().warning(
            "running on another processor" if processor.asked not in ("auto", processor.running) else "running, but",
            asked=processor.asked,
            running=processor.running,
            reason=processor.reason,
        )


def _publisher_config(config: Config) -> PublisherConfig:
    return PublisherConfig(
        endpoint=config.publish.endpoint,
        stream=uuid.uuid4().hex,
        device=config.publish.device or socket.gethostname(),
        queue_messages=config.publish.queue_messages,
    )
