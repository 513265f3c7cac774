"""Who may use the dashboard: whoever has its key, from its own page, under a name of this machine.

The key keeps out other users of the machine, who must not hear and mute what the control socket keeps from them. It is
kept until the machine restarts, so that a page that is open goes on when the dashboard is started again.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inherentd.client.places import runtime_folder
from inherentd.daemon import places
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private
from inherentd.daemon.security.http_address import is_own_name
from inherentd.daemon.security.ipc_file import check_folder

KEY_FILE = "dashboard.key"
NO_KEY = "this page needs the key of the dashboard: open the address that `inherentd dashboard` printed"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def access_key() -> str:
    """Return the key that is kept in the runtime folder, made when it was not there. Raises DaemonError when it cannot be."""
    path = runtime_folder() / KEY_FILE
    try:
        check_folder(places.private(path.parent))
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24).encode())
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DaemonError(f"{path}: the dashboard's key cannot be kept there: {error}") from None
    if len(key) < 16:
        raise DaemonError(f"{path}: got a key of {len(key)} characters, expected 16 or more; remove this file")
    return key


class Access:
    """Passes on what may be asked, and refuses the rest in words."""

    def __init__(self, app: ASGIApp, key: str, *, own_names_only: bool) -> None:
        """`own_names_only`: refuse names that a web page made point here (not where others may connect)."""
        self._app, self._key, self._own_names_only = app, key.encode(), own_names_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            status, why = refusal
            response = JSONResponse({"error": why}, status, headers={"connection": "close"})
            await response(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._own_names_only and not is_own_name(host):
            return (
                HTTPStatus.MISDIRECTED_REQUEST,
                "this is not the name of this machine: ask for 127.0.0.1 or localhost",
            )
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return HTTPStatus.FORBIDDEN, "another web page asks: only the dashboard's own page may"
        if scope["path"].startswith("/api/"):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or not secrets.compare_digest(given.encode(), self._key):
                return HTTPStatus.UNAUTHORIZED, NO_KEY
        return None
