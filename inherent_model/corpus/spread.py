"""Where the clips of a corpus are made: in the processes of this machine, or as tasks of a Ray cluster.

Both yield what `work` returns for each item, in the order of the items. `work` must be picklable; what it returns is
small, and clips go to disk.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from inherentd.inherent_model.errors import ModelError

ITEMS_PER_TASK = 4

Item = TypeVar("Item")
Result = TypeVar("Result")
Spread = Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Any]]
"""(work, items, workers) -> results"""


def local(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield `work(item)` of every item, from `workers` processes of this machine."""
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, items, chunksize=ITEMS_PER_TASK)


def ray(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield `work(item)` of every item, from the Ray cluster at RAY_ADDRESS: one task a core of it at a time. Where that
    is not set, Ray is started here with `workers` processes, and ended afterwards.
    """
    module = _started_ray(workers)
    try:
        task = module.remote(_together)
        starts = range(0, len(items), ITEMS_PER_TASK)
        pending = [task.remote(work, items[start : start + ITEMS_PER_TASK]) for start in starts]
        for results in pending:
            yield from module.get(results)
    except module.exceptions.RayError as error:
        raise ModelError(
            f"a Ray task failed: {_last_line(error)}; every machine of a cluster needs this version of inherentd with the extras "
            "'corpus' and 'ray', and the output folder at the same path"
        ) from error
    finally:
        module.shutdown()


SPREADS: dict[str, Spread] = {"local": local, "ray": ray}


def _together(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2] or type(error).__name__


def _started_ray(workers: int) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        module = importlib.import_module("ray")
    except ImportError as error:
        raise ModelError(f"--engine ray needs Ray ({error}): pip install 'inherentd[ray]'") from error
    address = os.environ.get("RAY_ADDRESS")
    where = {"address": "auto"} if address else {"address": "local", "num_cpus": workers, "include_dashboard": False}
    try:
        # What the workers print stays in Ray's own logs: what went wrong with a clip comes back as a result.
        module.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises plain ones too, for whatever keeps it from starting
        raise ModelError(
            f"Ray did not start ({_last_line(error)}); RAY_ADDRESS is {address or 'not set, so it was to start here'}"
        ) from error
    return module
