"""A daemon in this process, on sockets that nobody else reaches, and whoever watches it."""

from __future__ import annotations

import os
import signal
import tempfile
import threading

from msgspec.structs import replace

from inherentd.daemon import logging
from inherentd.daemon import run as daemon
from inherentd.daemon.config import Config
from inherentd.daemon.watch.connection import Connection
from inherentd.daemon.watch.screen import Show
from inherentd.daemon.watch.state import Watched

SCORES_PER_SECOND = 12.5  # where the configuration has none
QUEUE_MESSAGES = 1_000_000  # a file may come faster than it is shown
CONNECT_SECONDS = 10.0
LAST_SECONDS = 2.0


def watch(config: Config, show: Show) -> None:
    """Hear `input.source` as the daemon does, and show it, until the audio ends or whoever watches has seen enough.

    Nothing is written, and nothing goes out. Raises DaemonError or PipelineError as the daemon does.
    """
    with tempfile.TemporaryDirectory(prefix="inherentd-watch-") as folder:
        own = _own(config, f"ipc://{folder}/events", f"ipc://{folder}/control")
        logging.configure(own.log)
        watcher = _Watcher(own, show)
        watcher.start()
        try:
            daemon.run(lambda: own, CONNECT_SECONDS)
        finally:
            watcher.join(LAST_SECONDS)  # it ends by itself with the daemon's last message
            watcher.over.set()
            watcher.join()
    if watcher.error is not None:
        raise watcher.error


class _Watcher(threading.Thread):
    """Beside the daemon, which wants the signals and so the main thread."""

    def __init__(self, config: Config, show: Show) -> None:
        super().__init__(name="watching", daemon=True)
        self.over = threading.Event()
        self.error: Exception | None = None
        self._config, self._show = config, show

    def run(self) -> None:
        begin = Watched(self._config.input.source, "the model is being opened")
        try:
            with Connection(begin, self._config.publish.endpoint, self._config.control.endpoint) as there:
                self._show(there, lambda: there.state.ended or self.over.is_set())
                ended = there.state.ended
        except Exception as error:  # e.g. the terminal is gone: told by the main thread, once the daemon has stopped
            self.error, ended = error, False
        if not (ended or self.over.is_set()):
            os.kill(os.getpid(), signal.SIGINT)  # which stops the daemon


def _own(config: Config, events: str, control: str) -> Config:
    """Return the configuration with what must not leave this process, or a disk, taken out of it."""
    return replace(
        config,
        publish=replace(
            config.publish,
            endpoint=events,
            queue_messages=QUEUE_MESSAGES,
            scores_per_second=config.publish.scores_per_second or SCORES_PER_SECOND,
        ),
        control=replace(config.control, endpoint=control),
        metrics=replace(config.metrics, endpoint=None),
        captures=replace(config.captures, folder=None),
        log=replace(config.log, level="error"),
    )
