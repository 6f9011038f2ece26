"""GET /alerts and /alerts/{id}: what arrived, and everything that became of it."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api.auth import bearer, may_read
from app.api.deps import Api
from app.api.errors import CODES, ApiError, declared
from app.domain.alert import Alert, AlertState
from app.domain.codec import encode
from app.domain.decision import DenyReason, Stage
from app.domain.events import Recorded
from app.domain.ids import AlertId
from app.domain.story import OrderLine, Story
from app.ports import AlertLine


class RefusalBody(BaseModel):
    stage: Stage
    reason: DenyReason
    detail: str
    numbers: dict[str, str]


class AlertLineBody(BaseModel):
    alert_id: str
    state: AlertState
    summary: str
    received_at: str
    strategy: str
    account: str
    symbol: str
    preset: str
    sender: str


class AlertsBody(BaseModel):
    alerts: list[AlertLineBody]
    next: str | None
    """Give it as `before` to continue."""


class AlertBody(AlertLineBody):
    signal: dict[str, Any] | None
    votes: list[dict[str, Any]]
    verdict: dict[str, Any] | None
    decision: dict[str, Any] | None
    orders: list[dict[str, Any]]
    refusal: RefusalBody | None
    events: list[dict[str, Any]]


def routes(api: Api) -> APIRouter:
    router = APIRouter(tags=["alerts"], dependencies=[Depends(bearer), Depends(may_read(api))])

    @router.get("/alerts", response_class=JSONResponse, responses={200: {"model": AlertsBody}, **declared(401, 422)})
    async def alerts(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: Annotated[str | None, Query(max_length=64)] = None
    ) -> JSONResponse:
        """The newest first."""
        lines = await api.queries.alerts(limit=limit, before=AlertId(before) if before else None)
        more = lines[-1].alert.alert_id if len(lines) == limit else None
        return JSONResponse({"alerts": [_line(line) for line in lines], "next": more})

    @router.get(
        "/alerts/{alert_id}",
        response_class=JSONResponse,
        responses={200: {"model": AlertBody}, **declared(401, 404, 422)},
    )
    async def alert(alert_id: Annotated[str, Path(max_length=64)]) -> JSONResponse:
        """One alert's whole story."""
        found = await api.queries.alert(AlertId(alert_id))
        if found is None:
            raise ApiError(404, CODES[404], "there is no such alert", field="alert_id")
        return JSONResponse(story_data(*found))

    return router


def story_data(alert: Alert, recorded: Sequence[Recorded]) -> dict[str, Any]:
    """The story as plain JSON data."""
    story = Story.of(recorded)
    line = AlertLine(alert, story.state, story.finished.summary if story.finished else "")
    return {
        **_line(line),
        "signal": encode(story.signal),
        "votes": encode(story.votes),
        "verdict": encode(story.verdict),
        "decision": encode(story.decision),
        "orders": [_order(order) for order in story.orders.values()],
        "refusal": encode(story.refusal),
        "events": [_event(item) for item in story.log],
    }


def _line(line: AlertLine) -> dict[str, Any]:
    alert = line.alert
    return {
        "alert_id": alert.alert_id,
        "state": line.state.value,
        "summary": line.summary,
        "received_at": encode(alert.received_at),
        "strategy": alert.strategy,
        "account": alert.account,
        "symbol": alert.symbol,
        "preset": alert.preset.value,
        "sender": alert.sender,
    }


def _order(order: OrderLine) -> dict[str, Any]:
    return {
        "leg": order.intent.leg,
        **encode(order.intent.request),
        "state": order.state.value,
        "venue_order_id": order.venue_order_id,
        "sent_at": encode(order.sent_at),
        "filled": encode(order.filled),
        "fills": encode(order.fills),
        "note": order.note,
    }


def _event(item: Recorded) -> dict[str, Any]:
    return {
        "seq": item.seq,
        "version": item.version,
        "at": encode(item.at),
        "type": item.event.type,
        "data": item.event.data(),
    }
