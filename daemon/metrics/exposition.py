"""Figures -> the text that Prometheus reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from inherentd.daemon.metrics.figures import STEP_BUCKETS_SECONDS, Figures
from inherentd.daemon.metrics.table import INFO, INFO_MEANING, METRICS, STEP_MEANING, STEP_SECONDS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition(Collector):
    """Reads the figures whenever it is asked; a registry of its own, so that nothing but these is shown."""

    def __init__(self, figures: Figures) -> None:
        """Keep the figures; nothing is computed yet."""
        self._figures = figures
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics as they are now."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Return nothing: the registry need not know the names."""
        return []

    def collect(self) -> Iterable[Family]:
        """Yield every metric."""
        for metric in METRICS:
            yield _family(metric, self._figures)
        yield _steps(self._figures)
        model = dataclasses.asdict(self._figures.model)
        yield InfoMetricFamily(INFO.removesuffix("_info"), INFO_MEANING, value=model)


def _family(metric: Metric, figures: Figures) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    value = metric.read(figures)
    if not isinstance(value, Mapping):
        return kind(metric.name, metric.meaning, value=value)
    family = kind(metric.name, metric.meaning, labels=[metric.label])
    for key, one in sorted(value.items()):
        family.add_metric([key], one)
    return family


def _steps(figures: Figures) -> Family:
    counts = accumulate(list(figures.step_buckets))
    bounds = [*(f"{bound:g}" for bound in STEP_BUCKETS_SECONDS), "+Inf"]
    buckets = list(zip(bounds, counts, strict=True))
    return HistogramMetricFamily(STEP_SECONDS, STEP_MEANING, buckets=buckets, sum_value=figures.step_seconds)
