"""Where every test must run (CI sets REQUIRE_ALL_TESTS=1), a skipped one is a failure."""

from __future__ import annotations

import os

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == 0 and os.environ.get("REQUIRE_ALL_TESTS"):
        reporter.write_line(f"REQUIRE_ALL_TESTS: {len(skipped)} tests were skipped", red=True)
        session.exitstatus = 1
