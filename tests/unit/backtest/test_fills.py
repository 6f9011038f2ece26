"""When a position is entered and left, and at what price: bars drawn by hand, prices worked out by hand."""

import numpy as np
import pytest

from app.backtest.engine import backtest
from app.backtest.model import Costs, ExitReason, Intrabar, TargetRule
from tests.unit.backtest.markets import FREE, QUIET, bars, said, units

UP = (100.0, 112.0, 99.5, 111.0)


def _rows(run):
    names = ("entry_bar", "exit_bar", "side", "exit_price", "reason")
    return [(*(one[name].item() for name in names[:-1]), ExitReason(one["reason"])) for one in run.trades]


def _only(run):
    (row,) = _rows(run)
    return row[1], row[3], row[4]


def test_a_signal_is_filled_at_the_next_open_with_slippage_and_fees():
    series = bars(QUIET, (102.0, 103.0, 101.0, 102.5), (104.0, 105.0, 103.0, 104.5))
    costs = Costs(taker_fee_rate=0.001, maker_fee_rate=0.0, slippage_rate=0.01)
    run = backtest(series, said(3, long=[0], leave_long=[1]), units(), costs)
    (trade,) = run.trades
    entry, out = 102.0 * 1.01, 104.0 * 0.99
    assert (trade["entry_bar"], trade["exit_bar"], trade["reason"]) == (1, 2, ExitReason.SIGNAL)
    assert trade["entry_price"] == pytest.approx(entry)
    assert trade["exit_price"] == pytest.approx(out)
    assert trade["fees"] == pytest.approx((entry + out) * 0.001)
    assert trade["pnl"] == pytest.approx(out - entry - (entry + out) * 0.001)
    assert run.equity.tolist() == pytest.approx([1e6, 1e6 + 102.5 - entry - entry * 0.001, 1e6 + trade["pnl"]])
    assert run.exposure.tolist() == [0.0, 102.5, 0.0]


def test_what_is_said_on_the_last_bar_or_before_the_warm_up_is_not_acted_upon():
    series = bars(*[QUIET] * 5)
    assert not len(backtest(series, said(5, long=[4]), units(), FREE).trades)
    assert not len(backtest(series, said(5, long=[1], warm_up=2), units(), FREE).trades)
    assert _rows(backtest(series, said(5, long=[2], warm_up=2), units(), FREE))[0][0] == 3


def test_a_reversal_closes_and_opens_at_one_open():
    series = bars(QUIET, QUIET, (98.0, 99.0, 97.0, 98.0), (90.0, 91.0, 89.0, 90.5))
    run = backtest(series, said(4, long=[0], short=[1]), units(), FREE)
    assert _rows(run) == [(1, 2, 1, 98.0, ExitReason.REVERSAL), (2, 3, -1, 90.5, ExitReason.END)]
    assert run.trades["pnl"].tolist() == [-2.0, 7.5]


def test_a_side_that_is_left_out_still_closes_the_other():
    series = bars(QUIET, QUIET, QUIET, QUIET)
    run = backtest(series, said(4, long=[0], short=[1]), units(shorts=False), FREE)
    assert _rows(run) == [(1, 2, 1, 100.0, ExitReason.REVERSAL)]
    run = backtest(series, said(4, short=[0], long=[1]), units(longs=False), FREE)
    assert _rows(run) == [(1, 2, -1, 100.0, ExitReason.REVERSAL)]


def test_both_sides_at_once_enter_nothing():
    series = bars(*[QUIET] * 4)
    assert not len(backtest(series, said(4, long=[0, 1], short=[0, 1]), units(), FREE).trades)
    run = backtest(series, said(4, long=[0, 1], short=[1]), units(), FREE)
    assert _rows(run) == [(1, 3, 1, 100.0, ExitReason.END)]


def test_an_exit_means_the_position_that_is_held():
    series = bars(*[QUIET] * 5)
    run = backtest(series, said(5, long=[1], leave_long=[0, 1]), units(), FREE)  # nothing held yet: the entry stands
    assert _rows(run) == [(2, 4, 1, 100.0, ExitReason.END)]
    run = backtest(series, said(5, long=[0, 2], leave_long=[2]), units(), FREE)  # held: the exit wins
    assert _rows(run) == [(1, 3, 1, 100.0, ExitReason.SIGNAL)]
    run = backtest(series, said(5, long=[0], leave_short=[1]), units(), FREE)
    assert _rows(run) == [(1, 4, 1, 100.0, ExitReason.END)]


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_works_from_the_entry_bar_on(side):
    entry_bar = (100.0, 106.0, 94.0, 100.0)
    series = bars(QUIET, entry_bar, QUIET)
    level = 100.0 - side * 5.0
    name = "long" if side > 0 else "short"
    run = backtest(series, said(3, **{name: [0]}, levels={f"{name}_stop": {0: level}}), units(), FREE)
    assert _rows(run) == [(1, 1, side, level, ExitReason.STOP)]


@pytest.mark.parametrize("intrabar", Intrabar)
def test_a_stop_that_is_jumped_over_fills_at_the_open(intrabar):
    series = bars(QUIET, QUIET, (90.0, 99.0, 89.0, 98.0), QUIET)
    signals = said(4, long=[0], levels={"long_stop": {0: 95.0}})
    costs = Costs(0.0, 0.0, slippage_rate=0.01)
    run = backtest(series, signals, units(intrabar=intrabar), costs)
    assert _only(run) == (2, pytest.approx(90.0 * 0.99), ExitReason.STOP)


def test_a_stop_fills_at_its_level_with_slippage_even_below_the_bar():
    series = bars(QUIET, (100.0, 101.0, 95.0, 96.0), QUIET)
    run = backtest(series, said(3, long=[0], levels={"long_stop": {0: 95.0}}), units(), Costs(0.0, 0.0, 0.01))
    assert _only(run) == (1, pytest.approx(95.0 * 0.99), ExitReason.STOP)


def test_a_target_that_is_jumped_over_pays_its_own_price_and_on_a_chart_the_open():
    series = bars(QUIET, QUIET, (115.0, 116.0, 114.0, 115.0), QUIET)
    signals = said(4, long=[0], levels={"long_target": {0: 110.0}})
    assert _only(backtest(series, signals, units(), FREE)) == (2, 110.0, ExitReason.TARGET)
    assert _only(backtest(series, signals, units(intrabar=Intrabar.CHART), FREE)) == (2, 115.0, ExitReason.TARGET)


def test_a_target_is_as_live_a_market_order_or_rests_in_the_book():
    series = bars(QUIET, UP, QUIET)
    signals = said(3, long=[0], levels={"long_target": {0: 110.0}})
    (resting,) = backtest(series, signals, units(), Costs(0.001, 0.0004, 0.01, market_targets=False)).trades
    assert (resting["exit_price"], resting["fees"]) == (110.0, pytest.approx(101.0 * 0.001 + 110.0 * 0.0004))
    (market,) = backtest(series, signals, units(), Costs(0.001, 0.0004, 0.01)).trades
    assert market["exit_price"] == pytest.approx(110.0 * 0.99)
    assert market["fees"] == pytest.approx((101.0 + 110.0 * 0.99) * 0.001)


@pytest.mark.parametrize(
    ("candle", "pessimistic", "chart"),
    [
        ((100.0, 111.0, 89.0, 100.0), ExitReason.STOP, ExitReason.STOP),  # as near: the low first
        ((100.0, 110.5, 89.0, 100.0), ExitReason.STOP, ExitReason.TARGET),  # the high is nearer to the open
        ((100.0, 112.0, 89.5, 100.0), ExitReason.STOP, ExitReason.STOP),
    ],
)
def test_stop_and_target_in_one_bar(candle, pessimistic, chart):
    series = bars(QUIET, candle, QUIET)
    signals = said(3, long=[0], levels={"long_stop": {0: 90.0}, "long_target": {0: 110.0}})
    assert _only(backtest(series, signals, units(), FREE))[2] is pessimistic
    assert _only(backtest(series, signals, units(intrabar=Intrabar.CHART), FREE))[2] is chart


def test_for_a_short_the_high_is_the_adverse_extreme():
    series = bars(QUIET, (100.0, 111.0, 89.5, 100.0), QUIET)
    signals = said(3, short=[0], levels={"short_stop": {0: 110.0}, "short_target": {0: 90.0}})
    assert _only(backtest(series, signals, units(), FREE)) == (1, 110.0, ExitReason.STOP)
    assert _only(backtest(series, signals, units(intrabar=Intrabar.CHART), FREE)) == (1, 90.0, ExitReason.TARGET)


def test_a_signal_goes_before_a_stop_the_open_has_passed():
    series = bars(QUIET, QUIET, (90.0, 91.0, 89.0, 90.0), QUIET)
    signals = said(4, long=[0], leave_long=[1], levels={"long_stop": {0: 95.0}})
    assert _only(backtest(series, signals, units(), FREE)) == (2, 90.0, ExitReason.SIGNAL)


@pytest.mark.parametrize("levels", [{"long_stop": {0: 100.0}}, {"long_stop": {0: 103.0}}, {"long_target": {0: 100.0}}])
def test_a_level_the_open_has_passed_refuses_the_entry_and_on_a_chart_leaves_at_once(levels):
    series = bars(QUIET, QUIET, QUIET)
    signals = said(3, long=[0], levels=levels)
    assert not len(backtest(series, signals, units(), FREE).trades)
    assert _rows(backtest(series, signals, units(intrabar=Intrabar.CHART), FREE))[0][:4] == (1, 1, 1, 100.0)


def test_levels_are_those_of_the_signal_bar_and_rates_those_of_the_fill():
    series = bars(QUIET, QUIET, (100.0, 100.0, 96.5, 97.0), QUIET)
    moved = said(4, long=[0], levels={"long_stop": {0: 95.0, 1: 99.0, 2: 99.0}})
    assert _only(backtest(series, moved, units(), FREE))[2] is ExitReason.END
    run = backtest(series, said(4, long=[0]), units(stop_rate=0.03), Costs(0.0, 0.0, 0.005))
    assert _only(run) == (2, pytest.approx(100.0 * 1.005 * 0.97 * 0.995), ExitReason.STOP)
    both = said(4, long=[0], levels={"long_stop": {0: 90.0}})  # the signal's own level wins over the rate
    assert _only(backtest(series, both, units(stop_rate=0.03), FREE))[2] is ExitReason.END


def test_targets_made_from_the_stop_close_their_shares_one_by_one():
    series = bars(QUIET, (100.0, 107.0, 99.0, 106.0), (106.0, 112.0, 101.0, 102.0), (102.0, 103.0, 94.0, 95.0), QUIET)
    rules = units(3.0, targets=(TargetRule(2.0, 0.5), TargetRule(1.0, 0.25)))
    run = backtest(series, said(5, long=[0], levels={"long_stop": {0: 95.0}}), rules, FREE)
    assert _rows(run) == [
        (1, 1, 1, 105.0, ExitReason.TARGET),
        (1, 2, 1, 110.0, ExitReason.TARGET),
        (1, 3, 1, 95.0, ExitReason.STOP),
    ]
    assert run.trades["quantity"].tolist() == [0.75, 1.5, 0.75]
    assert run.trades["pnl"].tolist() == pytest.approx([3.75, 15.0, -3.75])


def test_shares_are_floored_to_the_step_and_the_last_takes_the_rest():
    series = bars(QUIET, (100.0, 131.0, 99.0, 130.0), QUIET)
    rules = units(0.005, targets=(TargetRule(1.0, 0.5), TargetRule(2.0, 0.5)), quantity_step=0.001)
    run = backtest(series, said(3, long=[0], levels={"long_stop": {0: 90.0}}), rules, FREE)
    assert run.trades["quantity"].tolist() == pytest.approx([0.002, 0.003])
    assert run.trades["exit_price"].tolist() == [110.0, 120.0]


def test_in_one_bar_a_stop_takes_all_before_any_target_takes_a_part():
    series = bars(QUIET, (100.0, 131.0, 89.0, 130.0), QUIET)
    rules = units(1.0, targets=(TargetRule(1.0, 0.5), TargetRule(2.0, 0.5)))
    run = backtest(series, said(3, long=[0], levels={"long_stop": {0: 90.0}}), rules, FREE)
    assert _rows(run) == [(1, 1, 1, 90.0, ExitReason.STOP)]


def test_a_trailing_stop_follows_closed_bars_only():
    climbs = [(100.0, 110.0, 100.0, 109.0), (109.0, 120.0, 105.0, 107.0)]
    series = bars(QUIET, *climbs, (107.0, 108.0, 100.0, 101.0), QUIET)
    run = backtest(series, said(5, long=[0]), units(trailing_rate=0.1), FREE)
    # drawn at 99 by the second bar, at 108 by the third: the fourth opens below it
    assert _rows(run) == [(1, 3, 1, 107.0, ExitReason.TRAILING)]


def test_on_a_chart_a_trailing_stop_moves_along_the_way():
    series = bars(QUIET, (100.0, 120.0, 99.0, 107.0), QUIET)
    signals = said(3, long=[0])
    assert _only(backtest(series, signals, units(trailing_rate=0.1, intrabar=Intrabar.CHART), FREE)) == (
        1, 108.0, ExitReason.TRAILING,
    )  # fmt: skip
    assert _only(backtest(series, signals, units(trailing_rate=0.1), FREE))[:2] == (2, 100.0)


def test_a_short_trails_from_above():
    series = bars(QUIET, (100.0, 101.0, 80.0, 82.0), (82.0, 90.0, 81.0, 89.0), QUIET)
    run = backtest(series, said(4, short=[0]), units(trailing_rate=0.1), FREE)
    assert _rows(run) == [(1, 2, -1, pytest.approx(88.0), ExitReason.TRAILING)]


def test_the_end_of_the_data_closes_at_the_last_close_and_takes_the_fee():
    series = bars(QUIET, QUIET, (100.0, 105.0, 99.0, 104.0))
    run = backtest(series, said(3, long=[0]), units(), Costs(0.001, 0.0, 0.0))
    assert _only(run) == (2, 104.0, ExitReason.END)
    assert run.equity[-1] == pytest.approx(1e6 + 4.0 - 0.1 - 0.104)


def test_how_far_it_went_for_and_against():
    series = bars(QUIET, (100.0, 108.0, 97.0, 105.0), (105.0, 130.0, 94.0, 110.0), QUIET)
    signals = said(4, long=[0], levels={"long_stop": {0: 95.0}})
    (trade,) = backtest(series, signals, units(2.0), FREE).trades
    assert (trade["best"], trade["worst"]) == (16.0, -10.0)  # the high of the bar that stopped it came after the stop
    (trade,) = backtest(series, said(4, long=[0]), units(2.0), FREE).trades
    assert (trade["best"], trade["worst"]) == (60.0, -12.0)


def test_a_bar_of_one_price_and_a_series_without_bars():
    flat = bars(*[(100.0, 100.0, 100.0, 100.0)] * 3)
    run = backtest(flat, said(3, long=[0], levels={"long_stop": {0: 99.0}}), units(), FREE)
    assert run.trades["pnl"].tolist() == [0.0]
    empty = backtest(bars(), said(0), units(), FREE)
    assert (len(empty.trades), len(empty.equity)) == (0, 0)
    alone = backtest(bars(QUIET), said(1, long=[0], warm_up=5), units(), FREE)
    assert alone.equity.tolist() == [1e6]


def test_arrays_of_any_make_give_the_same_run():
    rng = np.random.default_rng(3)
    series = bars(*[(100 + x, 103 + x, 97 + x, 100 + x) for x in rng.normal(0, 2, 60)])
    plain = said(60, long=range(0, 50, 7), levels={"long_stop": dict.fromkeys(range(0, 50, 7), 96.0)})
    doubled = np.repeat(plain.long_stop, 2)[::2]
    frozen = plain.enter_long.copy()
    frozen.setflags(write=False)
    other = said(60, long=range(0, 50, 7))
    other = type(plain)(
        frozen, np.zeros(60, np.bool_), np.zeros(60, np.bool_), other.exit_short,
        doubled, np.full(60, np.nan), other.long_target, other.short_target, 0,
    )  # fmt: skip
    rules = units(target_rate=0.05)
    assert (backtest(series, plain, rules).trades == backtest(series, other, rules).trades).all()
