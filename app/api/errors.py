"""One shape for every refusal, and a last resort for what nobody expected.

A bug must not become a 500: TradingView resends 5xx, and the answer would tell nothing. LastResort turns it into a 503
with an incident number that is also in the log. Nothing is stored at that point: what comes after storing never raises.
"""

import secrets
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import Retryable
from app.pipeline.message.model import Malformed, Unreadable

log = structlog.get_logger(__name__)


class ErrorDetail(BaseModel):
    code: str
    """For machines: one of a closed set."""
    field: str
    """What to blame: a field of the message, a header, a parameter; empty for the whole request."""
    detail: str
    """For people."""


class ErrorBody(BaseModel):
    error: ErrorDetail


class ApiError(Exception):
    """A refusal. Raised by routes, shown by the handler below."""

    def __init__(self, status: int, code: str, detail: str, *, field: str = "", close: bool = False) -> None:
        super().__init__(detail)
        self.status, self.code, self.field, self.detail = status, code, field, detail
        self.close = close  # hang up: the sender is still sending, or did not stop


CODES = {
    400: "unreadable",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    422: "not_acceptable",
    429: "overload",
    503: "unavailable",
}


def refusal(why: Unreadable) -> ApiError:
    """The answer to a message that could not be read."""
    return ApiError(why.status, CODES[why.status], why.detail, field=why.field)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Error statuses of a route, for OpenAPI. 503 is always among them."""
    return {status: {"model": ErrorBody, "description": CODES[status]} for status in (*statuses, 503)}


def answer(error: ApiError) -> JSONResponse:
    headers = {}
    if error.close:
        headers["connection"] = "close"
    if error.status == 401:  # noqa: PLR2004 - the header belongs to exactly this status
        headers["www-authenticate"] = "Bearer"
    if error.status in (429, 503):
        headers["retry-after"] = "5"
    body = {"error": {"code": error.code, "field": error.field, "detail": error.detail}}
    return JSONResponse(body, error.status, headers)


def install(app: FastAPI) -> None:
    """Make the app answer in this shape, whatever happens."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(Malformed, _malformed)
    app.add_exception_handler(Retryable, _retryable)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(LastResort)


async def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for exactly this type
    return answer(error)


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Malformed)  # noqa: S101 - registered for exactly this type
    return answer(refusal(error.why))


async def _retryable(request: Request, error: Exception) -> JSONResponse:
    log.warning("unavailable", path=request.url.path, error=type(error).__name__, why=str(error))
    return answer(ApiError(503, CODES[503], "the database or the exchange does not answer; nothing was changed"))


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for exactly this type
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return answer(ApiError(422, CODES[422], str(first["msg"]), field=field))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for exactly this type
    known = error.status_code if error.status_code in CODES else 400
    response = answer(ApiError(known, CODES[known], str(error.detail)))
    response.headers.update(error.headers or {})
    return response


class LastResort:
    """Answers 503 when the app raises. An answer that has begun cannot be changed: it is cut off and logged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # the one place that promises "never a 500"
            incident = secrets.token_hex(6)
            log.exception("unexpected", incident=incident, path=scope["path"], error=type(error).__name__)
            if not begun:
                detail = f"something unexpected happened; the log has it as incident {incident}"
                await answer(ApiError(503, "unexpected", detail, close=True))(scope, receive, send)
