"""The matching engine's hand: fills, triggers, liquidations, and what they make of other orders.

Every path that changes a position ends in `_after`, which removes orders that protect nothing any more.
"""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from app.domain.side import OrderSide
from simulator.account import Cause, Position
from simulator.events import Change
from simulator.margin import rounded
from simulator.orders import (
    ZERO,
    AlgoStatus,
    Conditional,
    Fill,
    Kind,
    NewOrder,
    Order,
    PositionSide,
    Status,
    TimeInForce,
)
from simulator.state import FIRST_TRADE_ID, State, on_tick


def signed(side: OrderSide, quantity: Decimal) -> Decimal:
    return quantity if side is OrderSide.BUY else -quantity


def taker_price(state: State, symbol: str, side: OrderSide) -> Decimal:
    """What a market order gets now: the price, half the spread and the slippage, rounded against the taker."""
    price, tick = state.mark(symbol), state.contract(symbol).tick
    worse = state.terms.half_spread + state.terms.slippage
    if side is OrderSide.BUY:
        return on_tick(price * (1 + worse), tick, ROUND_CEILING)
    return max(tick, on_tick(price * (1 - worse), tick, ROUND_FLOOR))


def reducible(state: State, request: NewOrder) -> Decimal:
    """How much of the position this order's side can close."""
    amount = state.account.position(request.symbol, request.position_side).amount
    return abs(amount) if amount and (amount > 0) == (request.side is OrderSide.SELL) else ZERO


def enter(state: State, order: Order) -> None:
    """A fresh order meets the market: it takes what it can, then rests, or lapses if it may not rest."""
    request = order.request
    if request.kind is Kind.MARKET:
        _take(state, order, taker_price(state, request.symbol, request.side))
        lapse(state, order)
        return
    bid, ask = state.quote(request.symbol)
    limit = request.price or ZERO
    if (limit >= ask) if request.side is OrderSide.BUY else (limit <= bid):
        best = taker_price(state, request.symbol, request.side)
        _take(state, order, min(limit, best) if request.side is OrderSide.BUY else max(limit, best))
    if order.status.open and request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        lapse(state, order)


def _take(state: State, order: Order, price: Decimal) -> None:
    fill(state, order, price, _share(state, order), maker=False)


def match(state: State, order: Order) -> None:
    """The price has reached a resting order: it fills at its limit, as maker. Its rest waits for the next bar."""
    share = _share(state, order)
    if not share:
        lapse(state, order)
        return
    fill(state, order, order.request.price or ZERO, share, maker=True)
    order.resting_from_ms = state.market.next_boundary(state.now_ms)


def _share(state: State, order: Order) -> Decimal:
    """How much of the rest this execution takes: everything, unless partial fills are configured or scripted."""
    scripted = state.hooks.fill_ratio(order) if state.hooks.fill_ratio else None
    ratio = scripted if scripted is not None else state.terms.fill_ratio if not order.executed else Decimal(1)
    step = state.contract(order.request.symbol).step
    part = (order.quantity * ratio / step).to_integral_value(rounding=ROUND_DOWN) * step
    wanted = min(order.remaining, max(part, step))
    return min(wanted, reducible(state, order.request)) if order.request.reduce_only else wanted


def lapse(state: State, order: Order) -> None:
    """What is left of an order that cannot stay expires."""
    if order.status.open:
        order.status = Status.EXPIRED
        state.order_changed(order, Change.EXPIRED)
        _finish_parent(state, order)


def fill(
    state: State, order: Order, price: Decimal, quantity: Decimal, *, maker: bool, change: Change = Change.TRADE
) -> None:
    """Execute: book the trade and its fee, move the position, tell the world. Zero quantity does nothing."""
    if quantity <= 0:
        return
    request, account = order.request, state.account
    position = account.position(request.symbol, request.position_side)
    before = position.sign
    realised = account.trade(position, signed(request.side, quantity), price, state.now_ms)
    rate = state.terms.maker_fee if maker else state.terms.taker_fee
    trade_id = FIRST_TRADE_ID + len(state.fills)
    made = Fill(
        trade_id=trade_id,
        order_id=order.order_id,
        symbol=request.symbol,
        side=request.side,
        position_side=request.position_side,
        price=price,
        quantity=quantity,
        fee=rounded(quantity * price * rate),
        realised_pnl=realised,
        maker=maker,
        at_ms=state.now_ms,
    )
    account.book(Cause.REALIZED_PNL, request.symbol, realised, state.now_ms, trade_id)
    account.book(Cause.COMMISSION, request.symbol, -made.fee, state.now_ms, trade_id)
    state.fills[trade_id] = made
    state.touch("fill", trade_id)
    order.fills = (*order.fills, trade_id)
    order.executed += quantity
    order.cost += quantity * price
    order.status = Status.FILLED if order.executed == order.quantity else Status.PARTIALLY_FILLED
    state.order_changed(order, change, made)
    state.account_changed("ORDER", position)
    if not order.status.open:
        _finish_parent(state, order)
    _after(state, position, before)


def _after(state: State, position: Position, before: int) -> None:
    """A position that is gone, or turned round, takes the orders that only served it along."""
    if not before or position.sign == before:
        return
    key = (position.symbol, position.side)
    closing = OrderSide.SELL if before > 0 else OrderSide.BUY
    if state.terms.expire_close_position:
        for algo in list(state.active.values()):
            asked = algo.request
            if asked.close_position and (asked.symbol, asked.position_side) == key and asked.side is closing:
                algo.status = AlgoStatus.EXPIRED
                state.conditional_changed(algo)
    for order in list(state.open_orders.values()):
        asked = order.request
        if asked.reduce_only and (asked.symbol, asked.position_side) == key and asked.side is closing:
            lapse(state, order)


# --- conditional orders ------------------------------------------------------------------------------


def trigger(state: State, algo: Conditional) -> None:
    """The trigger price was met: hand the order to the matching engine, which may still refuse it."""
    algo.status, algo.triggered_ms = AlgoStatus.TRIGGERING, state.now_ms
    state.conditional_changed(algo)
    asked = algo.request
    refused = state.hooks.reject_trigger(algo) if state.hooks.reject_trigger else None
    closable = reducible(state, asked)
    if not refused and (asked.reduce_only or asked.close_position) and not closable:
        refused = "Reduce Only reject"
    if not refused and not closable and _unaffordable(state, asked):
        refused = "Margin is insufficient"
    if refused:
        algo.status, algo.reject_reason = AlgoStatus.REJECTED, refused
        state.conditional_changed(algo)
        return
    request = NewOrder(
        symbol=asked.symbol,
        side=asked.side,
        kind=asked.kind.becomes,
        client_id=asked.client_id,
        quantity=closable if asked.close_position else asked.quantity,
        price=asked.price,
        time_in_force=TimeInForce.GTC if asked.time_in_force is TimeInForce.GTE_GTC else asked.time_in_force,
        position_side=asked.position_side,
        reduce_only=asked.reduce_only or asked.close_position,
    )
    child = state.add_order(request, parent_id=algo.algo_id)
    algo.status, algo.child_id = AlgoStatus.TRIGGERED, child.order_id
    state.conditional_changed(algo)
    enter(state, child)


def _unaffordable(state: State, asked: NewOrder) -> bool:
    price = asked.price or state.mark(asked.symbol)
    return (asked.quantity or ZERO) * price / state.account.of(asked.symbol).leverage > state.available()


def _finish_parent(state: State, order: Order) -> None:
    if order.parent_id is not None:
        parent = state.conditionals[order.parent_id]
        parent.status = AlgoStatus.FINISHED
        state.conditional_changed(parent)


# --- forced closes -----------------------------------------------------------------------------------


def liquidate(state: State, position: Position, price: Decimal) -> None:
    """Margin is used up: close everything. The insurance fund takes its fee, or bears the loss beyond the margin."""
    account, tick = state.account, state.contract(position.symbol).tick
    worst = on_tick(price, tick, ROUND_FLOOR if position.amount > 0 else ROUND_CEILING)
    worth, margin, before = abs(position.amount) * worst, position.isolated_wallet, account.wallet
    separate = position.isolated
    force_close(state, position, f"autoclose-{state.now_ms}", max(tick, worst))
    if separate:
        left = margin + account.wallet - before
    else:
        shared = [one for one in account.held() if not one.isolated]
        left = account.cross_wallet + sum((one.pnl(state.mark(one.symbol)) for one in shared), ZERO)
    clearance = rounded(min(worth * state.terms.liquidation_fee, left) if left > 0 else left)
    account.book(Cause.INSURANCE_CLEAR, position.symbol, -clearance, state.now_ms)
    state.account_changed("INSURANCE_CLEAR", position, balance_change=-clearance)


def force_close(
    state: State, position: Position, client_id: str, price: Decimal, quantity: Decimal | None = None
) -> Order:
    """The venue closes (part of) a position itself: liquidation, deleveraging. Client ids are the venue's own words."""
    side = OrderSide.SELL if position.amount > 0 else OrderSide.BUY
    if not client_id.startswith("adl"):
        for order in [one for one in state.open_orders.values() if one.request.symbol == position.symbol]:
            order.status = Status.CANCELED
            state.order_changed(order, Change.CANCELED)
            _finish_parent(state, order)
    request = NewOrder(
        symbol=position.symbol,
        side=side,
        kind=Kind.LIMIT,
        client_id=client_id,
        quantity=min(quantity or abs(position.amount), abs(position.amount)),
        price=price,
        time_in_force=TimeInForce.IOC,
        position_side=position.side,
        reduce_only=position.side is PositionSide.BOTH,
    )
    order = state.add_order(request)
    fill(state, order, price, order.quantity, maker=False, change=Change.CALCULATED)
    return order
