"""The daemon's fixtures: a tiny model, and a real daemon."""

from __future__ import annotations

from tests.daemon.conftest import _no_settings_from_outside, daemon, model

__all__ = ["_no_settings_from_outside", "daemon", "model"]
