"""Say what is installed here, which of the models that come along run and how fast, and what listening would run on.

Exit code 0 when the daemon could run as it is configured, also where an accelerator was refused and the CPU stands in;
1 when it could not, or with --strict-delegate.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys

from inherentd.daemon import engine_setup
from inherentd.daemon.commands.arguments import add_config_arguments, add_model_arguments, configuration
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.sources import portaudio
from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.runtimes import open_runtime, step_seconds

MODULES = (
    "numpy",
    "onnxruntime",
    "ai_edge_litert",
    "tflite_runtime",
    "mlx",
    "coremltools",
    "zmq",
    "soxr",
    "soundfile",
    "sounddevice",
)
"""asked for by the name that is imported: onnxruntime comes in several packages"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd doctor`."""
    add_model_arguments(parser)
    add_config_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is there, and last what would run."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {platform.machine()}")
    packages = importlib.metadata.packages_distributions()
    print(", ".join(f"{name} {_version(packages.get(name, []))}" for name in ("inherentd", *MODULES)))
    for backend, path in engine_setup.SHIPPED_MODELS.items():
        try:
            runtime = open_runtime(path, backend, "cpu")
            found = f"runs, {step_seconds(runtime) * 1e6:.0f} µs a step of {runtime.step_frames * 20} ms"
        except PipelineError as error:
            found = str(error)
        print(f"model {path.name}: {found}")
    print(f"microphones: {_microphones()}")
    try:
        runtime = engine_setup.open_model(configuration(arguments).model)
    except (DaemonError, PipelineError) as error:
        print(f"the daemon would not run: {error}", file=sys.stderr)
        return 1
    print(f"the daemon would run the model by {runtime.processor}")
    return 0


def _version(packages: list[str]) -> str:
    return (
        " and ".join(f"{importlib.metadata.version(name)} ({name})" for name in sorted(set(packages)))
        or "is not installed"
    )


def _microphones() -> str:
    try:
        found = portaudio.input_devices()
    except DaemonError as error:
        return str(error)
    return ", ".join(f"{device.index} {device.name!r}{' (default)' * device.default}" for device in found) or "none"
