"""What the dashboard answers over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import inherentd
from inherentd.client import ClientError
from inherentd.client.messages import Probability
from inherentd.daemon.dashboard.asking import Asking
from inherentd.daemon.dashboard.live import Live
from inherentd.daemon.dashboard.pages import MOST_PAGES, Pages, PatientStream
from inherentd.daemon.dashboard.trial import Deciding, attempt, gate_config
from inherentd.daemon.errors import DaemonError
from inherentd.pipeline.errors import PipelineError

PAGE = Path(inherentd.__file__).parent / "web" / "dashboard"
LARGEST_REQUEST_BYTES = 64 * 1024
MOST_TRIALS_WAITING = 4


class Mute(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/mute."""

    muted: bool


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/try and /api/thresholds."""

    thresholds: dict[str, Probability]
    keep: Annotated[bool, Meta(description="also after a restart; of /api/thresholds")] = False


Asked = TypeVar("Asked", Mute, Thresholds)


class Answers:
    """One method an address."""

    def __init__(self, live: Live, pages: Pages, asking: Asking) -> None:
        """Answer from these."""
        self._live, self._pages, self._asking = live, pages, asking
        self._one_trial, self._trials = asyncio.Lock(), 0

    async def live(self, request: Request) -> Response:
        """Everything, then what is new, as server-sent events."""
        del request
        if len(self._pages) >= MOST_PAGES:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_PAGES} pages are open already: close one")
        return PatientStream(self._pages.frames())

    async def utterance(self, request: Request) -> Response:
        """An utterance as WAV."""
        wav = self._live.shelf.wav(request.path_params["stream"], request.path_params["utterance"])
        if wav is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this utterance is not kept any more, or never was heard here")
        return Response(wav, media_type="audio/wav")

    async def mute(self, request: Request) -> Response:
        """Mute or unmute the daemon."""
        asked = await _asked(request, Mute)
        await self._asking.ask("mute" if asked.muted else "unmute")
        return JSONResponse({"muted": asked.muted})

    async def thresholds(self, request: Request) -> Response:
        """Set the daemon's thresholds."""
        asked = await _asked(request, Thresholds)
        return JSONResponse(await self._asking.ask("thresholds.set", thresholds=asked.thresholds, keep=asked.keep))

    async def trial(self, request: Request) -> Response:
        """What thresholds would have done to the last hour."""
        asked = await _asked(request, Thresholds)
        status = self._live.status
        if not status:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the daemon has not yet said which thresholds it has")
        try:
            deciding = msgspec.convert(status.get("deciding"), Deciding)
        except msgspec.ValidationError:
            why = "this daemon does not tell how its gate decides: update it to the dashboard's version"
            raise HTTPException(HTTPStatus.CONFLICT, why) from None
        config = gate_config(deciding, status["thresholds"], asked.thresholds)
        window = self._live.history.window()
        if window.scores.shape[1] != len(config.heads):
            raise HTTPException(HTTPStatus.CONFLICT, "no scores of this model have come yet")
        if self._trials >= MOST_TRIALS_WAITING:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE, "other thresholds are being tried: try again in a moment"
            )
        self._trials += 1
        try:
            async with self._one_trial:
                return JSONResponse(await asyncio.to_thread(attempt, window, deciding, config))
        finally:
            self._trials -= 1


def application(live: Live, pages: Pages, asking: Asking) -> Starlette:
    """Return the ASGI application, without the checks of `access`."""
    answers = Answers(live, pages, asking)
    return Starlette(
        routes=[
            Route("/api/live", answers.live),
            Route("/api/utterances/{stream}/{utterance:int}.wav", answers.utterance),
            Route("/api/mute", answers.mute, methods=["POST"]),
            Route("/api/thresholds", answers.thresholds, methods=["POST"]),
            Route("/api/try", answers.trial, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        exception_handlers={
            HTTPException: _refused,
            ClientError: _not_done,
            DaemonError: _bad,
            PipelineError: _bad,
        },
    )


async def _asked(request: Request, kind: type[Asked]) -> Asked:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_REQUEST_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {LARGEST_REQUEST_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DaemonError(f"got a request that makes no sense: {error}") from None


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _bad(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)


async def _not_done(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({"error": str(error)}, HTTPStatus.BAD_GATEWAY)
