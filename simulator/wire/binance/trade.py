"""Order endpoints: place, query, cancel, list; regular orders and conditional ones, which never meet in an answer."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from simulator.floor import Floor
from simulator.orders import Conditional, Order, Status
from simulator.refusals import Refusal
from simulator.venue import Venue
from simulator.wire.binance import render
from simulator.wire.binance.codes import WireError, refused
from simulator.wire.binance.params import Params, new_conditional, new_order

T = TypeVar("T")
_DAY_MS = 86_400_000
_FORGET_MS = 3 * _DAY_MS  # cancelled or expired without a fill: not found after three days
_WEEK_MS = 7 * _DAY_MS
_MAX_BATCH = 5


def accepted(result: T | Refusal) -> T:
    """The result, or the wire's error for a refusal."""
    if isinstance(result, Refusal):
        raise refused(result)
    return result


def fresh_id(floor: Floor) -> str:
    """A client id for orders that brought none; like the venue's own, but predictable."""
    state = floor.venue.state
    return f"web_{len(state.orders) + len(state.conditionals):018d}"


# --- regular orders ----------------------------------------------------------------------------------


def place(floor: Floor, params: Params) -> Any:
    request = new_order(params, fresh_id(floor))
    kind = params.maybe("newOrderRespType") or "ACK"
    if kind not in ("ACK", "RESULT"):
        raise WireError(-1136, "Invalid newOrderRespType.")
    order = accepted(floor.do(lambda venue: venue.place(request)))
    return render.new_order(order, floor.venue.state.contract(order.request.symbol), result=kind == "RESULT")


def test(floor: Floor, params: Params) -> Any:
    request = new_order(params, fresh_id(floor))
    refusal = floor.venue.test(request)
    if refusal:
        raise refused(refusal)
    return {}


def batch_place(floor: Floor, params: Params) -> Any:
    """Each order stands for itself: the answer lists orders and errors side by side."""
    wanted = _list(params, "batchOrders")
    if not 1 <= len(wanted) <= _MAX_BATCH:
        raise WireError(-4082, "Invalid number of batch place orders.")
    return [_or_error(place, floor, _fields(one)) for one in wanted]


def batch_cancel(floor: Floor, params: Params) -> Any:
    symbol = params.text("symbol")
    name = "orderIdList" if params.maybe("orderIdList") else "origClientOrderIdList"
    field = "orderId" if name == "orderIdList" else "origClientOrderId"
    return [_or_error(cancel, floor, {"symbol": symbol, field: str(one)}) for one in _list(params, name)]


def _list(params: Params, name: str) -> list[Any]:
    try:
        found = orjson.loads(params.text(name))
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, list):
        raise WireError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def _fields(one: Any) -> dict[str, str]:
    """A JSON order as parameters."""
    if not isinstance(one, dict):
        raise WireError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    return {str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in one.items()}


def _or_error(act: Callable[[Floor, Params], Any], floor: Floor, values: dict[str, str]) -> Any:
    try:
        return act(floor, Params(values))
    except WireError as error:
        return error.body


def query(floor: Floor, params: Params) -> Any:
    order = accepted(_find(floor, params))
    gone = order.status in (Status.CANCELED, Status.EXPIRED) and not order.executed
    if (gone and floor.venue.now_ms - order.created_ms > _FORGET_MS) or floor.faults.hidden(order.request.client_id):
        raise WireError(-2013, "Order does not exist.")
    return _told(floor, order)


def query_open(floor: Floor, params: Params) -> Any:
    order = _find(floor, params)
    if isinstance(order, Refusal) or not order.status.open or floor.faults.hidden(order.request.client_id):
        raise WireError(-2013, "Order does not exist.")
    return _told(floor, order)


def cancel(floor: Floor, params: Params) -> Any:
    symbol, order_id, client_id = _which(params)
    return _told(floor, accepted(floor.do(lambda venue: venue.cancel(symbol, order_id, client_id))))


def cancel_all(floor: Floor, params: Params) -> Any:
    symbol = _symbol(floor, params)
    floor.do(lambda venue: venue.cancel_all(symbol))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def open_orders(floor: Floor, params: Params) -> Any:
    symbol = params.maybe("symbol")
    mine = [one for one in floor.venue.state.open_orders.values() if symbol in (None, one.request.symbol)]
    return [_told(floor, one) for one in mine if not floor.faults.hidden(one.request.client_id)]


def all_orders(floor: Floor, params: Params) -> Any:
    symbol, limit = _symbol(floor, params), params.limit(500, 1000)
    first = params.maybe_integer("orderId")
    mine = [one for one in floor.venue.state.orders.values() if one.request.symbol == symbol]
    chosen = _page(mine, params, floor, lambda one: one.created_ms, lambda one: first is None or one.order_id >= first)
    kept = chosen[:limit] if first is not None or params.maybe("startTime") else chosen[-limit:]
    return [_told(floor, one) for one in kept if not floor.faults.hidden(one.request.client_id)]


def user_trades(floor: Floor, params: Params) -> Any:
    symbol, limit = _symbol(floor, params), params.limit(500, 1000)
    first, order_id = params.maybe_integer("fromId"), params.maybe_integer("orderId")
    mine = [one for one in floor.venue.state.fills.values() if one.symbol == symbol]
    chosen = _page(
        mine,
        params,
        floor,
        lambda one: one.at_ms,
        lambda one: (first is None or one.trade_id >= first) and order_id in (None, one.order_id),
    )
    kept = chosen[:limit] if first is not None or params.maybe("startTime") else chosen[-limit:]
    orders = floor.venue.state.orders
    contract = floor.venue.state.contract(symbol)
    return [
        render.trade(one, contract) for one in kept if not floor.faults.hidden(orders[one.order_id].request.client_id)
    ]


def _page(rows: list[T], params: Params, floor: Floor, at: Callable[[T], int], fits: Callable[[T], bool]) -> list[T]:
    """Rows within startTime and endTime, at most seven days apart; the last seven days without either."""
    start, end = params.maybe_integer("startTime"), params.maybe_integer("endTime")
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise WireError(-4165, "Invalid time interval. Maximum time interval is 7 days.")
    anchored = params.maybe("fromId") or params.maybe("orderId")
    until = end if end is not None else start + _WEEK_MS if start is not None else floor.venue.now_ms
    since = start if start is not None else 0 if anchored else until - _WEEK_MS
    return [row for row in rows if since <= at(row) <= until and fits(row)]


def _find(floor: Floor, params: Params) -> Order | Refusal:
    symbol, order_id, client_id = _which(params)
    return floor.venue.find(symbol, order_id, client_id)


def _which(params: Params) -> tuple[str, int | None, str | None]:
    symbol, order_id, client_id = (
        params.text("symbol"),
        params.maybe_integer("orderId"),
        params.maybe("origClientOrderId"),
    )
    if order_id is None and client_id is None:
        raise WireError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return symbol, order_id, client_id


def _symbol(floor: Floor, params: Params) -> str:
    symbol = params.text("symbol")
    if symbol not in floor.venue.state.market.contracts:
        raise WireError(-1121, "Invalid symbol.")
    return symbol


def _told(floor: Floor, order: Order) -> Any:
    return render.order(order, floor.venue.state.contract(order.request.symbol))


# --- conditional orders ------------------------------------------------------------------------------


def algo_place(floor: Floor, params: Params) -> Any:
    request = new_conditional(params, fresh_id(floor))
    return _algo(floor, accepted(floor.do(lambda venue: venue.place_conditional(request))), queried=False)


def algo_query(floor: Floor, params: Params) -> Any:
    algo = accepted(floor.venue.find_conditional(*_which_algo(params)))
    if floor.faults.hidden(algo.request.client_id):
        raise WireError(-2013, "Order does not exist.")
    return _algo(floor, algo, queried=True)


def algo_cancel(floor: Floor, params: Params) -> Any:
    algo_id, client_id = _which_algo(params)
    algo = accepted(floor.do(lambda venue: venue.cancel_conditional(algo_id, client_id)))
    return {"algoId": algo.algo_id, "clientAlgoId": algo.request.client_id, "code": "200", "msg": "success"}


def algo_cancel_all(floor: Floor, params: Params) -> Any:
    symbol = _symbol(floor, params)

    def act(venue: Venue) -> list[Conditional]:
        return venue.cancel_all_conditionals(symbol)

    floor.do(act)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def algo_open(floor: Floor, params: Params) -> Any:
    symbol, algo_id = params.maybe("symbol"), params.maybe_integer("algoId")
    active = floor.venue.state.active.values()
    mine = [one for one in active if symbol in (None, one.request.symbol) and algo_id in (None, one.algo_id)]
    return [_algo(floor, one, queried=True) for one in mine if not floor.faults.hidden(one.request.client_id)]


def algo_all(floor: Floor, params: Params) -> Any:
    symbol, limit, first = _symbol(floor, params), params.limit(500, 1000), params.maybe_integer("algoId")
    mine = [one for one in floor.venue.state.conditionals.values() if one.request.symbol == symbol]
    chosen = _page(mine, params, floor, lambda one: one.created_ms, lambda one: first is None or one.algo_id >= first)
    kept = chosen[:limit] if first is not None or params.maybe("startTime") else chosen[-limit:]
    return [_algo(floor, one, queried=True) for one in kept if not floor.faults.hidden(one.request.client_id)]


def _which_algo(params: Params) -> tuple[int | None, str | None]:
    algo_id, client_id = params.maybe_integer("algoId"), params.maybe("clientAlgoId")
    if algo_id is None and client_id is None:
        raise WireError(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
    return algo_id, client_id


def _algo(floor: Floor, algo: Conditional, *, queried: bool) -> Any:
    state = floor.venue.state
    child = state.orders.get(algo.child_id) if algo.child_id else None
    return render.conditional(algo, state.contract(algo.request.symbol), child, queried=queried)
