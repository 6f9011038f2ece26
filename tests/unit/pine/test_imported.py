"""A chart's list of trades against our backtest: clock, commission, ticks, and what is only on one side."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from app.domain.errors import BadSettings, OperatorError
from app.history import synthetic
from app.pine.clock import find_clock, stamp, zone
from app.pine.compare import Deal, deals_of
from app.pine.imported import compare_list, fee_rate_of
from app.pine.tester import trade_as_tester
from app.pine.trade_list import TradeList, parse_trade_list
from app.strategies.registry import definition
from tests.unit.pine.charts import FEE, QUANTITY, listed


@pytest.fixture(scope="module")
def series():
    return synthetic("BTCUSDT", "1h", 3000, 5, datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def ours(series) -> tuple[Deal, ...]:
    signals = definition("supertrend").signals(series)
    run = trade_as_tester(series, signals, capital=1e6, quantity=QUANTITY, fee_rate=FEE)
    assert len(run.trades) > 40
    return deals_of(run)


def exported(series, deals, clock: str = "UTC") -> TradeList:
    return parse_trade_list("\n".join(listed(series, deals, clock)), "trades.csv")


def test_a_list_of_the_same_trades_agrees(series, ours):
    found = compare_list(exported(series, ours), definition("supertrend"), series)
    assert found.match.agrees, found.in_words()
    assert found.match.equal == len(ours)
    assert found.fee_rate == pytest.approx(FEE, rel=0.01)
    assert found.clock.name == "UTC"
    assert not found.in_words()


@pytest.mark.parametrize("clock", ["UTC", "+05:30", "-04:00", "Europe/Berlin", "America/New_York"])
def test_the_charts_clock_is_found(series, ours, clock):
    """February to June: zones with daylight saving change within the list, so no fixed offset fits."""
    listed = exported(series, ours, clock)
    found = find_clock(listed, series)
    moments = [trade.entry_time for trade in listed.trades]
    assert [stamp(at, zone(found.name)) for at in moments] == [stamp(at, zone(clock)) for at in moments]
    assert found.fitting == len(ours)


def test_a_zone_that_was_told_is_taken(series, ours):
    found = compare_list(exported(series, ours, "+02:00"), definition("supertrend"), series, timezone="+02:00")
    assert found.match.agrees


def test_a_zone_that_does_not_fit_makes_no_trade_the_same(series, ours):
    found = compare_list(exported(series, ours, "+02:00"), definition("supertrend"), series, timezone="UTC")
    assert found.clock.fitting < len(ours) / 5
    assert not found.match.equal
    assert any("entered 2 bars earlier here" in words for _, _, words in found.in_words())


def test_another_market_is_noticed(series, ours):
    other = synthetic("ETHUSDT", "1h", 3000, 5, datetime(2024, 2, 1, tzinfo=UTC))
    with pytest.raises(OperatorError, match=r"in no time zone.*ETHUSDT.*--timezone"):
        compare_list(exported(series, ours), definition("supertrend"), other)


def test_a_trade_that_is_missing_on_either_side_is_named(series, ours):
    extra = Deal(1, ours[9].entry_bar + 5, ours[9].entry_bar + 6, QUANTITY, 1.0, 1.0, 0.0)
    listed = exported(series, [*ours[:5], *ours[6:10], extra, *ours[10:]])
    found = compare_list(listed, definition("supertrend"), series)
    assert [(whose, deal.entry_bar) for whose, deal, _ in found.in_words()] == [
        ("only here", ours[5].entry_bar),
        ("only on the chart", extra.entry_bar),
    ]


def test_other_parameters_do_not_agree(series, ours):
    found = compare_list(exported(series, ours), definition("supertrend"), series, {"factor": 2.0})
    assert not found.match.agrees


def test_another_commission_is_noticed(series, ours):
    found = compare_list(exported(series, ours), definition("supertrend"), series, fee_rate=0.001)
    assert any("check the commission" in words for _, _, words in found.in_words())


def test_trades_beyond_our_candles_are_counted_not_compared(series, ours):
    listed = exported(series, ours)
    cut = series[: ours[-10].entry_bar]
    found = compare_list(listed, definition("supertrend"), cut)
    assert found.match.agrees, found.in_words()
    assert found.outside >= 10
    assert found.match.equal + found.outside == len(ours)


def test_a_list_that_starts_later_is_compared_from_there(series, ours):
    found = compare_list(exported(series, ours[12:]), definition("supertrend"), series)
    assert found.match.agrees, found.in_words()


def test_a_list_wholly_outside_is_an_error(series, ours):
    later = synthetic("BTCUSDT", "1h", 300, 5, datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(OperatorError, match="none of the list's"):
        compare_list(exported(series, ours), definition("supertrend"), later, timezone="UTC")


def test_the_commission_comes_from_the_profits(series, ours):
    assert fee_rate_of(exported(series, ours).trades) == pytest.approx(FEE, abs=2e-6)
    without = parse_trade_list(
        "Trade #,Type,Date/Time,Price,Contracts\n1,Entry Long,2024-02-01,9,1\n1,Exit Long,2024-02-02,9,1\n", "x"
    )
    assert fee_rate_of(without.trades) == 0.0


@pytest.mark.parametrize("name", ["Mars/Olympus", "+2x:00", "+99:00", "../../etc/passwd"])
def test_a_zone_that_does_not_exist(name):
    with pytest.raises(BadSettings, match="no time zone"):
        zone(name)


def test_a_wall_clock_time_is_read_in_its_zone():
    at = datetime(2024, 7, 1, 14, 0)  # noqa: DTZ001 - what a list has
    assert stamp(at, zone("Europe/Berlin")) == int(
        (datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("UTC")) - datetime(1970, 1, 1, tzinfo=UTC))
        / timedelta(milliseconds=1)
    )


def test_the_tester_refuses_a_capital_that_would_bind(series):
    signals = definition("supertrend").signals(series)
    with pytest.raises(OperatorError, match="initial_capital"):
        trade_as_tester(series, signals, capital=10_000.0, quantity=1.0, fee_rate=0.0)
    assert np.isfinite(trade_as_tester(series, signals, capital=1e6, quantity=1.0, fee_rate=0.0).equity).all()
