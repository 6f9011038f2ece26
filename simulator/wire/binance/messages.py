"""Stream messages: events of the core and glimpses of the market in Binance's one-letter words."""

from typing import Any

from app.domain.candle import INTERVALS
from simulator import funding
from simulator.account import Position
from simulator.events import AccountChanged, ConditionalChanged, Event, LeverageChanged, MarginCalled, OrderChanged
from simulator.floor import Floor
from simulator.orders import ZERO
from simulator.wire.binance.market_data import best
from simulator.wire.binance.render import ASSET, break_even, fixed, kline

Json = dict[str, Any]


def user_message(floor: Floor, event: Event) -> Json:
    if isinstance(event, OrderChanged):
        return _stamped("ORDER_TRADE_UPDATE", event.at_ms) | {"o": _order(floor, event)}
    if isinstance(event, ConditionalChanged):
        return _stamped("ALGO_UPDATE", event.at_ms) | {"o": _conditional(floor, event)}
    if isinstance(event, AccountChanged):
        return _stamped("ACCOUNT_UPDATE", event.at_ms) | {"a": _account(floor, event)}
    if isinstance(event, LeverageChanged):
        return _stamped("ACCOUNT_CONFIG_UPDATE", event.at_ms) | {"ac": {"s": event.symbol, "l": event.leverage}}
    return _margin_call(event)


def _stamped(name: str, at_ms: int) -> Json:
    return {"e": name, "T": at_ms, "E": at_ms}


def _order(floor: Floor, event: OrderChanged) -> Json:
    order, fill, asked = event.order, event.fill, event.order.request
    contract = floor.venue.state.contract(asked.symbol)
    price, size = contract.price_decimals, contract.quantity_decimals
    told: Json = {
        "s": asked.symbol,
        "c": asked.client_id,
        "S": asked.side.value,
        "o": asked.kind.value,
        "f": asked.time_in_force.value,
        "q": fixed(order.quantity, size),
        "p": fixed(asked.price or ZERO, price),
        "ap": fixed(order.average_price, price + 4),
        "sp": fixed(ZERO, price),
        "x": event.change.value,
        "X": order.status.value,
        "i": order.order_id,
        "l": fixed(fill.quantity if fill else ZERO, size),
        "z": fixed(order.executed, size),
        "L": fixed(fill.price if fill else ZERO, price),
        "N": ASSET,
        "n": fixed(fill.fee if fill else ZERO),
        "T": event.at_ms,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": asked.reduce_only,
        "wt": asked.working_type,
        "ot": asked.kind.value,
        "ps": asked.position_side.value,
        "cp": False,
        "rp": fixed(fill.realised_pnl if fill else ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
    }
    return told


def _conditional(floor: Floor, event: ConditionalChanged) -> Json:
    algo, child, asked = event.conditional, event.child, event.conditional.request
    contract = floor.venue.state.contract(asked.symbol)
    price, size = contract.price_decimals, contract.quantity_decimals
    told: Json = {
        "caid": asked.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": asked.kind.value,
        "s": asked.symbol,
        "S": asked.side.value,
        "ps": asked.position_side.value,
        "f": asked.time_in_force.value,
        "q": fixed(asked.quantity or ZERO, size),
        "X": algo.status.value,
        "ai": str(algo.child_id or ""),
        "ap": fixed(child.average_price if child else ZERO, price + 4),
        "aq": fixed(child.executed if child else ZERO, size),
        "act": child.request.kind.value if child else "0",
        "tp": fixed(asked.trigger_price or ZERO, price),
        "p": fixed(asked.price or ZERO, price),
        "V": "EXPIRE_MAKER",
        "wt": asked.working_type,
        "pm": "NONE",
        "cp": asked.close_position,
        "pP": False,
        "R": asked.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": 0,
    }
    if asked.callback_rate is not None:
        told["cr"] = fixed(asked.callback_rate, 1)
        told["AP"] = fixed(asked.activation_price or ZERO, price)
    if algo.reject_reason:
        told["rm"] = algo.reject_reason
    return told


def _account(floor: Floor, event: AccountChanged) -> Json:
    balance = {
        "a": ASSET,
        "wb": fixed(event.wallet),
        "cw": fixed(event.cross_wallet),
        "bc": fixed(event.balance_change),
    }
    return {"m": event.cause, "B": [balance], "P": [_position(floor, one, fixed(pnl)) for one, pnl in event.positions]}


def _position(floor: Floor, one: Position, pnl: str) -> Json:
    state = floor.venue.state
    contract = state.contract(one.symbol)
    return {
        "s": one.symbol,
        "pa": fixed(one.amount, contract.quantity_decimals),
        "ep": fixed(one.entry_price, contract.price_decimals + 4),
        "bep": fixed(break_even(state, one), contract.price_decimals + 4),
        "cr": fixed(one.realised),
        "up": pnl,
        "mt": "isolated" if one.isolated else "cross",
        "iw": fixed(one.isolated_wallet),
        "ps": one.side.value,
    }


def _margin_call(event: MarginCalled) -> Json:
    one = event.position
    row = {
        "s": one.symbol,
        "ps": one.side.value,
        "pa": fixed(one.amount),
        "mt": "ISOLATED" if one.isolated else "CROSSED",
        "iw": fixed(one.isolated_wallet),
        "mp": fixed(event.mark),
        "up": fixed(one.pnl(event.mark)),
        "mm": fixed(event.maintenance),
    }
    return {"e": "MARGIN_CALL", "E": event.at_ms, "cw": fixed(event.cross_wallet), "p": [row]}


# --- market streams ----------------------------------------------------------------------------------


def market_messages(floor: Floor, stream: str, last: Json | None) -> list[Json]:
    """What a stream like btcusdt@kline_1h says now, after `last`; nothing for a stream that does not exist."""
    name, _, kind = stream.partition("@")
    symbol, now = name.upper(), floor.venue.now_ms
    if symbol not in floor.venue.state.market.contracts:
        return []
    if kind.startswith("kline_"):
        return _klines(floor, symbol, kind.removeprefix("kline_"), last)
    if kind.split("@")[0] == "markPrice":
        return [_mark(floor, symbol)]
    if kind == "bookTicker":
        top = best(floor, symbol)
        sizes = {"b": top["bidPrice"], "B": top["bidQty"], "a": top["askPrice"], "A": top["askQty"]}
        return [{"e": "bookTicker", "u": now, "s": symbol, **sizes, "T": now, "E": now}]
    if kind == "aggTrade":
        return [_trade(floor, symbol)]
    return []


def _klines(floor: Floor, symbol: str, interval: str, last: Json | None) -> list[Json]:
    """The forming bar; before it every bar since the last message, so that each is seen closed once."""
    if interval not in INTERVALS:
        return []
    market, now = floor.venue.state.market, floor.venue.now_ms
    since = last["k"]["t"] if last else None
    bars = market.klines(symbol, interval, now_ms=now, limit=1500 if last else 1, start_ms=since)
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    told = []
    for bar in bars:
        values = dict(zip(names, kline(bar, market.contracts[symbol]), strict=True))
        values |= {"s": symbol, "i": interval, "f": 0, "L": 0, "x": now > bar.close_ms}
        told.append({"e": "kline", "E": now, "s": symbol, "k": values})
    return told


def _mark(floor: Floor, symbol: str) -> Json:
    state = floor.venue.state
    price = fixed(state.mark(symbol))
    return {
        "e": "markPriceUpdate",
        "E": state.now_ms,
        "s": symbol,
        "p": price,
        "i": price,
        "P": price,
        "r": fixed(floor.venue.rates.rate(symbol, state.now_ms)),
        "T": funding.next_time(state.now_ms),
    }


def _trade(floor: Floor, symbol: str) -> Json:
    state = floor.venue.state
    contract = state.contract(symbol)
    price, now = fixed(state.mark(symbol), contract.price_decimals), state.now_ms
    return {
        "e": "aggTrade",
        "E": now,
        "s": symbol,
        "a": now,
        "p": price,
        "q": str(contract.step),
        "f": now,
        "l": now,
        "T": now,
        "m": False,
    }
