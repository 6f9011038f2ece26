"""How much is entered: the live risk stage's arithmetic, caps and floors."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.backtest.engine import backtest, score
from app.backtest.kernel import entries
from app.backtest.model import Costs, Intrabar, Rules, Sizing, TargetRule
from app.domain.errors import BadSettings
from app.domain.policy import RiskPolicy
from app.pipeline.risk_rules import protection_levels, sizing
from tests.unit.backtest.markets import FREE, QUIET, bars, said, units

SERIES = bars(*[QUIET] * 6)
STOPPED = said(6, long=[0], levels={"long_stop": {0: 98.0}})


def _quantity(rules, signals=STOPPED, costs=FREE, series=SERIES):
    trades = backtest(series, signals, rules, costs).trades
    return float(trades["quantity"].sum())


def test_the_limits_are_those_of_the_live_risk_stage():
    assert Decimal(str(entries.HEADROOM_RATE)) == sizing.HEADROOM_RATE
    assert Decimal(str(entries.STOP_SHARE_OF_LIQUIDATION)) == protection_levels.STOP_SHARE_OF_LIQUIDATION
    assert Decimal(str(entries.SAFE_MAINTENANCE_RATE)) == protection_levels.MAINTENANCE_RATE


def test_by_risk_it_is_the_share_of_equity_over_the_stop_distance():
    assert _quantity(Rules()) == pytest.approx(10_000 * 0.01 / 2.0)
    wide = said(6, long=[0], levels={"long_stop": {0: 50.0}})
    assert _quantity(Rules(), wide) == pytest.approx(2.0)
    # measured from the open: slippage is not known when the size is
    assert _quantity(Rules(), costs=Costs(0.0, 0.0, 0.001)) == pytest.approx(50.0)


def test_by_equity_it_compounds():
    series = bars(QUIET, QUIET, (200.0, 201.0, 199.0, 200.0), (200.0, 201.0, 199.0, 200.0), QUIET, QUIET)
    signals = said(6, long=[0, 2], leave_long=[1])
    rules = Rules(sizing=Sizing.EQUITY, size=0.5, max_notional=float("inf"))
    trades = backtest(series, signals, rules, FREE).trades
    assert trades["quantity"].tolist() == pytest.approx([50.0, 15_000 * 0.5 / 200])


@pytest.mark.parametrize("by", [Sizing.RISK, Sizing.EQUITY, Sizing.QUANTITY])
def test_every_limit_caps_every_way_of_sizing(by):
    much = Rules(sizing=by, size={Sizing.RISK: 0.5, Sizing.EQUITY: 50.0, Sizing.QUANTITY: 5000.0}[by])
    assert _quantity(much) == pytest.approx(100.0)  # 10,000 of notional
    free = Rules(sizing=by, size=much.size, max_notional=float("inf"), max_exposure_rate=float("inf"), leverage=3)
    assert _quantity(Rules(sizing=by, size=much.size, max_notional=float("inf"))) == pytest.approx(
        200.0
    )  # twice equity
    # notional / 3 + 0.005 x notional = 10,000
    assert _quantity(free) == pytest.approx(30_000 / (1 + 0.005 * 3) / 100)
    far = said(6, long=[0], levels={"long_stop": {0: 40.0}})  # 1 / (0.6 / 0.8 + 0.01) = 1.3: no leverage above 1
    assert _quantity(free, far) <= 10_000 / 1.005 / 100 + 1e-9


def test_a_stop_beyond_liquidation_even_without_leverage_refuses_the_entry():
    assert _quantity(Rules(), said(6, long=[0], levels={"long_stop": {0: 20.0}})) == 0.0


def test_sizes_are_floored_to_the_step_and_too_small_ones_left_out():
    assert _quantity(Rules(quantity_step=0.7)) == pytest.approx(49.7)
    assert _quantity(units(0.3, quantity_step=0.1)) == pytest.approx(0.3)
    assert _quantity(units(0.29999, quantity_step=0.1)) == pytest.approx(0.2)
    assert _quantity(units(0.05, quantity_step=0.1)) == 0.0
    assert _quantity(units(0.05, min_notional=5.0)) == pytest.approx(0.05)
    assert _quantity(units(0.05, min_notional=5.01)) == 0.0


def test_adding_counts_what_is_held_and_never_loosens_the_stop():
    levels = {"long_stop": {0: 98.0, 1: 99.5, 2: 90.0}}
    series = bars(QUIET, QUIET, (101.0, 102.0, 100.0, 101.0), (102.0, 103.0, 101.0, 102.0), (102, 103, 99.0, 99.2))
    signals = said(5, long=[0, 1, 2], levels=levels)
    once, twice = (backtest(series, signals, units(max_entries=n), FREE) for n in (1, 2))
    assert once.trades["quantity"].tolist() == [1.0]
    (trade,) = twice.trades
    assert (trade["quantity"], trade["entry_price"], trade["exit_price"]) == (2.0, 100.5, 99.5)
    (trade,) = backtest(series, signals, units(max_entries=3), FREE).trades
    assert (trade["quantity"], trade["entry_bar"], trade["exit_price"]) == (3.0, 1, 99.5)
    capped = Rules(sizing=Sizing.QUANTITY, size=60.0, max_entries=3)
    (trade,) = backtest(series, signals, capped, FREE).trades
    # 6,000 of 10,000 are taken; at 101 what is held counts 6,060 of them
    assert trade["quantity"] == pytest.approx(60.0 + (10_000 - 60 * 101.0) / 101.0)


def test_an_addition_brings_targets_of_its_own():
    levels = {"long_stop": {0: 95.0, 1: 95.0}, "long_target": {0: 108.0, 1: 104.0}}
    series = bars(QUIET, QUIET, (101.0, 105.0, 100.0, 104.0), (104.0, 110.0, 103.0, 109.0), QUIET)
    run = backtest(series, said(5, long=[0, 1], levels=levels), units(max_entries=2), FREE)
    assert [(int(one["exit_bar"]), float(one["exit_price"])) for one in run.trades] == [(2, 104.0), (3, 108.0)]
    assert run.trades["quantity"].tolist() == [1.0, 1.0]


def test_sizing_by_risk_without_any_stop_is_a_mistake_of_a_person():
    with pytest.raises(BadSettings, match="stop_rate"):
        score(SERIES, said(6, long=[0]), Rules())
    assert score(SERIES, said(6, long=[0]), Rules(stop_rate=0.02)).trades == 1
    half = said(6, long=[0, 3], levels={"long_stop": {3: 98.0}})  # a bar without a stop is no entry
    assert backtest(SERIES, half, Rules(), FREE).trades["entry_bar"].tolist() == [4]


def test_an_entry_that_earns_too_little_for_its_risk_is_left_out_as_live():
    least = float(RiskPolicy().min_reward_risk)
    for target, entered in ((102.9, 0), (103.0, 1), (104.0, 1)):  # the stop is 2 away
        signals = said(6, long=[0], levels={"long_stop": {0: 98.0}, "long_target": {0: target}})
        assert score(SERIES, signals, Rules(min_reward_risk=least)).trades == entered
    ladder = Rules(min_reward_risk=least, targets=(TargetRule(1.0, 0.5), TargetRule(1.9, 0.5)))
    assert score(SERIES, STOPPED, ladder).trades == 0  # 1.45 on average
    assert score(SERIES, STOPPED, replace(ladder, targets=(TargetRule(3.0, 0.5),))).trades > 0
    assert score(SERIES, STOPPED, Rules(min_reward_risk=least)).trades == 1  # no target: nothing to weigh


def test_nothing_is_entered_with_what_is_not_there():
    series = bars(QUIET, (100.0, 101.0, 1.0, 2.0), QUIET, QUIET)
    rules = Rules(sizing=Sizing.EQUITY, size=1.0, leverage=1, max_notional=float("inf"), equity=1000.0)
    run = backtest(series, said(4, long=[0]), rules, FREE)
    assert run.equity.min() > 0
    chart = Rules(intrabar=Intrabar.CHART)  # a stop on the wrong side leaves no distance to size by
    assert _quantity(chart, said(6, long=[0], levels={"long_stop": {0: 101.0}})) == 0.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"equity": 0.0}, "equity"),
        ({"size": -1.0}, "size"),
        ({"size": float("nan")}, "size"),
        ({"leverage": 0}, "leverage"),
        ({"stop_rate": 1.0}, "stop_rate"),
        ({"trailing_rate": 0.0}, "trailing_rate"),
        ({"max_entries": 0}, "max_entries"),
        ({"longs": False, "shorts": False}, "neither"),
    ],
)
def test_rules_that_make_no_sense_are_named(changes, named):
    with pytest.raises(BadSettings, match=named):
        backtest(SERIES, STOPPED, Rules(**changes))


def test_costs_and_signals_that_make_no_sense_are_named():
    with pytest.raises(BadSettings, match="slippage_rate"):
        backtest(SERIES, STOPPED, Rules(), Costs(slippage_rate=-0.1))
    with pytest.raises(BadSettings, match="4 bars of signals for 6"):
        backtest(SERIES, said(4, long=[0]), Rules())
    with pytest.raises(BadSettings, match="warm-up"):
        backtest(SERIES, said(6, long=[0], warm_up=-1), Rules())
