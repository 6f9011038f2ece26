"""Orders, positions and balances as Binance writes them: numbers are text with fixed decimals, times in ms."""

from decimal import Decimal
from typing import Any

from simulator.account import Income, Position
from simulator.instruments import Contract
from simulator.market import Kline
from simulator.orders import ZERO, Conditional, Fill, Order, PositionSide
from simulator.state import State

Json = dict[str, Any]
ASSET = "USDT"


def fixed(value: Decimal, decimals: int = 8) -> str:
    return f"{value:.{decimals}f}"


def new_order(order: Order, contract: Contract, *, result: bool) -> Json:
    """The answer to a new order. It carries no fill prices (gone since July 2026); ACK does not even tell the state."""
    told = _order(order, contract)
    if not result:
        told |= {"status": "NEW", "executedQty": fixed(ZERO, contract.quantity_decimals)}
    told["cumQty"] = told["executedQty"]
    return told


def order(order: Order, contract: Contract) -> Json:
    """The answer to a query."""
    return _order(order, contract) | {
        "avgPrice": fixed(order.average_price, contract.price_decimals + 4),
        "cumQuote": fixed(order.cost, 5),
        "time": order.created_ms,
    }


def _order(order: Order, contract: Contract) -> Json:
    asked = order.request
    return {
        "orderId": order.order_id,
        "symbol": asked.symbol,
        "status": order.status.value,
        "clientOrderId": asked.client_id,
        "price": fixed(asked.price or ZERO, contract.price_decimals),
        "origQty": fixed(order.quantity, contract.quantity_decimals),
        "executedQty": fixed(order.executed, contract.quantity_decimals),
        "timeInForce": asked.time_in_force.value,
        "type": asked.kind.value,
        "origType": asked.kind.value,
        "reduceOnly": asked.reduce_only,
        "closePosition": False,
        "side": asked.side.value,
        "positionSide": asked.position_side.value,
        "stopPrice": fixed(ZERO, contract.price_decimals),
        "workingType": asked.working_type,
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }


def conditional(algo: Conditional, contract: Contract, child: Order | None, *, queried: bool) -> Json:
    asked = algo.request
    told: Json = {
        "algoId": algo.algo_id,
        "clientAlgoId": asked.client_id,
        "algoType": "CONDITIONAL",
        "orderType": asked.kind.value,
        "symbol": asked.symbol,
        "side": asked.side.value,
        "positionSide": asked.position_side.value,
        "timeInForce": asked.time_in_force.value,
        "quantity": fixed(asked.quantity or ZERO, contract.quantity_decimals),
        "algoStatus": algo.status.value,
        "triggerPrice": fixed(asked.trigger_price or ZERO, contract.price_decimals),
        "price": fixed(asked.price or ZERO, contract.price_decimals),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": asked.working_type,
        "priceMatch": "NONE",
        "closePosition": asked.close_position,
        "priceProtect": False,
        "reduceOnly": asked.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }
    if asked.callback_rate is not None:
        told["callbackRate"] = fixed(asked.callback_rate, 1)
        told["activatePrice"] = fixed(asked.activation_price or ZERO, contract.price_decimals)
    if queried:
        told["actualOrderId"] = str(algo.child_id or "")
        told["actualPrice"] = fixed(child.average_price if child else ZERO, contract.price_decimals + 4)
        told["actualQty"] = fixed(child.executed if child else ZERO, contract.quantity_decimals)
    return told


def trade(fill: Fill, contract: Contract) -> Json:
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": fill.side.value,
        "price": fixed(fill.price, contract.price_decimals),
        "qty": fixed(fill.quantity, contract.quantity_decimals),
        "realizedPnl": fixed(fill.realised_pnl),
        "quoteQty": fixed(fill.price * fill.quantity),
        "commission": fixed(fill.fee),
        "commissionAsset": ASSET,
        "time": fill.at_ms,
        "positionSide": fill.position_side.value,
        "buyer": fill.side.value == "BUY",
        "maker": fill.maker,
    }


def income(row: Income) -> Json:
    return {
        "symbol": row.symbol,
        "incomeType": row.cause.value,
        "income": fixed(row.amount),
        "asset": ASSET,
        "info": str(row.trade_id or row.cause.value),
        "time": row.at_ms,
        "tranId": row.income_id,
        "tradeId": str(row.trade_id or ""),
    }


def position(state: State, one: Position, version: int) -> Json:
    """A row of positionRisk; version 2 tells leverage and margin type, version 3 tells margins."""
    contract, mark = state.contract(one.symbol), state.mark(one.symbol)
    settings = state.account.of(one.symbol)
    notional, liquidation = one.amount * mark, state.liquidation_of(one)
    own = one.isolated if one.amount else settings.isolated
    told: Json = {
        "symbol": one.symbol,
        "positionSide": one.side.value,
        "positionAmt": fixed(one.amount, contract.quantity_decimals),
        "entryPrice": fixed(one.entry_price, contract.price_decimals + 4),
        "breakEvenPrice": fixed(break_even(state, one), contract.price_decimals + 4),
        "markPrice": fixed(mark),
        "unRealizedProfit": fixed(one.pnl(mark)),
        "liquidationPrice": fixed(liquidation) if liquidation else "0",
        "isolatedMargin": fixed(one.isolated_wallet + one.pnl(mark) if one.isolated and one.amount else ZERO),
        "notional": fixed(notional),
        "isolatedWallet": fixed(one.isolated_wallet),
        "updateTime": one.updated_ms,
    }
    if version < 3:  # noqa: PLR2004 - the endpoint's version
        told["leverage"] = str(settings.leverage)
        told["marginType"] = "isolated" if own else "cross"
        told["isAutoAddMargin"] = "false"
        told["maxNotionalValue"] = str(contract.cap_at(settings.leverage))
        return told
    initial, waiting = state.initial_of(one), state.order_margin(one.symbol)
    return told | {
        "marginAsset": ASSET,
        "initialMargin": fixed(initial + waiting),
        "maintMargin": fixed(state.maintenance_of(one)),
        "positionInitialMargin": fixed(initial),
        "openOrderInitialMargin": fixed(waiting),
        "adl": 2 if one.amount else 0,
        "bidNotional": "0",
        "askNotional": "0",
    }


def break_even(state: State, one: Position) -> Decimal:
    """Entry price moved by the taker fees of entry and exit."""
    return one.entry_price * (1 + one.sign * 2 * state.terms.taker_fee)


def sides(state: State) -> tuple[PositionSide, ...]:
    return (PositionSide.LONG, PositionSide.SHORT) if state.account.hedge_mode else (PositionSide.BOTH,)


def kline(bar: Kline, contract: Contract) -> list[Any]:
    """The row format of klines; trades and taker volumes are not simulated and told as plausible shares."""
    digits = contract.price_decimals
    quote = bar.volume * (bar.high + bar.low + bar.close) / 3
    return [
        bar.open_ms,
        f"{bar.open:.{digits}f}",
        f"{bar.high:.{digits}f}",
        f"{bar.low:.{digits}f}",
        f"{bar.close:.{digits}f}",
        f"{bar.volume:.3f}",
        bar.close_ms,
        f"{quote:.5f}",
        int(bar.volume),
        f"{bar.volume / 2:.3f}",
        f"{quote / 2:.5f}",
        "0",
    ]
