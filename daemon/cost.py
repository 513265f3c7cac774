"""How much CPU the engine needs for a signal, split into frontend, model and the rest."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.engine import Engine, EngineConfig
from inherentd.pipeline.frontend import FrontendSpec, log_mel
from inherentd.pipeline.resampling import SAMPLE_RATE_HZ
from inherentd.pipeline.runtimes import Array, Runtime, State

HOP_SECONDS = 0.02
WARM_UP_SAMPLES = 32_000


@dataclass(frozen=True)
class Cost:
    """CPU time; `_us` is microseconds per 20 ms hop of audio."""

    seconds: float
    frontend_us: float
    model_us: float
    total_us: float
    awake_share: float  # of the steps: in silence, most are not computed at all

    @property
    def rest_us(self) -> float:
        """Return what is neither frontend nor model: ring, gate, levels, calls."""
        return max(0.0, self.total_us - self.frontend_us - self.model_us)

    @property
    def real_time_factor(self) -> float:
        """Return CPU seconds per second of audio."""
        return self.total_us * 1e-6 / HOP_SECONDS

    @property
    def cpu_seconds_per_hour(self) -> float:
        """Return CPU seconds per hour of audio."""
        return self.real_time_factor * 3600


class TimedRuntime:
    """A runtime that adds up the CPU time of its steps."""

    def __init__(self, runtime: Runtime) -> None:
        """Wrap another runtime."""
        self.metadata: ArtifactMetadata = runtime.metadata
        self.step_frames = runtime.step_frames
        self.processor = runtime.processor
        self.nanoseconds = 0
        self._runtime = runtime

    def initial_state(self) -> State:
        """Return the other's initial state."""
        return self._runtime.initial_state()

    def step(self, given: Array, state: State) -> tuple[Array, State]:
        """Run the other's step and add its time."""
        started = time.process_time_ns()
        result = self._runtime.step(given, state)
        self.nanoseconds += time.process_time_ns() - started
        return result


def measure(config: EngineConfig, runtime: Runtime, signal: NDArray[np.int16], block_samples: int) -> Cost:
    """Return what `signal` (int16 at 16 kHz) costs when pushed in blocks of `block_samples`."""
    Engine(config, runtime).push(signal[:WARM_UP_SAMPLES])
    total_ns, plain = _engine_ns(config, runtime, signal, block_samples)
    timed = TimedRuntime(runtime)  # a run of its own: taking the time twice a step costs a little too
    _engine_ns(config, timed, signal, block_samples)
    hops = len(signal) / (HOP_SECONDS * SAMPLE_RATE_HZ)
    awake_share = plain.steps * runtime.step_frames / hops
    frontend_ns = _frontend_ns(runtime, signal, block_samples) * awake_share
    return Cost(
        seconds=len(signal) / SAMPLE_RATE_HZ,
        frontend_us=frontend_ns / 1000 / hops,
        model_us=timed.nanoseconds / 1000 / hops,
        total_us=total_ns / 1000 / hops,
        awake_share=min(1.0, awake_share),
    )


def _engine_ns(
    config: EngineConfig, runtime: Runtime, signal: NDArray[np.int16], block_samples: int
) -> tuple[int, Engine]:
    engine = Engine(config, runtime)
    started = time.process_time_ns()
    for position in range(0, len(signal), block_samples):
        engine.push(signal[position : position + block_samples])
    return time.process_time_ns() - started, engine


def _frontend_ns(runtime: Runtime, signal: NDArray[np.int16], block_samples: int) -> int:
    """Return the CPU time of the frontend over the whole signal, as many steps at a time as in the engine."""
    spec = runtime.metadata.frontend or FrontendSpec()
    step_samples = runtime.step_frames * spec.hop_samples
    call_samples = max(1, block_samples // step_samples) * step_samples
    started = time.process_time_ns()
    for position in range(0, len(signal) - call_samples - spec.window_samples, call_samples):
        piece = signal[position : position + call_samples + spec.window_samples - spec.hop_samples]
        log_mel(spec, piece.astype(np.float32) / np.float32(32768))
    return time.process_time_ns() - started
