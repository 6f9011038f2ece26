"""Counts the answers: every request by its route, its status and its time, without a word of what it said."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.deps import Api

OTHER = "other"  # no route of ours: scanners ask for anything


class RequestMeter:
    """Tells `api.requested` of every answer.

    Its route is the template it was declared with (without /api/v1), never what was typed.
    """

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app, self._api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._api.requested(getattr(scope.get("route"), "path", OTHER), status, time.monotonic() - started)
