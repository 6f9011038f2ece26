"""Candles become a price at every moment, and candles again."""

from decimal import Decimal
from itertools import pairwise

import pytest

from app.domain.errors import BadSettings
from app.history import CandleSeries
from simulator.market import Feed, Market
from tests.unit.simulator.builders import BUY, HOUR_MS, SELL, START_MS, Trader, flat, series, venue

MINUTE_MS = 60_000
UP, DOWN = (100.0, 130.0, 90.0, 120.0), (120.0, 130.0, 90.0, 100.0)


def market(*bars: tuple[float, float, float, float]) -> Market:
    return Market({"BTCUSDT": series("BTCUSDT", bars)})


def path(where: Market, bar: int) -> list[float]:
    return [price for _, price in where.feeds["BTCUSDT"].knots(bar)]


def test_a_rising_bar_goes_low_first_and_a_falling_bar_high_first() -> None:
    where = market(UP, DOWN)
    assert path(where, 0) == [100.0, 90.0, 130.0, 120.0]
    assert path(where, 1) == [120.0, 130.0, 90.0, 100.0]


@pytest.mark.parametrize(("side", "first"), [(BUY, 90.0), (SELL, 130.0)])
def test_whoever_holds_a_position_sees_the_worse_extreme_first(side: object, first: float) -> None:
    trader = Trader(venue(UP, DOWN, UP))
    trader.market(side, "5")  # type: ignore[arg-type]
    trader.hours(2)
    assert path(trader.venue.state.market, 0)[1] == first
    assert path(trader.venue.state.market, 1)[1] == first


def test_the_price_moves_at_one_speed_and_stands_still_after_the_last_bar() -> None:
    where = market(UP)  # 10 down, 40 up, 10 down: a minute each
    told = [where.price("BTCUSDT", START_MS + minute * MINUTE_MS) for minute in (0, 5, 10, 30, 50, 60, 600)]
    assert told == [Decimal(price) for price in (100, 95, 90, 110, 130, 120, 120)]
    with pytest.raises(BadSettings, match="no price yet"):
        where.price("BTCUSDT", START_MS - 1)


def test_the_newest_kline_forms_with_the_price() -> None:
    where = market(*flat(100.0, 3), UP)
    now = START_MS + 3 * HOUR_MS + 30 * MINUTE_MS
    bars = where.klines("BTCUSDT", "1h", now_ms=now, limit=10)
    assert [bar.open_ms for bar in bars] == [START_MS + hour * HOUR_MS for hour in range(4)]
    forming = bars[-1]
    assert (forming.open, forming.high, forming.low, forming.close) == (100.0, 110.0, 90.0, 110.0)
    assert forming.volume == 30.0
    assert forming.close_ms == START_MS + 4 * HOUR_MS - 1


def test_klines_join_into_longer_ones_and_split_into_shorter_ones() -> None:
    where = market(*[UP, DOWN] * 4)
    now = START_MS + 8 * HOUR_MS
    (whole,) = where.klines("BTCUSDT", "8h", now_ms=now - 1, limit=1)
    assert (whole.open, whole.high, whole.low, whole.close) == (100.0, 130.0, 90.0, 100.0)
    minutes = where.klines("BTCUSDT", "5m", now_ms=START_MS + HOUR_MS - 1, limit=500)
    assert len(minutes) == 12
    assert max(bar.high for bar in minutes) == 130.0
    assert min(bar.low for bar in minutes) == 90.0
    assert sum(bar.volume for bar in minutes) == pytest.approx(60.0, abs=0.01)
    assert all(before.close == after.open for before, after in pairwise(minutes))


def test_klines_are_asked_for_by_number_or_by_time_and_never_from_the_future() -> None:
    where = market(*flat(100.0, 24))
    now = START_MS + 10 * HOUR_MS
    newest = where.klines("BTCUSDT", "1h", now_ms=now, limit=3)
    assert [bar.open_ms for bar in newest] == [START_MS + hour * HOUR_MS for hour in (8, 9, 10)]
    since = where.klines("BTCUSDT", "1h", now_ms=now, limit=3, start_ms=START_MS + HOUR_MS + 1)
    assert [bar.open_ms for bar in since] == [START_MS + hour * HOUR_MS for hour in (2, 3, 4)]
    until = where.klines("BTCUSDT", "1h", now_ms=now, limit=2, end_ms=START_MS + 5 * HOUR_MS)
    assert [bar.open_ms for bar in until] == [START_MS + hour * HOUR_MS for hour in (4, 5)]
    ended = where.klines("BTCUSDT", "1h", now_ms=START_MS + 90 * HOUR_MS, limit=5)
    assert ended[-1].open_ms == START_MS + 23 * HOUR_MS


def test_missing_bars_are_filled_with_the_last_price() -> None:
    whole = series("BTCUSDT", [*flat(100.0, 2), UP, *flat(120.0, 2)])
    keep = [0, 1, 4]
    columns = {name: getattr(whole, name)[keep] for name in ("ts", "open", "high", "low", "close", "volume")}
    feed = Feed.of(CandleSeries(symbol="BTCUSDT", interval="1h", source="holes", **columns), shift_ms=0)
    assert feed.close == [100.0, 100.0, 100.0, 100.0, 120.0]
    assert feed.volume == [60.0, 60.0, 0.0, 0.0, 60.0]


def test_markets_of_one_venue_share_their_bar_length() -> None:
    whole = series("ETHUSDT", flat(100.0, 48)).resampled("4h")
    with pytest.raises(BadSettings, match="one length"):
        Market({"BTCUSDT": series("BTCUSDT", flat(1.0, 2)), "ETHUSDT": whole})
