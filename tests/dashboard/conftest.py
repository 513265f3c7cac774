"""The daemon's fixtures: a tiny model, a real daemon; and a real dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.daemon.conftest import _no_settings_from_outside, daemon, model
from tests.dashboard.running import Dashboard

__all__ = ["_no_settings_from_outside", "daemon", "model"]


@pytest.fixture
def dashboard() -> Iterator[Callable[..., Dashboard]]:
    """Start dashboards; they end with the test, and must have ended well and said nothing."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    started: list[Dashboard] = []

    def start(*arguments: Any, **options: Any) -> Dashboard:
        started.append(Dashboard(*arguments, **options))
        return started[-1]

    yield start
    assert [one.close() for one in started if one.process.poll() is None] in ([], [(0, "")], [(0, "")] * 2)
