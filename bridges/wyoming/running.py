"""The two services from start to stop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from wyoming.info import Info, Satellite

from inherentd.bridges.wyoming.connection import Room
from inherentd.bridges.wyoming.satellite import TOPICS, SatelliteConnection, forward_all
from inherentd.bridges.wyoming.service import artifact, check_uri, serve, wake_program
from inherentd.bridges.wyoming.wake import Ear, WakeConnection
from inherentd.client import AsyncSubscriber, ClientKeys
from inherentd.daemon import engine_setup
from inherentd.daemon.config import Config
from inherentd.pipeline.engine import Engine

__all__ = ["check_uri", "satellite", "wake"]


async def wake(uri: str, max_clients: int, config: Config) -> None:
    """Serve as a wake word service until told to stop. Raises BridgeError for an address that cannot be had, and
    DaemonError or PipelineError for a model that cannot run."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine") as thread:
        runtime = thread.submit(engine_setup.open_model, config.model).result()
        engine_config = engine_setup.engine_config(config, runtime.metadata)
        heads = tuple(runtime.metadata.head_order[1:])
        room = Room(Info(wake=[wake_program(heads, runtime.metadata.version)]), max_clients)
        ear = Ear(lambda: Engine(engine_config, runtime), heads, thread)
        await serve(uri, partial(WakeConnection, ear, room), service="wake word", processor=str(runtime.processor))


async def satellite(uri: str, max_clients: int, daemon: str, keys: ClientKeys | None, name: str) -> None:
    """Serve as a satellite until told to stop. Raises BridgeError and ClientError for addresses that cannot be had."""
    told = Satellite(**artifact(name, f"the daemon that publishes at {daemon}"), has_vad=True)
    room = Room(Info(satellite=told), max_clients)
    async with AsyncSubscriber(daemon, *TOPICS, keys=keys) as subscriber:
        serving = asyncio.create_task(
            serve(uri, partial(SatelliteConnection, room), service="satellite", daemon=daemon)
        )
        forwarding = asyncio.create_task(forward_all(room, subscriber))
        done, others = await asyncio.wait([serving, forwarding], return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        for task in done:
            task.result()
