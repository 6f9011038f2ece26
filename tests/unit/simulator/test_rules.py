"""What the venue refuses, one reason at a time; a refusal changes nothing."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from simulator.orders import Kind, NewOrder, Order, PositionSide, Status, TimeInForce
from simulator.refusals import Reason, Refusal
from simulator.state import Terms
from tests.unit.simulator.builders import BUY, SELL, Trader, flat, venue

Ask = Callable[[Trader], NewOrder]


def trading() -> Trader:
    """Long 0.1 at 50,000 with 10,000 USDT at 20x."""
    trader = Trader(venue(*flat(50_000, 3)))
    trader.market(BUY, "0.1")
    return trader


REFUSED: list[tuple[Reason, Ask]] = [
    (Reason.CONDITIONAL_ELSEWHERE, lambda t: t.ask(SELL, Kind.STOP_MARKET, "0.1", trigger_price=49_000)),
    (Reason.PRICE_MISSING, lambda t: t.ask(BUY, Kind.LIMIT, "0.1")),
    (Reason.QUANTITY_MISSING, lambda t: t.ask(BUY, Kind.MARKET)),
    (Reason.PRICE_PRECISION, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price="49000.123")),
    (Reason.PRICE_OFF_TICK, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price="49000.15")),
    (Reason.PRICE_NOT_POSITIVE, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price="-1")),
    (Reason.QUANTITY_PRECISION, lambda t: t.ask(BUY, Kind.MARKET, "0.0015")),
    (Reason.QUANTITY_NOT_POSITIVE, lambda t: t.ask(BUY, Kind.MARKET, "0")),
    (Reason.QUANTITY_TOO_LARGE, lambda t: t.ask(BUY, Kind.MARKET, "120.001")),
    (Reason.PRICE_ABOVE_BAND, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price=53_000)),
    (Reason.PRICE_BELOW_BAND, lambda t: t.ask(SELL, Kind.LIMIT, "0.1", price=47_000)),
    (Reason.NOTIONAL_TOO_SMALL, lambda t: t.ask(BUY, Kind.MARKET, "0.001")),
    (Reason.POSITION_SIDE_MISMATCH, lambda t: t.ask(BUY, Kind.MARKET, "0.1", position_side=PositionSide.LONG)),
    (Reason.REDUCE_ONLY_REJECTED, lambda t: t.ask(BUY, Kind.MARKET, "0.1", reduce_only=True)),
    (Reason.MARGIN_INSUFFICIENT, lambda t: t.ask(BUY, Kind.MARKET, "4")),
    (Reason.POST_ONLY_WOULD_TAKE, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price=50_100, time_in_force=TimeInForce.GTX)),
    (Reason.FOK_UNFILLED, lambda t: t.ask(BUY, Kind.LIMIT, "0.1", price=49_000, time_in_force=TimeInForce.FOK)),
]
REFUSED_CONDITIONALS: list[tuple[Reason, Ask]] = [
    (Reason.TRIGGER_MISSING, lambda t: t.ask(SELL, Kind.STOP_MARKET, "0.1")),
    (Reason.CALLBACK_INVALID, lambda t: t.ask(SELL, Kind.TRAILING_STOP_MARKET, "0.1", callback_rate=20)),
    (Reason.WOULD_TRIGGER, lambda t: t.ask(SELL, Kind.STOP_MARKET, "0.1", trigger_price=51_000)),
    (Reason.WOULD_TRIGGER, lambda t: t.ask(BUY, Kind.STOP_MARKET, "0.1", trigger_price=49_000)),
    (Reason.WOULD_TRIGGER, lambda t: t.ask(SELL, Kind.TAKE_PROFIT_MARKET, "0.1", trigger_price=49_000)),
    (Reason.NO_POSITION_TO_CLOSE, lambda t: t.ask(BUY, Kind.STOP_MARKET, trigger_price=51_000, close_position=True)),
    (
        Reason.CLOSE_POSITION_WITH_QUANTITY,
        lambda t: t.ask(SELL, Kind.STOP_MARKET, "0.1", trigger_price=49_000, close_position=True),
    ),
    (
        Reason.CLOSE_POSITION_WITH_REDUCE_ONLY,
        lambda t: t.ask(SELL, Kind.STOP_MARKET, trigger_price=49_000, close_position=True, reduce_only=True),
    ),
    (Reason.CLOSE_POSITION_KIND, lambda t: t.ask(SELL, Kind.STOP, trigger_price=49_000, close_position=True)),
]


@pytest.mark.parametrize(("reason", "ask"), REFUSED)
def test_a_regular_order_is_refused(reason: Reason, ask: Ask) -> None:
    trader = trading()
    before = (dict(trader.venue.state.orders), trader.venue.state.account.wallet)
    answer = trader.venue.place(ask(trader))
    assert isinstance(answer, Refusal)
    assert answer.reason is reason
    assert (trader.venue.state.orders, trader.venue.state.account.wallet) == before


@pytest.mark.parametrize(("reason", "ask"), REFUSED_CONDITIONALS)
def test_a_conditional_order_is_refused(reason: Reason, ask: Ask) -> None:
    trader = trading()
    answer = trader.venue.place_conditional(ask(trader))
    assert isinstance(answer, Refusal)
    assert answer.reason is reason
    assert not trader.venue.state.conditionals


def test_one_stop_and_one_profit_may_close_a_position_and_no_second_of_either() -> None:
    trader = trading()
    trader.stop(49_000)
    trader.conditional(SELL, Kind.TAKE_PROFIT_MARKET, trigger_price=52_000, close_position=True)
    second = trader.ask(SELL, Kind.STOP_MARKET, trigger_price=48_000, close_position=True)
    assert trader.refused(second) is Reason.CLOSE_POSITION_EXISTS


def test_a_client_id_is_taken_only_while_its_order_is_open() -> None:
    trader = trading()
    trader.market(BUY, "0.1", client_id="mine")
    trader.market(BUY, "0.1", client_id="mine")  # the first was filled: its id is free, and a resend doubles
    assert trader.amount == Decimal("0.3")
    trader.limit(BUY, "0.1", 49_000, client_id="resting")
    again = trader.ask(BUY, Kind.LIMIT, "0.1", price=49_000, client_id="resting")
    assert trader.refused(again) is Reason.DUPLICATE_CLIENT_ID
    trader.stop(49_000, client_id="stop")
    stop = trader.ask(SELL, Kind.TAKE_PROFIT_MARKET, "0.1", trigger_price=52_000, client_id="stop")
    assert trader.refused(stop) is Reason.DUPLICATE_CLIENT_ID


def test_a_resting_profit_for_everything_blocks_a_market_close_until_it_is_cancelled() -> None:
    trader = trading()
    profit = trader.limit(SELL, "0.1", 51_000, reduce_only=True)
    close = trader.ask(SELL, Kind.MARKET, "0.1", reduce_only=True)
    assert trader.refused(close) is Reason.REDUCE_ONLY_OVERCOMMITTED
    trader.venue.cancel("BTCUSDT", profit.order_id)
    trader.market(SELL, "0.1", reduce_only=True)
    assert trader.amount == 0


def test_reduce_only_takes_what_there_is_and_the_rest_expires() -> None:
    trader = trading()
    order = trader.market(SELL, "0.5", reduce_only=True)
    assert (order.status, order.executed, trader.amount) == (Status.EXPIRED, Decimal("0.1"), 0)


def test_resting_reduce_only_orders_leave_with_the_position() -> None:
    trader = trading()
    profit = trader.limit(SELL, "0.05", 51_000, reduce_only=True)
    trader.market(SELL, "0.1")
    assert profit.status is Status.EXPIRED


def test_only_so_many_conditional_orders_over_all_symbols() -> None:
    trader = Trader(venue(*flat(50_000, 3), terms=Terms(max_conditionals=2)))
    for trigger in (49_000, 48_000):
        trader.conditional(SELL, Kind.STOP_MARKET, "0.1", trigger_price=trigger)
    third = trader.ask(SELL, Kind.STOP_MARKET, "0.1", trigger_price=47_000)
    assert trader.refused(third) is Reason.TOO_MANY_CONDITIONALS


def test_an_unknown_symbol_and_an_unknown_order_are_not_found() -> None:
    trader = trading()
    assert trader.refused(Trader(trader.venue, "NOPEUSDT").ask(BUY, Kind.MARKET, "1")) is Reason.UNKNOWN_SYMBOL
    assert trader.venue.find("BTCUSDT", client_id="nobody") == Refusal(Reason.NO_SUCH_ORDER)
    assert trader.venue.cancel("BTCUSDT", client_id="t1") == Refusal(Reason.NOTHING_TO_CANCEL)
    assert trader.venue.cancel_conditional(client_id="nobody") == Refusal(Reason.NOTHING_TO_CANCEL)


def test_hedge_mode_keeps_both_sides_apart() -> None:
    trader = Trader(venue(*flat(50_000, 3)))
    assert trader.venue.set_hedge_mode(hedge=True) is None
    assert trader.refused(trader.ask(BUY, Kind.MARKET, "0.1")) is Reason.POSITION_SIDE_MISMATCH
    trader.market(BUY, "0.2", position_side=PositionSide.LONG)
    trader.market(SELL, "0.1", position_side=PositionSide.SHORT)
    sides = {one.side: one.amount for one in trader.venue.state.account.held()}
    assert sides == {PositionSide.LONG: Decimal("0.2"), PositionSide.SHORT: Decimal("-0.1")}
    over = trader.ask(SELL, Kind.MARKET, "0.3", position_side=PositionSide.LONG)
    assert trader.refused(over) is Reason.REDUCE_ONLY_REJECTED
    reducing = trader.ask(SELL, Kind.MARKET, "0.1", position_side=PositionSide.LONG, reduce_only=True)
    assert trader.refused(reducing) is Reason.REDUCE_ONLY_IN_HEDGE_MODE
    mode = trader.venue.set_hedge_mode(hedge=False)
    assert mode == Refusal(Reason.POSITION_MODE_WITH_POSITION)


def test_settings_that_are_already_so_and_settings_that_may_not_change() -> None:
    trader = trading()
    desk = trader.venue
    assert desk.set_margin_type("BTCUSDT", isolated=False) == Refusal(Reason.SAME_MARGIN_TYPE)
    assert desk.set_margin_type("BTCUSDT", isolated=True) == Refusal(Reason.MARGIN_TYPE_WITH_POSITION)
    assert desk.set_hedge_mode(hedge=False) == Refusal(Reason.SAME_POSITION_MODE)
    assert desk.set_leverage("BTCUSDT", 126) == Refusal(Reason.LEVERAGE_INVALID, "126")
    trader.market(SELL, "0.1")
    trader.limit(BUY, "0.1", 49_000)
    assert desk.set_margin_type("BTCUSDT", isolated=True) == Refusal(Reason.MARGIN_TYPE_WITH_ORDERS)
    assert desk.set_hedge_mode(hedge=True) == Refusal(Reason.POSITION_MODE_WITH_ORDERS)


def test_a_position_too_large_for_its_leverage_is_refused() -> None:
    trader = Trader(venue(*flat(50_000, 3), balance="100000000"))
    trader.venue.set_leverage("BTCUSDT", 125)
    assert trader.refused(trader.ask(BUY, Kind.MARKET, "2")) is Reason.LEVERAGE_CAP
    trader.venue.set_leverage("BTCUSDT", 20)
    assert isinstance(trader.venue.place(trader.ask(BUY, Kind.MARKET, "2")), Order)
