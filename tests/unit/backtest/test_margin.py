"""Funding and liquidation."""

from decimal import Decimal

import numpy as np
import pytest

from app.backtest.engine import backtest
from app.backtest.model import Costs, ExitReason, Funding, Rules, Sizing
from app.domain.errors import BadSettings
from simulator.instruments import contract_for
from simulator.margin import liquidation_price
from tests.unit.backtest.markets import FREE, HOUR_MS, QUIET, bars, said, units

MINUTE = 60_000


def _funding(series, **rates):
    """Rates by name: at_2 = at the open of bar 2, in_2 = half an hour into it."""
    stamps = [int(series.ts[int(name[3:])]) + (0 if name.startswith("at") else 30 * MINUTE) for name in rates]
    return Funding(np.array(stamps, np.int64), np.array(list(rates.values())))


def _paid(signals, rules=None, **rates):
    series = bars(*[QUIET] * 6)
    run = backtest(series, signals, rules or units(), FREE, _funding(series, **rates))
    assert run.equity[-1] - 1e6 == pytest.approx(run.trades["pnl"].sum())
    return float(run.trades["funding"].sum())


def test_longs_pay_a_positive_rate_and_shorts_receive_it():
    assert _paid(said(6, long=[0]), at_3=0.01) == pytest.approx(1.0)
    assert _paid(said(6, short=[0]), at_3=0.01) == pytest.approx(-1.0)
    assert _paid(said(6, long=[0]), at_3=-0.01) == pytest.approx(-1.0)
    assert _paid(said(6, long=[3]), at_2=0.01) == 0.0
    assert _paid(said(6, long=[0]), at_2=0.01, in_3=0.02, at_4=0.03) == pytest.approx(6.0)


def test_at_the_moment_of_entering_or_leaving_a_payment_is_due_and_a_credit_is_not():
    enters, leaves = said(6, long=[2]), said(6, long=[0], leave_long=[2])
    for signals in (enters, leaves):
        assert _paid(signals, at_3=0.01) == pytest.approx(1.0)
        assert _paid(signals, at_3=-0.01) == 0.0
    turns = said(6, long=[0], short=[2])
    assert _paid(turns, at_3=0.01) == pytest.approx(1.0)
    assert _paid(turns, at_3=-0.01) == pytest.approx(1.0)


def test_inside_a_bar_that_stops_it_a_payment_is_due_and_a_credit_is_not():
    series = bars(QUIET, QUIET, (100.0, 101.0, 90.0, 91.0), QUIET)
    signals = said(4, long=[0], levels={"long_stop": {0: 95.0}})
    pays, gets = (backtest(series, signals, units(), FREE, _funding(series, in_2=rate)) for rate in (0.01, -0.01))
    assert pays.trades["funding"].tolist() == pytest.approx([1.0])
    assert gets.trades["funding"].tolist() == [0.0]
    (trade,) = pays.trades
    assert (trade["reason"], trade["pnl"]) == (ExitReason.STOP, pytest.approx(-6.0))


def test_a_venue_that_stamps_funding_a_little_late_means_the_open():
    series = bars(*[QUIET] * 5)
    late = Funding(np.array([int(series.ts[2]) + 7], np.int64), np.array([-0.01]))
    run = backtest(series, said(5, long=[1]), units(), FREE, late)
    assert run.trades["funding"].tolist() == [0.0]  # entered at that open: no credit


def test_funding_outside_the_series_is_left_out_and_nonsense_refused():
    series = bars(*[QUIET] * 4)
    ends = np.array([int(series.ts[0]) - HOUR_MS, int(series.ts[-1]) + HOUR_MS], np.int64)
    run = backtest(series, said(4, long=[0]), units(), FREE, Funding(ends, np.array([1.0, 1.0])))
    assert run.trades["funding"].tolist() == [0.0]
    for stamps, rates in (([5, 3], [0.1, 0.1]), ([1], [0.1, 0.2]), ([1], [np.nan])):
        with pytest.raises(BadSettings, match="funding"):
            backtest(series, said(4, long=[0]), units(), FREE, Funding(np.array(stamps, np.int64), np.array(rates)))


def test_funding_of_parts_goes_with_the_parts():
    series = bars(*[QUIET] * 3, (100.0, 105.0, 99.0, 104.0), QUIET)
    levels = {"long_target": {0: 104.0}}
    adds = said(5, long=[0, 1], levels=levels)
    run = backtest(series, adds, units(max_entries=2), FREE, _funding(series, at_3=0.01, at_4=0.01))
    assert run.trades["funding"].tolist() == pytest.approx([1.0, 2.0])
    assert run.equity[-1] - 1e6 == pytest.approx(run.trades["pnl"].sum())


# --- liquidation -------------------------------------------------------------------------------------


def _borrowed(leverage):
    """All of 1,000 as margin."""
    return Rules(
        equity=1000.0,
        sizing=Sizing.EQUITY,
        size=float(leverage),
        leverage=leverage,
        max_notional=1e9,
        max_exposure_rate=float("inf"),
    )


@pytest.mark.parametrize("side", [1, -1])
def test_it_is_where_the_local_exchange_has_it(side):
    rules = _borrowed(10)
    quantity = 1000.0 * 10 / (1 + 0.005 * 10) / 100.0
    contract = contract_for("BTCUSDT")
    cost = Decimal(str(quantity * 100.0))
    level = liquidation_price(contract, side * Decimal(str(quantity)), cost, cost / 10, Decimal(1))
    name = "long" if side > 0 else "short"
    for beyond, liquidated in ((0.001, True), (-0.001, False)):
        extreme = float(level) - side * beyond
        low, high = min(extreme, 99.9), max(extreme, 100.1)
        series = bars(QUIET, (100.0, high, low, 100.0), (100.0, 100.0, 100.0, 100.0))
        run = backtest(series, said(3, **{name: [0]}), rules, FREE)
        assert run.liquidated is liquidated


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("jump", [False, True])
def test_the_isolated_margin_is_lost_no_more_and_no_less(side, jump):
    away = 100.0 * (1 - side * 0.5)
    fall = (away, max(away, 100.0), min(away, 100.0), away) if jump else (100.0, max(away, 101), min(away, 99), away)
    series = bars(QUIET, (100.0,) * 4, fall, QUIET)
    run = backtest(series, said(4, **{"long" if side > 0 else "short": [0]}), _borrowed(10), Costs(0.0005, 0.0, 0.0))
    (trade,) = run.trades
    assert trade["reason"] == ExitReason.LIQUIDATION
    margin = trade["quantity"] * 100.0 / 10
    assert trade["pnl"] == pytest.approx(-margin - trade["quantity"] * 100.0 * 0.0005)
    assert run.equity[-1] == pytest.approx(1000.0 + trade["pnl"])
    assert run.equity.min() > 0


def test_a_stop_comes_before_liquidation_and_funding_moves_it():
    series = bars(QUIET, QUIET, (100.0, 100.0, 91.0, 92.0), QUIET)
    stopped = said(4, long=[0], levels={"long_stop": {0: 95.0}})
    assert not backtest(series, stopped, _borrowed(10), FREE).liquidated
    assert not backtest(series, said(4, long=[0]), _borrowed(10), FREE).liquidated  # liquidation at 90.36
    eaten = backtest(series, said(4, long=[0]), _borrowed(10), FREE, _funding(series, at_2=0.02))
    assert eaten.liquidated


def test_no_leverage_no_liquidation_of_a_long():
    series = bars(QUIET, QUIET, (100.0, 100.0, 0.5, 1.0), QUIET)
    assert not backtest(series, said(4, long=[0]), _borrowed(1), FREE).liquidated
