"""Check everything that listening needs, and say what to do about what is wrong: audio stack, permission, device, level,
clipping, model, runtime, sockets, service, clocks, disk, and the daemon that runs.

Records 2 seconds: speak meanwhile. Where a daemon runs already, its microphone is left alone. Marks: ok, warn (to look
at), FAIL (the daemon would not start as it is configured, or would hear nothing), ? (could not be checked).
Exit code 0 unless something failed, also where an accelerator was refused and the CPU stands in.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator

from inherentd.client.places import runtime_folder
from inherentd.daemon import engine_setup
from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration, seconds
from inherentd.daemon.config import Config
from inherentd.daemon.doctor import (
    asking,
    clock,
    disk,
    microphone,
    model,
    report,
    running,
    service,
    sockets,
    sound_system,
)
from inherentd.daemon.doctor.asking import ask
from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.sources import portaudio
from inherentd.daemon.sources.capture import Capture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd doctor`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line, one for each check")
    parser.add_argument("--no-microphone", action="store_true", help="leave out the microphone and what it hears")
    parser.add_argument(
        "--seconds", type=seconds, default=2.0, help="how long to record; 30 also tells the device's clock (default: 2)"
    )
    parser.add_argument("--input", metavar="SOURCE", help="as for inherentd run, e.g. mic:NAME")
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print each finding as it is found."""
    config = configuration(arguments)
    findings: list[Finding] = []
    for finding in _findings(config, arguments.seconds, microphone_wanted=not arguments.no_microphone):
        findings.append(finding)
        print(report.line(finding, as_json=arguments.json), flush=True)
    if not arguments.json:
        print(report.summary(findings))
    failed = [finding.name for finding in findings if finding.verdict == "failure"]
    if failed:
        print(f"inherentd doctor: failed: {', '.join(failed)}", file=sys.stderr)
    if asking.somebody_hangs():
        sys.stdout.flush()
        os._exit(int(bool(failed)))  # a usual exit would wait for the sound system
    return int(bool(failed))


def _findings(config: Config, record_seconds: float, *, microphone_wanted: bool) -> Iterator[Finding]:
    started = clock.now()
    yield Finding("system", "ok", f"{platform.platform()}, Python {platform.python_version()}, {platform.machine()}")
    yield model.packages()
    health = running.health_at(config.publish.endpoint)
    held = health is not None
    yield running.daemon(health)
    if config.input.source.partition(":")[0] != "mic":
        yield Finding("device", "unknown", f"input.source is {config.input.source}, no microphone")
    elif not microphone_wanted:
        yield Finding("device", "unknown", "left out: --no-microphone")
    else:
        yield from _microphone(config, record_seconds, held=held)
    yield from model.shipped(engine_setup.SHIPPED_MODELS)
    yield from model.configured(lambda: engine_setup.open_model(config.model))
    yield from _sockets(config, held=held)
    yield from service.service(sys.platform, ask)
    yield clock.system_clock(started, clock.now(), ask)
    yield disk.captures(config.captures)


def _microphone(config: Config, record_seconds: float, *, held: bool) -> Iterator[Finding]:
    servers = sound_system.servers(os.environ)
    stack = sound_system.audio_stack(sys.platform, _portaudio_version, servers)
    yield stack
    if stack.verdict == "failure":
        return
    if sys.platform != "darwin":
        yield sound_system.alsa_permission(servers)

    def opened(device: portaudio.InputDevice) -> Capture:
        capture = Capture(device, config.input.block_ms, config.input.channel)
        print(f"recording {record_seconds:g} seconds, please speak", file=sys.stderr)
        return capture

    sound = microphone.Sound(portaudio.input_devices, portaudio.find, opened)
    yield from microphone.look(sound, config, sys.platform, record_seconds, held=held)


def _portaudio_version() -> str:
    return str(asking.within(microphone.LIST_SECONDS, lambda: portaudio.library().get_portaudio_version()[1]))


def _sockets(config: Config, *, held: bool) -> Iterator[Finding]:
    yield sockets.zmq_endpoint("publish.endpoint", config.publish.endpoint, running=held)
    folder, control = runtime_folder(), config.control.endpoint
    yield sockets.folder(folder, os.getuid())
    if control is None:
        yield Finding("control.endpoint", "ok", "off: no requests are taken")
    elif control == "auto" and not folder.exists():
        yield Finding("control.endpoint", "ok", f"{folder / 'control.sock'} is free")
    else:
        endpoint = f"ipc://{folder / 'control.sock'}" if control == "auto" else control
        yield sockets.zmq_endpoint("control.endpoint", endpoint, running=held)
    yield sockets.metrics_endpoint(config.metrics.endpoint, insecure=config.security.insecure, running=held)
