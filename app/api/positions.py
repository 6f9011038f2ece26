"""GET /positions, /trades and /account: what is held, what was earned, and what there is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api.auth import bearer, may_read
from app.api.deps import AccountView, Api
from app.api.errors import CODES, ApiError, declared
from app.domain.codec import encode
from app.ports import Trade


class PositionsBody(BaseModel):
    positions: list[dict[str, Any]]


class TradesBody(BaseModel):
    trades: list[dict[str, Any]]
    next: int | None
    """Give it as `before` to continue."""


class AccountBody(BaseModel):
    account: str
    exchange: str
    mode: str
    equity: str | None
    """In the settlement currency; null when the exchange does not answer."""
    available: str | None
    wallet: str | None
    paused: bool
    killed: bool
    daily_loss_day: str | None
    """The UTC day on which the daily loss limit stopped entries."""
    drawdown_latched: bool
    day_start_equity: str | None
    peak_equity: str | None
    positions: int
    accounts: list[str]
    """All there are; give one as `account`."""


def routes(api: Api) -> APIRouter:
    router = APIRouter(tags=["positions"], dependencies=[Depends(bearer), Depends(may_read(api))])

    @router.get("/positions", response_class=JSONResponse, responses={200: {"model": PositionsBody}, **declared(401)})
    async def positions() -> JSONResponse:
        """What is held now."""
        return JSONResponse({"positions": encode(list(await api.queries.positions()))})

    @router.get("/trades", response_class=JSONResponse, responses={200: {"model": TradesBody}, **declared(401, 422)})
    async def trades(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
    ) -> JSONResponse:
        """Closed positions, the newest first."""
        found = await api.queries.trades(limit=limit, before=before)
        more = found[-1].trade_id if len(found) == limit else None
        return JSONResponse({"trades": [_trade(trade) for trade in found], "next": more})

    @router.get(
        "/account", response_class=JSONResponse, responses={200: {"model": AccountBody}, **declared(401, 404, 422)}
    )
    async def account(account: Annotated[str | None, Query(max_length=64)] = None) -> JSONResponse:
        """One account, the first when none is named."""
        views = list(await api.accounts())
        chosen = next((view for view in views if account in (None, view.account)), None)
        if chosen is None:
            raise ApiError(404, CODES[404], "there is no such account", field="account")
        return JSONResponse({**_account(chosen), "accounts": [view.account for view in views]})

    return router


def _trade(trade: Trade) -> dict[str, Any]:
    return {"trade_id": trade.trade_id, "closed_at": encode(trade.closed_at), **encode(trade.what)}


def _account(view: AccountView) -> dict[str, Any]:
    balance, facts = view.balance, view.facts
    return {
        "account": view.account,
        "exchange": view.exchange,
        "mode": view.mode,
        "equity": encode(balance.equity) if balance else None,
        "available": encode(balance.available) if balance else None,
        "wallet": encode(balance.wallet) if balance else None,
        "paused": facts.paused,
        "killed": facts.killed,
        "daily_loss_day": facts.daily_loss_day.isoformat() if facts.daily_loss_day else None,
        "drawdown_latched": facts.drawdown_latched,
        "day_start_equity": encode(facts.day_start_equity),
        "peak_equity": encode(facts.peak_equity),
        "positions": len(facts.positions),
    }
