"""What the venue accepts. Each check answers None or a Refusal; the first refusal of a list counts."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from app.domain.side import OrderSide
from simulator.execution import reducible, taker_price
from simulator.instruments import Contract
from simulator.orders import ZERO, Kind, NewOrder, PositionSide, TimeInForce
from simulator.refusals import Reason, Refusal
from simulator.state import State
from simulator.timeline import rises

Check = Callable[[State, NewOrder], Refusal | None]
_MIN_CALLBACK, _MAX_CALLBACK = Decimal("0.1"), Decimal(10)


def first_refusal(state: State, request: NewOrder, checks: Sequence[Check]) -> Refusal | None:
    for check in checks:
        refusal = check(state, request)
        if refusal:
            return refusal
    return None


def known_symbol(state: State, request: NewOrder) -> Refusal | None:
    contract = state.market.contracts.get(request.symbol)
    if contract is None:
        return Refusal(Reason.UNKNOWN_SYMBOL)
    return None if contract.trading else Refusal(Reason.SYMBOL_CLOSED)


def right_endpoint(_state: State, request: NewOrder) -> Refusal | None:
    return Refusal(Reason.CONDITIONAL_ELSEWHERE) if request.kind.conditional else None


def conditional_kind(_state: State, request: NewOrder) -> Refusal | None:
    return None if request.kind.conditional else Refusal(Reason.REGULAR_ELSEWHERE)


def position_side(state: State, request: NewOrder) -> Refusal | None:
    """One-way mode knows BOTH only, hedge mode LONG and SHORT only, and there reduce-only is implied, not sent."""
    hedge = state.account.hedge_mode
    if hedge == (request.position_side is PositionSide.BOTH):
        return Refusal(Reason.POSITION_SIDE_MISMATCH)
    return Refusal(Reason.REDUCE_ONLY_IN_HEDGE_MODE) if hedge and request.reduce_only else None


def complete(_state: State, request: NewOrder) -> Refusal | None:
    """Fields the kind needs."""
    if request.close_position:
        if request.kind not in (Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET):
            return Refusal(Reason.CLOSE_POSITION_KIND, request.kind)
        if request.quantity is not None:
            return Refusal(Reason.CLOSE_POSITION_WITH_QUANTITY)
        if request.reduce_only:
            return Refusal(Reason.CLOSE_POSITION_WITH_REDUCE_ONLY)
    elif request.quantity is None:
        return Refusal(Reason.QUANTITY_MISSING)
    if request.kind in (Kind.LIMIT, Kind.STOP, Kind.TAKE_PROFIT) and request.price is None:
        return Refusal(Reason.PRICE_MISSING)
    if request.kind is Kind.TRAILING_STOP_MARKET:
        rate = request.callback_rate
        return None if rate is not None and _MIN_CALLBACK <= rate <= _MAX_CALLBACK else Refusal(Reason.CALLBACK_INVALID)
    return Refusal(Reason.TRIGGER_MISSING) if request.kind.conditional and request.trigger_price is None else None


def filters(state: State, request: NewOrder) -> Refusal | None:
    """Precision, tick, step and size, in the order the venue looks at them."""
    contract = state.contract(request.symbol)
    for price, too_low in (
        (request.price, Reason.PRICE_NOT_POSITIVE),
        (request.trigger_price, Reason.TRIGGER_NOT_POSITIVE),
        (request.activation_price, Reason.TRIGGER_NOT_POSITIVE),
    ):
        if price is None:
            continue
        if price <= 0:
            return Refusal(too_low)
        if _finer(price, contract.price_precision):
            return Refusal(Reason.PRICE_PRECISION)
        if price % contract.tick:
            return Refusal(Reason.PRICE_OFF_TICK)
    return None if request.quantity is None else _size(contract, request, request.quantity)


def _size(contract: Contract, request: NewOrder, quantity: Decimal) -> Refusal | None:
    if quantity <= 0:
        return Refusal(Reason.QUANTITY_NOT_POSITIVE)
    if _finer(quantity, contract.quantity_decimals) or quantity % contract.step:
        return Refusal(Reason.QUANTITY_PRECISION)
    if quantity < contract.min_quantity:
        return Refusal(Reason.QUANTITY_TOO_SMALL)
    at_market = request.kind not in (Kind.LIMIT, Kind.STOP, Kind.TAKE_PROFIT)
    largest = contract.max_market_quantity if at_market else contract.max_quantity
    return Refusal(Reason.QUANTITY_TOO_LARGE, str(largest)) if quantity > largest else None


def _finer(value: Decimal, decimals: int) -> bool:
    return -int(value.normalize().as_tuple().exponent) > decimals


def price_band(state: State, request: NewOrder) -> Refusal | None:
    """A limit may not pay much more, or ask much less, than the mark."""
    if request.kind is not Kind.LIMIT or request.price is None:
        return None
    mark, band = state.mark(request.symbol), state.contract(request.symbol).price_band
    if request.side is OrderSide.BUY and request.price > mark * (1 + band):
        return Refusal(Reason.PRICE_ABOVE_BAND)
    if request.side is OrderSide.SELL and request.price < mark * (1 - band):
        return Refusal(Reason.PRICE_BELOW_BAND)
    return None


def notional(state: State, request: NewOrder) -> Refusal | None:
    if request.reduce_only or request.close_position or request.quantity is None:
        return None
    if state.account.hedge_mode and reducible(state, request):
        return None
    least = state.contract(request.symbol).min_notional
    price = request.price or request.trigger_price or state.mark(request.symbol)
    return Refusal(Reason.NOTIONAL_TOO_SMALL, str(least)) if request.quantity * price < least else None


def fresh_client_id(state: State, request: NewOrder) -> Refusal | None:
    """Unique among open orders only: a filled order frees its id, here as on the real venue."""
    order_id = state.by_client.get((request.symbol, request.client_id))
    algo_id = state.algo_by_client.get(request.client_id)
    taken = algo_id in state.active if request.kind.conditional else order_id in state.open_orders
    return Refusal(Reason.DUPLICATE_CLIENT_ID) if taken else None


def room(state: State, request: NewOrder) -> Refusal | None:
    if request.kind.conditional:
        full = len(state.active) >= state.terms.max_conditionals
        return Refusal(Reason.TOO_MANY_CONDITIONALS) if full else None
    resting = sum(order.request.symbol == request.symbol for order in state.open_orders.values())
    return Refusal(Reason.TOO_MANY_ORDERS) if resting >= state.contract(request.symbol).max_open_orders else None


def reduce_only(state: State, request: NewOrder) -> Refusal | None:
    """There must be something to reduce, and resting orders of the same side must leave room for it."""
    if not request.reduce_only:
        return None
    closable = reducible(state, request)
    if not closable:
        return Refusal(Reason.REDUCE_ONLY_REJECTED)
    resting = sum(
        (
            order.remaining
            for order in state.open_orders.values()
            if (order.request.symbol, order.request.side) == (request.symbol, request.side)
            and order.request.position_side is request.position_side
        ),
        ZERO,
    )
    over = resting and resting + min(request.quantity or ZERO, closable) > closable
    return Refusal(Reason.REDUCE_ONLY_OVERCOMMITTED) if over else None


def hedge_close(state: State, request: NewOrder) -> Refusal | None:
    """In hedge mode an order against its own side closes, and cannot close more than there is."""
    if request.position_side is PositionSide.BOTH or _opens(request):
        return None
    enough = (request.quantity or ZERO) <= reducible(state, request)
    return None if enough else Refusal(Reason.REDUCE_ONLY_REJECTED)


def _opens(request: NewOrder) -> bool:
    return (request.side is OrderSide.BUY) == (request.position_side is PositionSide.LONG)


def affordable(state: State, request: NewOrder) -> Refusal | None:
    """Initial margin and fee of the part that opens, against what is free; and the leverage's size limit."""
    if request.reduce_only:
        return None
    quantity, price = request.quantity or ZERO, request.price or taker_price(state, request.symbol, request.side)
    closing = min(quantity, reducible(state, request))
    worth = (quantity - closing) * price
    if not worth:
        return None
    leverage = state.account.of(request.symbol).leverage
    position = state.account.position(request.symbol, request.position_side)
    held = ZERO if closing else abs(position.amount) * state.mark(request.symbol)
    if held + worth > state.contract(request.symbol).cap_at(leverage):
        return Refusal(Reason.LEVERAGE_CAP)
    freed = _freed(state, request) if closing else ZERO
    needed = worth / leverage + worth * state.terms.taker_fee
    return Refusal(Reason.MARGIN_INSUFFICIENT) if needed > state.available() + freed else None


def _freed(state: State, request: NewOrder) -> Decimal:
    """What closing the position first gives back."""
    position = state.account.position(request.symbol, request.position_side)
    pnl = position.pnl(state.mark(request.symbol))
    return position.isolated_wallet + pnl if position.isolated else state.initial_of(position)


def executable(state: State, request: NewOrder) -> Refusal | None:
    """Post-only may not take; fill-or-kill must be able to."""
    if request.kind is not Kind.LIMIT or request.price is None:
        return None
    bid, ask = state.quote(request.symbol)
    takes = request.price >= ask if request.side is OrderSide.BUY else request.price <= bid
    if request.time_in_force is TimeInForce.GTX and takes:
        return Refusal(Reason.POST_ONLY_WOULD_TAKE)
    if request.time_in_force is TimeInForce.FOK and not takes:
        return Refusal(Reason.FOK_UNFILLED)
    return None


def trigger_ahead(state: State, request: NewOrder) -> Refusal | None:
    """The trigger must lie where the price is not yet."""
    price = state.mark(request.symbol)
    if request.kind is Kind.TRAILING_STOP_MARKET:
        start = request.activation_price
        sells = request.side is OrderSide.SELL
        ahead = start is None or (start > price if sells else start < price)
    else:
        trigger = request.trigger_price or ZERO
        ahead = trigger > price if rises(request) else trigger < price
    return None if ahead else Refusal(Reason.WOULD_TRIGGER)


def one_close_each_way(state: State, request: NewOrder) -> Refusal | None:
    """Closing by closePosition needs a position, and one stop and one take-profit of that kind is all it gets."""
    if not request.close_position:
        return None
    if not reducible(state, request):
        return Refusal(Reason.NO_POSITION_TO_CLOSE)
    for algo in state.active.values():
        other = algo.request
        same = (other.symbol, other.side, other.position_side) == (request.symbol, request.side, request.position_side)
        if other.close_position and same and rises(other) == rises(request):
            return Refusal(Reason.CLOSE_POSITION_EXISTS)
    return None


REGULAR: tuple[Check, ...] = (
    known_symbol,
    right_endpoint,
    position_side,
    complete,
    filters,
    price_band,
    fresh_client_id,
    reduce_only,
    hedge_close,
    notional,
    room,
    executable,
    affordable,
)
# Margin and reduce-only are looked at when a conditional order triggers, not before.
CONDITIONAL: tuple[Check, ...] = (
    known_symbol,
    conditional_kind,
    position_side,
    complete,
    filters,
    fresh_client_id,
    notional,
    room,
    trigger_ahead,
    one_close_each_way,
)
