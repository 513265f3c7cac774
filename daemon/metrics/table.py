"""Every metric: its name, its meaning, and where its value comes from. docs/observability.md shows the same table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from inherentd.client.messages import State
from inherentd.daemon import process_usage
from inherentd.daemon.metrics.figures import Figures


@dataclass(frozen=True)
class Metric:
    """One metric as Prometheus knows it. With a `label`, `read` returns a value for each of the label's values."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    read: Callable[[Figures], float | Mapping[str, float]]
    label: str = ""


STEP_SECONDS = "inherentd_step_seconds"
STEP_MEANING = "Time that one step of the model takes, with its frontend."
INFO = "inherentd_info"
INFO_MEANING = "Always 1; the labels say which model runs (version, hash), on what (backend, processor)."

METRICS = (
    Metric("inherentd_frames_total", "counter", "20 ms hops of audio taken in.", lambda f: f.frames),
    Metric("inherentd_overflows_total", "counter", "Times that the sound system reported lost audio.",
           lambda f: f.overflows),
    Metric("inherentd_dropped_samples_total", "counter", "16 kHz samples that were lost before the model.",
           lambda f: f.dropped_samples),
    Metric("inherentd_gaps_total", "counter", "Holes in the stream of audio, of any length.", lambda f: f.gaps),
    Metric("inherentd_callback_jitter_max_seconds", "gauge", "Most by which a block of audio came early or late.",
           lambda f: f.callback_jitter_ms / 1e3),
    Metric("inherentd_clock_drift_ratio", "gauge", "How much faster the device's clock runs than ours; 1e-6 is 1 ppm.",
           lambda f: f.clock_drift_ppm / 1e6),
    Metric("inherentd_gate_openings_total", "counter", "Utterances meant for the assistant.", lambda f: f.gate_openings),
    Metric("inherentd_gate_closings_total", "counter", "Utterances that ended, by why.",
           lambda f: dict(f.closings), "reason"),
    Metric("inherentd_intents_total", "counter", "Utterances in which an intent was recognised, by its head.",
           lambda f: dict(f.intents), "head"),
    Metric("inherentd_near_misses_total", "counter", "Times that the gate nearly opened.", lambda f: f.near_misses),
    Metric("inherentd_false_accepts_total", "counter", "Utterances that the user marked as not meant for the assistant.",
           lambda f: f.false_accepts),
    Metric("inherentd_queue_depth", "gauge", "What waits to be worked on or sent, by queue.",
           lambda f: dict(f.queues), "queue"),
    Metric("inherentd_subscribers", "gauge", "Subscribers that are connected.", lambda f: f.subscribers),
    Metric("inherentd_refused_peers_total", "counter", "Connections that were refused, e.g. for their key.",
           lambda f: f.refused_peers),
    Metric("inherentd_control_requests_total", "counter", "Requests on the control socket, by kind.",
           lambda f: dict(f.control_requests), "kind"),
    Metric("inherentd_reloads_total", "counter", "Times that model or thresholds were loaded anew.",
           lambda f: f.reloads),
    Metric("inherentd_captures_written_total", "counter", "Utterances and near misses written to disk.",
           lambda f: f.captures_written),
    Metric("inherentd_captures_failed_total", "counter", "Captures that could not be written.",
           lambda f: f.captures_failed),
    Metric("inherentd_state", "gauge", "1 for the state that the daemon is in, 0 for the others.",
           lambda f: {state: float(state == f.state) for state in get_args(State)}, "state"),
    Metric("inherentd_state_seconds", "gauge", "Time since the state changed.", lambda f: f.state_seconds),
    Metric("inherentd_muted", "gauge", "1 while it is muted.", lambda f: f.muted),
    Metric("inherentd_healthy", "gauge", "1 while /health answers 200.", lambda f: not f.trouble),
    Metric("inherentd_uptime_seconds", "gauge", "Time since the daemon started.", lambda f: f.uptime_seconds),
    Metric("inherentd_cpu_seconds_total", "counter", "CPU time used by all threads of the process.",
           lambda _: process_usage.cpu_seconds()),
    Metric("inherentd_resident_memory_bytes", "gauge", "Resident memory (macOS: its peak).",
           lambda _: process_usage.resident_bytes()),
)  # fmt: skip
