"""POST /trading/pause, /resume and /kill. A switch that could not be recorded answers 503, never 200."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api.auth import bearer, may_control
from app.api.body import read_body
from app.api.deps import Api
from app.api.errors import declared
from app.pipeline.message.fields import Fields
from app.pipeline.message.strict_json import parse_object

BY = "api"
LONGEST_WHY = 200
_WITH_REASON: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"why": {"type": "string", "maxLength": LONGEST_WHY}}}
            }
        },
    }
}


class SwitchBody(BaseModel):
    result: str
    """What is now so."""


def routes(api: Api) -> APIRouter:
    router = APIRouter(prefix="/trading", tags=["trading"], dependencies=[Depends(bearer), Depends(may_control(api))])
    responses: dict[int | str, dict[str, Any]] = {200: {"model": SwitchBody}, **declared(400, 401, 408, 413, 422)}

    @router.post("/pause", response_class=JSONResponse, responses=responses, openapi_extra=_WITH_REASON)
    async def pause(request: Request) -> JSONResponse:
        """No new entries until resumed; stops and exits go on."""
        return _said(await api.controls.pause(BY, await _why(api, request)))

    @router.post("/resume", response_class=JSONResponse, responses={200: {"model": SwitchBody}, **declared(401)})
    async def resume() -> JSONResponse:
        """End a pause, the kill switch and the drawdown latch."""
        return _said(await api.controls.resume(BY))

    @router.post("/kill", response_class=JSONResponse, responses=responses, openapi_extra=_WITH_REASON)
    async def kill(request: Request) -> JSONResponse:
        """No new entries, and every position is closed."""
        return _said(await api.controls.kill(BY, await _why(api, request)))

    return router


async def _why(api: Api, request: Request) -> str:
    """The reason in the body, "" without one. Raises Malformed or ApiError."""
    body = await read_body(request, limit=api.intake.max_body, timeout_s=api.intake.body_timeout_s)
    text = body.decode("utf-8", "replace")
    return Fields(parse_object(text)).text("why", longest=LONGEST_WHY) if text.strip() else ""


def _said(sentence: str) -> JSONResponse:
    return JSONResponse({"result": sentence})
