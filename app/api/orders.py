"""GET /orders: every order the bot meant to place, with where it stands."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api.auth import bearer, may_read
from app.api.deps import Api
from app.api.errors import declared
from app.domain.codec import encode
from app.ports import OrderRow


class OrdersBody(BaseModel):
    orders: list[dict[str, Any]]
    next: str | None
    """Give it as `before` to continue."""


def routes(api: Api) -> APIRouter:
    router = APIRouter(tags=["orders"], dependencies=[Depends(bearer), Depends(may_read(api))])

    @router.get("/orders", response_class=JSONResponse, responses={200: {"model": OrdersBody}, **declared(401, 422)})
    async def orders(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: Annotated[str | None, Query(max_length=64)] = None
    ) -> JSONResponse:
        """The newest first; `before` is a client id."""
        rows = await api.queries.orders(limit=limit, before=before)
        more = rows[-1].intent.request.client_id if len(rows) == limit else None
        return JSONResponse({"orders": [_row(row) for row in rows], "next": more})

    return router


def _row(row: OrderRow) -> dict[str, Any]:
    return {
        "alert_id": row.intent.alert_id,
        "leg": row.intent.leg,
        **encode(row.intent.request),
        "state": row.state.value,
        "venue_order_id": row.venue_order_id,
        "sent_at": encode(row.sent_at),
        "filled": encode(row.filled),
    }
