"""How inherentd presents itself, and the server that both services run in."""

from __future__ import annotations

import asyncio
import signal
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import structlog
from wyoming.info import Attribution, WakeModel, WakeProgram
from wyoming.server import AsyncServer, HandlerFactory

from inherentd.bridges.errors import BridgeError
from inherentd.daemon.security.endpoints import is_loopback

GATE_NAME = "inherent"
"""the wake word that is none: anything that is meant for the assistant"""
_MAKER = Attribution(name="inherentd", url="https://pypi.org/project/inherentd/")


def artifact(name: str, description: str, model_version: str | None = None) -> dict[str, Any]:
    """Return what Wyoming wants to know about every program and model."""
    installed = version("inherentd")
    return {"name": name, "description": description, "attribution": _MAKER, "installed": True,
            "version": model_version or installed}  # fmt: skip


def wake_program(heads: tuple[str, ...], model_version: str) -> WakeProgram:
    """Return the gate and each kind of request as wake words; the gate comes first, so it is a client's default."""
    gate = WakeModel(**artifact(GATE_NAME, "anything meant for the assistant", model_version),
                     languages=["en"], phrase="anything meant for the assistant")  # fmt: skip
    intents = [
        WakeModel(**artifact(head, f"requests of the kind {head}", model_version), languages=["en"], phrase=head)
        for head in heads
    ]
    return WakeProgram(**artifact(GATE_NAME, "hears what is meant for the assistant"), models=[gate, *intents])


def check_uri(uri: str, *, insecure: bool) -> None:
    """Raise BridgeError for an address that makes no sense, and for one that others reach unless that is wanted: Wyoming
    knows neither keys nor encryption.
    """
    try:
        parts = urlsplit(uri)
        host, port, bare = parts.hostname, parts.port, f"tcp://{parts.netloc}"
    except ValueError:
        host = port = bare = None
    if not host or not port or uri != bare:
        raise BridgeError(f"--uri: got {uri!r}, expected e.g. tcp://127.0.0.1:10400")
    if not (insecure or is_loopback(host)):
        raise BridgeError(
            f"--uri: {uri} can be reached from other machines, and Wyoming has no keys: everybody there could use it; "
            "take tcp://127.0.0.1:PORT, or, if everybody may, add --insecure"
        )


async def serve(uri: str, connection: HandlerFactory, **told: object) -> None:
    """Serve until SIGINT or SIGTERM. Raises BridgeError for an address that cannot be had."""
    try:
        server = AsyncServer.from_uri(uri)
        await server.start(connection)
    except (ValueError, OSError) as error:
        raise BridgeError(f"--uri: cannot listen on {uri}: {error}; expected e.g. tcp://127.0.0.1:10400") from None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = structlog.get_logger()
    log.info("serving Wyoming", uri=uri, **told)
    await stop.wait()
    await server.stop()
    log.info("stopped")
