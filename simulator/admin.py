"""The simulator's own controls under /_sim: ledger, clock, reset, faults, equity. Answers this computer only.

The ledger is what tests judge by: every order the venue ever accepted, whatever became of it.
"""

import ipaddress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.domain.money import plain
from simulator.clock import Mode
from simulator.floor import Floor
from simulator.orders import ZERO, Conditional, Fill, Order
from simulator.state import State
from simulator.wire.binance.stream import ListenKeys, Streams


class CommandError(ValueError):
    """The command cannot be understood; the message says why."""


class Admin:
    """Commands from the person, or the test, that runs the venue."""

    def __init__(self, floor: Floor, streams: Streams, keys: ListenKeys) -> None:
        self._floor, self._streams, self._keys = floor, streams, keys

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/_sim/ledger", self._guarded(self.ledger)),
            Route("/_sim/equity", self._guarded(self.equity)),
            Route("/_sim/clock", self._guarded(self.clock), methods=["GET", "POST"]),
            Route("/_sim/reset", self._guarded(self.reset), methods=["POST"]),
            Route("/_sim/faults", self._guarded(self.faults), methods=["GET", "POST"]),
            Route("/_sim/streams", self._guarded(self.streams), methods=["POST"]),
            Route("/_sim/force", self._guarded(self.force), methods=["POST"]),
        ]

    def _guarded(self, act: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            if not _loopback(request):
                return _json({"error": "the simulator's controls answer on loopback only"}, 403)
            try:
                return _json(await act(request.method, _object(await request.body())))
            except (ValueError, TypeError) as error:  # every kind of bad command is one
                return _json({"error": str(error)}, 400)

        return endpoint

    async def ledger(self, _method: str, _asked: dict[str, Any]) -> Any:
        self._floor.settle()
        return ledger(self._floor.venue.state)

    async def equity(self, _method: str, _asked: dict[str, Any]) -> Any:
        self._floor.settle()
        state = self._floor.venue.state
        points = [*state.equity, (state.now_ms, state.equity_now())]
        return {"points": [{"at": iso(at), "equity": plain(value)} for at, value in points]}

    async def clock(self, method: str, asked: dict[str, Any]) -> Any:
        clock = self._floor.clock
        if method == "POST":
            if "mode" in asked or "speed" in asked:
                self._floor.settle()
                clock.change(Mode(asked["mode"]) if "mode" in asked else None, asked.get("speed"))
            if "now" in asked:
                await self._floor.move_to(_moment(asked["now"]))
            if "advance_s" in asked:
                await self._floor.move_to(
                    datetime.fromtimestamp(clock.now().timestamp() + float(asked["advance_s"]), UTC)
                )
        self._floor.settle()
        market = self._floor.venue.state.market
        return {
            "now": clock.now().isoformat(),
            "now_ms": self._floor.venue.now_ms,
            "mode": clock.mode.value,
            "speed": clock.speed,
            "candles_end": iso(market.end_ms),
            "candles_shifted_s": market.shift_ms / 1000,
        }

    async def reset(self, _method: str, asked: dict[str, Any]) -> Any:
        balance = _decimal(asked["balance"]) if "balance" in asked else None
        start = _moment(asked["start"]) if "start" in asked else None
        self._floor.reset(balance, start)
        return {"now": self._floor.clock.now().isoformat(), "balance": plain(self._floor.venue.state.account.wallet)}

    async def faults(self, method: str, asked: dict[str, Any]) -> Any:
        faults = self._floor.faults
        if method == "POST":
            faults.set(asked.get("rules", []))
        told = ("method", "path", "when", "skip", "count", "struck")
        return {"rules": [{name: getattr(rule, name) for name in told} for rule in faults.rules]}

    async def streams(self, _method: str, asked: dict[str, Any]) -> Any:
        """{"silence_s": n} | {"disconnect": true} | {"expire_listen_key": true}."""
        if asked.get("silence_s") is not None:
            self._streams.silence(float(asked["silence_s"]))
        if asked.get("expire_listen_key"):
            self._keys.expire()
            self._streams.tick()
        if asked.get("disconnect"):
            self._streams.disconnect()
        return {"ok": True}

    async def force(self, _method: str, asked: dict[str, Any]) -> Any:
        """{"symbol", "kind": "adl" | "liquidation", "quantity"?}: the venue closes a position by its own hand."""
        kind = asked.get("kind")
        if kind not in ("adl", "liquidation") or asked.get("symbol") not in self._floor.venue.state.market.contracts:
            raise CommandError("symbol must be traded here, kind is adl or liquidation")
        quantity = _decimal(asked["quantity"]) if "quantity" in asked else None
        orders = self._floor.do(lambda venue: venue.force_close(asked["symbol"], adl=kind == "adl", quantity=quantity))
        return {"closed": [order.request.client_id for order in orders]}


def ledger(state: State) -> dict[str, Any]:
    """The venue's own account of everything: amounts as text, times ISO-8601 UTC."""
    rows = [(one.created_ms, _order(state, one)) for one in state.orders.values()]
    rows += [(one.created_ms, _conditional(state, one)) for one in state.conditionals.values()]
    rows.sort(key=lambda row: row[0])
    account = state.account
    return {
        "now": iso(state.now_ms),
        "orders": [row for _, row in rows],
        "positions": [
            {
                "symbol": one.symbol,
                "side": "LONG" if one.amount > 0 else "SHORT",
                "position_side": one.side.value,
                "quantity": plain(abs(one.amount)),
                "entry_price": plain(round(one.entry_price, 8)),
                "mark_price": plain(state.mark(one.symbol)),
                "unrealised_pnl": plain(round(one.pnl(state.mark(one.symbol)), 8)),
                "leverage": account.of(one.symbol).leverage,
                "margin": "isolated" if one.isolated else "cross",
                "liquidation_price": _maybe(state.liquidation_of(one)),
            }
            for one in account.held()
        ],
        "account": {
            "start_balance": plain(account.start_balance),
            "wallet": plain(account.wallet),
            "equity": plain(round(state.equity_now(), 8)),
            "available": plain(round(state.available(), 8)),
            **{cause: plain(amount) for cause, amount in _income(state).items()},
        },
    }


def _income(state: State) -> dict[str, Decimal]:
    causes = ("REALIZED_PNL", "COMMISSION", "FUNDING_FEE", "INSURANCE_CLEAR")
    return {one.lower(): sum((row.amount for row in state.account.income if row.cause == one), ZERO) for one in causes}


def _order(state: State, order: Order) -> dict[str, Any]:
    asked = order.request
    parent = state.conditionals.get(order.parent_id) if order.parent_id else None
    return {
        "client_id": asked.client_id,
        "order_id": str(order.order_id),
        "symbol": asked.symbol,
        "side": asked.side.value,
        "position_side": asked.position_side.value,
        "type": asked.kind.value,
        "status": order.status.value,
        "quantity": plain(order.quantity),
        "executed_quantity": plain(order.executed),
        "price": _maybe(asked.price),
        "average_price": plain(round(order.average_price, 8)) if order.executed else None,
        "reduce_only": asked.reduce_only,
        "close_position": False,
        "trigger_price": None,
        "algo": False,
        "parent_client_id": parent.request.client_id if parent else None,
        "parent_order_id": str(parent.algo_id) if parent else None,
        "created_at": iso(order.created_ms),
        "updated_at": iso(order.updated_ms),
        "fills": [_fill(state.fills[trade_id]) for trade_id in order.fills],
    }


def _conditional(state: State, algo: Conditional) -> dict[str, Any]:
    asked = algo.request
    child = state.orders.get(algo.child_id) if algo.child_id else None
    return {
        "client_id": asked.client_id,
        "order_id": str(algo.algo_id),
        "symbol": asked.symbol,
        "side": asked.side.value,
        "position_side": asked.position_side.value,
        "type": asked.kind.value,
        "status": algo.status.value,
        "quantity": plain(asked.quantity or ZERO),
        "executed_quantity": plain(child.executed if child else ZERO),
        "price": _maybe(asked.price),
        "average_price": None,
        "reduce_only": asked.reduce_only,
        "close_position": asked.close_position,
        "trigger_price": _maybe(asked.trigger_price),
        "callback_rate_percent": _maybe(asked.callback_rate),
        "reject_reason": algo.reject_reason or None,
        "algo": True,
        "parent_client_id": None,
        "child_order_id": str(child.order_id) if child else None,
        "created_at": iso(algo.created_ms),
        "updated_at": iso(algo.updated_ms),
        "fills": [],  # under the order it became
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": str(fill.trade_id),
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(fill.fee),
        "realised_pnl": plain(fill.realised_pnl),
        "maker": fill.maker,
        "at": iso(fill.at_ms),
    }


def _object(body: bytes) -> dict[str, Any]:
    asked = orjson.loads(body) if body else {}
    if not isinstance(asked, dict):
        raise CommandError("send a JSON object")
    return asked


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else plain(round(value, 8))


def _moment(text: object) -> datetime:
    if not isinstance(text, str):
        raise CommandError("a moment is ISO-8601 text")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise CommandError("a moment needs its time zone, e.g. 2024-02-01T00:00:00+00:00")
    return moment


def _decimal(value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise CommandError(f"{value!r} is not an amount") from error
    if not amount.is_finite() or amount <= 0:
        raise CommandError("an amount is above zero")
    return amount


def _loopback(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _json(told: object, status: int = 200) -> Response:
    return Response(orjson.dumps(told), status, media_type="application/json")
