"""What the user who runs the tests has set is not theirs; where every test must run (REQUIRE_ALL_TESTS=1, as in CI), a skipped one
is a failure."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _folders_of_nobody() -> Iterator[None]:
    """Daemons that tests start must not read thresholds, configuration or keys of whoever runs them."""
    with tempfile.TemporaryDirectory(prefix="inherentd-tests") as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, f"{folder}/{name}")
        for name in ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY", "RUNTIME_DIRECTORY"):
            patch.delenv(name, raising=False)
        # In the background of a shell Ctrl-C is ignored, and what is ignored is inherited.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and exitstatus == 0 and os.environ.get("REQUIRE_ALL_TESTS"):
        reporter.write_line(f"REQUIRE_ALL_TESTS: {len(skipped)} tests were skipped", red=True)
        session.exitstatus = 1
