"""The REST side: every request goes key → signature → time → weight → handler, and always gets JSON back.

Scripted faults strike around the handler: before it (nothing was executed) or after it (it was, but nobody hears).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from simulator.faults import AFTER, BEFORE, Rule
from simulator.floor import Floor
from simulator.wire.binance import account, market_data, signing, trade
from simulator.wire.binance.codes import WireError
from simulator.wire.binance.limits import Meter
from simulator.wire.binance.params import Params
from simulator.wire.binance.stream import ListenKeys

Handler = Callable[[Floor, Params], Any]
_KEY_HEADER = "x-mbx-apikey"


class Access(Enum):
    OPEN = auto()
    KEY = auto()
    SIGNED = auto()


@dataclass(frozen=True, slots=True)
class Route:
    handler: Handler
    access: Access = Access.SIGNED
    weight: int = 1
    order: bool = False  # counts as a new order


def _open(handler: Handler, weight: int = 1) -> Route:
    return Route(handler, Access.OPEN, weight)


def _signed(handler: Handler, weight: int = 1) -> Route:
    return Route(handler, Access.SIGNED, weight)


def _order(handler: Handler, weight: int = 1) -> Route:
    return Route(handler, Access.SIGNED, weight, order=True)


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/fapi/v1/ping"): _open(market_data.ping),
    ("GET", "/fapi/v1/time"): _open(market_data.server_time),
    ("GET", "/fapi/v1/exchangeInfo"): _open(market_data.exchange_info),
    ("GET", "/fapi/v1/klines"): _open(market_data.klines, 5),
    ("GET", "/fapi/v1/continuousKlines"): _open(market_data.continuous_klines, 5),
    ("GET", "/fapi/v1/markPriceKlines"): _open(market_data.klines, 5),
    ("GET", "/fapi/v1/premiumIndex"): _open(market_data.premium_index),
    ("GET", "/fapi/v1/ticker/price"): _open(market_data.ticker_price),
    ("GET", "/fapi/v2/ticker/price"): _open(market_data.ticker_price),
    ("GET", "/fapi/v1/ticker/24hr"): _open(market_data.day_ticker),
    ("GET", "/fapi/v1/ticker/bookTicker"): _open(market_data.book_ticker, 2),
    ("GET", "/fapi/v1/depth"): _open(market_data.depth, 5),
    ("GET", "/fapi/v1/fundingRate"): _open(market_data.funding_rate),
    ("GET", "/fapi/v1/fundingInfo"): _open(market_data.funding_info, 0),
    ("POST", "/fapi/v1/order"): _order(trade.place, 0),
    ("POST", "/fapi/v1/order/test"): _order(trade.test, 0),
    ("GET", "/fapi/v1/order"): _signed(trade.query),
    ("DELETE", "/fapi/v1/order"): _signed(trade.cancel),
    ("GET", "/fapi/v1/openOrder"): _signed(trade.query_open),
    ("GET", "/fapi/v1/openOrders"): _signed(trade.open_orders),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(trade.cancel_all),
    ("GET", "/fapi/v1/allOrders"): _signed(trade.all_orders, 5),
    ("POST", "/fapi/v1/batchOrders"): _order(trade.batch_place, 5),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(trade.batch_cancel),
    ("GET", "/fapi/v1/userTrades"): _signed(trade.user_trades, 5),
    ("POST", "/fapi/v1/algoOrder"): _order(trade.algo_place),
    ("GET", "/fapi/v1/algoOrder"): _signed(trade.algo_query),
    ("DELETE", "/fapi/v1/algoOrder"): _signed(trade.algo_cancel),
    ("GET", "/fapi/v1/openAlgoOrders"): _signed(trade.algo_open),
    ("GET", "/fapi/v1/allAlgoOrders"): _signed(trade.algo_all, 5),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _signed(trade.algo_cancel_all),
    ("GET", "/fapi/v2/account"): _signed(account.account_v2, 5),
    ("GET", "/fapi/v3/account"): _signed(account.account_v3, 5),
    ("GET", "/fapi/v2/balance"): _signed(account.balance, 5),
    ("GET", "/fapi/v3/balance"): _signed(account.balance, 5),
    ("GET", "/fapi/v2/positionRisk"): _signed(account.position_risk_v2, 5),
    ("GET", "/fapi/v3/positionRisk"): _signed(account.position_risk_v3, 5),
    ("POST", "/fapi/v1/leverage"): _signed(account.leverage),
    ("POST", "/fapi/v1/marginType"): _signed(account.margin_type),
    ("POST", "/fapi/v1/positionMargin"): _signed(account.position_margin),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(account.get_position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(account.set_position_mode),
    ("GET", "/fapi/v1/multiAssetsMargin"): _signed(account.get_asset_mode, 30),
    ("POST", "/fapi/v1/multiAssetsMargin"): _signed(account.set_asset_mode),
    ("GET", "/fapi/v1/accountConfig"): _signed(account.account_config, 5),
    ("GET", "/fapi/v1/symbolConfig"): _signed(account.symbol_config, 5),
    ("GET", "/fapi/v1/income"): _signed(account.income, 30),
    ("GET", "/fapi/v1/commissionRate"): _signed(account.commission_rate, 20),
    ("GET", "/fapi/v1/leverageBracket"): _signed(account.leverage_bracket),
    # The few spot endpoints futures clients call.
    ("GET", "/api/v3/ping"): _open(market_data.ping),
    ("GET", "/api/v3/time"): _open(market_data.server_time),
    ("GET", "/sapi/v1/account/apiRestrictions"): _signed(account.key_restrictions),
}


class Cut(Protocol):
    def __call__(self, request: Request) -> Response:
        """Cut the connection this request came on; the response is for servers that cannot."""
        ...


class Rest:
    """Answers requests against one floor."""

    def __init__(self, floor: Floor, keys: ListenKeys, cut: Cut) -> None:
        self._floor, self._cut = floor, cut
        self._meter = Meter(floor.config.limits, floor.clock.monotonic)
        self._routes = dict(ROUTES)
        for method, handler in (("POST", keys.create), ("PUT", keys.extend), ("DELETE", keys.drop)):
            self._routes[method, "/fapi/v1/listenKey"] = Route(handler, Access.KEY)

    async def __call__(self, request: Request) -> Response:
        query, body = request.url.query, (await request.body()).decode("utf-8", "replace")
        try:
            values = signing.read(query, body)
        except WireError as error:
            return _json(error.body, error.status)
        rule = self._floor.faults.strike(request.method, request.url.path, values)
        if rule and rule.when == BEFORE:
            struck = await self._strike(rule, request)
            if struck:
                return struck
        response = self._answer(request, query, body, values)
        if rule and rule.when == AFTER:
            return await self._strike(rule, request) or response
        return response

    async def _strike(self, rule: Rule, request: Request) -> Response | None:
        if rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        if rule.drop:
            return self._cut(request)
        if rule.status is None:
            return None
        if isinstance(rule.body, str):
            return Response(rule.body, rule.status, dict(rule.headers), media_type="text/html")
        return _json(rule.body, rule.status, dict(rule.headers))

    def _answer(self, request: Request, query: str, body: str, values: dict[str, str]) -> Response:
        route = self._routes.get((request.method, request.url.path))
        if route is None:
            text = f"Path {request.url.path}, Method {request.method} is invalid"
            return _json({"code": -5000, "msg": text}, 404)
        try:
            params = self._admit(route, request, query, body, values)
            self._floor.settle()
            told, status, more = route.handler(self._floor, params), 200, {}
        except WireError as error:
            told, status, more = error.body, error.status, error.headers
        return _json(told, status, self._meter.headers(order=route.order) | more)

    def _admit(self, route: Route, request: Request, query: str, body: str, values: dict[str, str]) -> Params:
        config, clock = self._floor.config, self._floor.clock
        params = Params(values)
        if route.access is not Access.OPEN:
            signing.check_key(request.headers.get(_KEY_HEADER), config.api_key)
        if route.access is Access.SIGNED:
            params.integer("timestamp")
            signing.check_signature(query, body, params.maybe("signature"), config.api_secret)
            signing.check_time(params, clock.now_ms(), clock.haste)
        self._meter.request(route.weight)
        if route.order:
            self._meter.order()
        return params


def _json(told: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(told), status, dict(headers or {}), media_type="application/json")
