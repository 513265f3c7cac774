"""What the daemon counts, and how others read it: /metrics for Prometheus and /health, over HTTP, only where asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from inherentd.daemon.metrics.figures import Figures


def serve(endpoint: str | None, figures: Figures, *, insecure: bool = False) -> AbstractContextManager[object]:
    """Return a running MetricsServer, closed by the end of its `with` block; nothing at all where endpoint is None.

    The HTTP server and prometheus_client are imported only here.
    """
    if endpoint is None:
        return nullcontext()
    from inherentd.daemon.metrics.server import MetricsServer

    return MetricsServer(endpoint, figures, insecure=insecure)
