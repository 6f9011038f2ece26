"""What the price path does to orders: stops, take-profits, limits, trailing stops, gaps."""

from decimal import Decimal

import pytest

from simulator.events import ConditionalChanged, OrderChanged
from simulator.orders import AlgoStatus, Kind, Status, TimeInForce
from simulator.state import Terms
from tests.unit.simulator.builders import BUY, HOUR_MS, SELL, START_MS, Trader, flat, venue


def test_a_market_order_pays_spread_slippage_and_the_taker_fee() -> None:
    trader = Trader(venue(*flat(50_000.0, 3), terms=Terms()))
    bought = trader.market(BUY, "0.1")
    sold = trader.market(SELL, "0.1")
    assert bought.average_price == Decimal(50006)
    assert sold.average_price == Decimal(49994)
    fills = list(trader.venue.state.fills.values())
    assert fills[0].fee == Decimal("0.1") * Decimal(50006) * Decimal("0.0005")
    assert trader.amount == 0


def test_a_stop_meets_the_price_inside_the_bar_and_closes_at_its_trigger() -> None:
    trader = Trader(venue((50_000, 50_000, 50_000, 50_000), (50_000, 50_500, 48_000, 50_200), *flat(50_200, 2)))
    trader.market(BUY, "0.1")
    stop = trader.stop(49_000)
    trader.hours(1)
    assert stop.status is AlgoStatus.NEW
    trader.hours(1)
    assert stop.status is AlgoStatus.FINISHED
    assert trader.amount == 0
    price, quantity = trader.fills[-1]
    assert quantity == Decimal("0.1")
    assert abs(price - 49_000) < 1
    child = trader.venue.state.orders[stop.child_id or 0]
    assert child.request.client_id == stop.request.client_id
    assert START_MS + HOUR_MS < child.created_ms < START_MS + 2 * HOUR_MS


def test_a_gap_through_the_stop_fills_at_the_far_side() -> None:
    trader = Trader(venue(*flat(50_000, 2), *flat(45_000, 2)))
    trader.market(BUY, "0.1")
    trader.stop(49_000)
    trader.hours(2)
    assert trader.fills[-1] == (Decimal(45_000), Decimal("0.1"))


@pytest.mark.parametrize("bar", [(50_000, 52_000, 48_000, 51_000), (50_000, 52_000, 48_000, 49_000)])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_when_stop_and_profit_lie_in_one_bar_the_stop_comes_first(bar: tuple[float, ...], side: object) -> None:
    trader = Trader(venue(bar, *flat(bar[3], 2)))  # type: ignore[arg-type]
    out = SELL if side is BUY else BUY
    trader.market(side, "0.1")  # type: ignore[arg-type]
    stop_at, profit_at = (49_000, 51_500) if side is BUY else (51_000, 48_500)
    stop = trader.conditional(out, Kind.STOP_MARKET, trigger_price=stop_at, close_position=True)
    profit = trader.conditional(out, Kind.TAKE_PROFIT_MARKET, trigger_price=profit_at, close_position=True)
    trader.hours(1)
    assert stop.status is AlgoStatus.FINISHED
    assert profit.status is AlgoStatus.EXPIRED


def test_take_profits_share_the_position_and_the_stop_goes_with_it() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 53_000, 49_900, 52_500), *flat(52_500, 1)))
    trader.market(BUY, "0.1")
    stop = trader.stop(49_000)
    first = trader.conditional(SELL, Kind.TAKE_PROFIT_MARKET, "0.05", trigger_price=51_000, reduce_only=True)
    second = trader.conditional(SELL, Kind.TAKE_PROFIT_MARKET, "0.05", trigger_price=52_000, reduce_only=True)
    trader.hours(2)
    assert [first.status, second.status, stop.status] == [AlgoStatus.FINISHED, AlgoStatus.FINISHED, AlgoStatus.EXPIRED]
    assert [round(float(price), -1) for price, _ in trader.fills] == [50_000, 51_000, 52_000]
    assert trader.amount == 0


def test_close_position_orders_can_be_told_to_outlive_their_position() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 50_000, 48_000, 48_000), terms=Terms(expire_close_position=False)))
    trader.market(BUY, "0.1")
    stop = trader.stop(49_000)
    trader.market(SELL, "0.1", reduce_only=True)
    assert stop.status is AlgoStatus.NEW
    trader.hours(2)
    assert stop.status is AlgoStatus.REJECTED
    assert trader.amount == 0


def test_an_orphaned_reduce_only_stop_is_rejected_at_its_trigger() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 50_000, 48_000, 48_000)))
    orphan = trader.conditional(SELL, Kind.STOP_MARKET, "0.1", trigger_price=49_000, reduce_only=True)
    trader.hours(2)
    assert orphan.status is AlgoStatus.REJECTED
    assert orphan.reject_reason == "Reduce Only reject"
    assert not trader.fills


def test_a_trailing_stop_follows_the_best_price_and_never_back() -> None:
    rising = [(50_000, 52_000, 50_000, 52_000), (52_000, 55_000, 51_500, 54_000), (54_000, 54_000, 53_000, 53_000)]
    trader = Trader(venue(*rising, *flat(53_000, 1)))  # type: ignore[arg-type]
    trader.market(BUY, "0.1")
    trail = trader.conditional(SELL, Kind.TRAILING_STOP_MARKET, "0.1", callback_rate=2, reduce_only=True)
    trader.hours(2)
    assert trail.status is AlgoStatus.NEW
    assert trail.extreme == Decimal(55_000)
    trader.hours(1)
    assert trail.status is AlgoStatus.FINISHED
    assert abs(trader.fills[-1][0] - Decimal(53900)) < 2


def test_a_trailing_stop_waits_for_its_activation_price() -> None:
    trader = Trader(venue((50_000, 50_500, 48_000, 50_000), (50_000, 52_000, 50_000, 51_900), *flat(50_800, 2)))
    trader.market(BUY, "0.1")
    trail = trader.conditional(
        SELL, Kind.TRAILING_STOP_MARKET, "0.1", callback_rate=1, activation_price=51_000, reduce_only=True
    )
    trader.hours(1)
    assert trail.extreme is None
    trader.hours(1)
    assert trail.status is AlgoStatus.FINISHED  # active at 52,000; the gap to 50,800 is more than one percent


def test_a_resting_limit_fills_as_maker_at_its_own_price() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 50_100, 49_000, 50_000), *flat(50_000, 1)))
    order = trader.limit(BUY, "0.1", 49_500)
    assert order.status is Status.NEW
    trader.hours(2)
    assert order.status is Status.FILLED
    (fill,) = trader.venue.state.fills.values()
    assert (fill.price, fill.maker, fill.fee) == (Decimal(49_500), True, Decimal("0.1") * 49_500 * Decimal("0.0002"))


def test_a_limit_through_the_market_takes_at_once_but_never_beyond_its_price() -> None:
    trader = Trader(venue(*flat(50_000, 2), terms=Terms()))
    order = trader.limit(BUY, "0.1", 51_000)
    assert order.status is Status.FILLED
    assert order.average_price == Decimal(50006)
    ioc = trader.limit(BUY, "0.1", 49_000, time_in_force=TimeInForce.IOC)
    assert ioc.status is Status.EXPIRED


def test_a_stop_limit_rests_where_the_market_left_it_behind() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 50_000, 48_000, 48_500), (48_500, 49_200, 48_500, 49_000)))
    trader.market(BUY, "0.1")
    stop = trader.conditional(SELL, Kind.STOP, "0.1", trigger_price=49_000, price=49_100, reduce_only=True)
    trader.hours(2)
    assert stop.status is AlgoStatus.TRIGGERED
    assert trader.amount == Decimal("0.1")
    trader.hours(1)
    assert stop.status is AlgoStatus.FINISHED
    assert trader.fills[-1] == (Decimal(49_100), Decimal("0.1"))


def test_partial_fills_leave_the_rest_of_a_market_order_expired_and_of_a_limit_resting() -> None:
    trader = Trader(
        venue(*flat(50_000, 1), *[(50_000, 50_100, 49_400, 50_000)] * 3, terms=Terms(fill_ratio=Decimal("0.3")))
    )
    taken = trader.market(BUY, "0.1")
    assert (taken.status, taken.executed) == (Status.EXPIRED, Decimal("0.030"))
    resting = trader.limit(BUY, "0.1", 49_500)
    trader.hours(2)
    assert (resting.status, resting.executed) == (Status.PARTIALLY_FILLED, Decimal("0.030"))
    trader.hours(1)
    assert resting.status is Status.FILLED


def test_the_story_of_a_triggered_stop_is_told_in_order() -> None:
    trader = Trader(venue(*flat(50_000, 1), (50_000, 50_000, 48_000, 48_500)))
    trader.market(BUY, "0.1")
    trader.stop(49_000)
    trader.venue.state.take_events()
    trader.hours(2)
    told = [
        event.conditional.status.value if isinstance(event, ConditionalChanged) else f"order {event.order.status.value}"
        for event in trader.venue.state.take_events()
        if isinstance(event, ConditionalChanged | OrderChanged)
    ]
    assert told == ["TRIGGERING", "order NEW", "TRIGGERED", "order FILLED", "FINISHED"]


def test_time_in_small_steps_and_in_one_leap_is_the_same_time() -> None:
    bars = [(50_000, 50_800, 49_300, 50_400), (50_400, 51_600, 50_100, 51_500), (51_500, 51_900, 48_200, 48_800)] * 3
    told = []
    for step in (0.01, 0.37, 1.0, 9.0):
        trader = Trader(venue(*bars, *flat(48_800, 1)))  # type: ignore[arg-type]
        trader.market(BUY, "0.1")
        trader.stop(48_500)
        trader.conditional(SELL, Kind.TAKE_PROFIT_MARKET, "0.05", trigger_price=51_000, reduce_only=True)
        while trader.venue.now_ms < START_MS + 9 * HOUR_MS:
            trader.hours(step)
        told.append([(one.at_ms, one.price, one.quantity) for one in trader.venue.state.fills.values()])
    assert told[0] == told[1] == told[2] == told[3]
    assert len(told[0]) == 3
