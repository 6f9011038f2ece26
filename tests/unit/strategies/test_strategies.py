"""What holds for every strategy that ships: it sees no future, says nothing too early, and trades at a sane rate."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from app.backtest.engine import backtest, score
from app.domain.errors import BadSettings
from app.history import synthetic
from app.strategies import evaluate as evaluating
from app.strategies import ta
from app.strategies.evaluate import KERNELS, Cache
from app.strategies.expressions import Condition, close, high, hlc3, latch, low
from app.strategies.registry import SHIPPED, definition, definitions
from app.strategies.signals import FLAGS, LEVELS
from tests.unit.strategies.markets import COLUMNS, MARKET, changed, series, valued

ALL = list(definitions().values())
each = pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
CACHE = Cache()
CUTS = (700, 1333, 2000)
UP = ta.crossover(close, ta.sma(close, 10))
FEATURES = {
    "sma": ta.sma(close, 12),
    "ema": ta.ema(close, 12),
    "rma": ta.rma(close, 12),
    "stdev": ta.stdev(close, 12),
    "highest": ta.highest(high, 12),
    "lowest": ta.lowest(low, 12),
    "rsi": ta.rsi(close, 12),
    "cci": ta.cci(hlc3, 12),
    "stoch": ta.stoch(close, high, low, 12),
    "tr": ta.tr(),
    "atr": ta.atr(12),
    "supertrend": ta.supertrend(2.0, 12).line,
    "crossover": UP,
    "crossunder": ta.crossunder(close, ta.ema(close, 10)),
    "pivothigh": ta.pivothigh(high, 4, 3),
    "pivotlow": ta.pivotlow(low, 4, 3),
    "valuewhen": ta.valuewhen(UP, close, 2),
    "barssince": ta.barssince(UP),
    "latch": latch(UP, ta.crossunder(close, ta.sma(close, 10))),
    "history": close[7],
    "macd": ta.macd(close, 5, 9, 3).histogram,
}


def other_future(cut: int):
    """The same market up to bar `cut`, and a wild one from there on."""
    end = len(MARKET) - cut
    middle = MARKET.close[cut] * np.exp(np.cumsum(np.random.default_rng(cut).normal(0, 0.05, end)))
    return changed(MARKET, cut, open=middle, close=middle * 1.01, high=middle * 1.05, low=middle * 0.95)


@cache
def futures(cut: int):
    return MARKET[:cut], other_future(cut)


def right_after(events) -> set[int]:
    """CUTS, and where the future begins right after something was said: there a look one bar ahead shows."""
    said = np.flatnonzero(events[:-1]) + 1
    return {*CUTS, *said[:: max(len(said) // 5, 1)].tolist()}


def from_the_future(one, cache):
    """Signals and levels of the past that change when the future is cut off or replaced."""
    whole = one.signals(MARKET, cache=cache)
    assert any(getattr(whole, flag)[: CUTS[-1]].any() for flag in FLAGS)
    changes = set()
    for cut in set().union(*(right_after(getattr(whole, flag)) for flag in FLAGS)):
        for market in futures(cut):
            found = one.signals(market, cache=cache)
            for name in (*FLAGS, *LEVELS):
                if not np.array_equal(getattr(found, name)[:cut], getattr(whole, name)[:cut], equal_nan=True):
                    changes.add(name)
    return changes


@each
def test_no_signal_knows_the_future(one):
    assert not from_the_future(one, CACHE)


@each
def test_a_strategy_that_looks_one_bar_ahead_is_noticed(one, monkeypatch):
    """The test above can fail: here each strategy reads the next bar's close as this one's."""
    column = evaluating._column

    def ahead(series, name):
        return np.append(column(series, name)[1:], np.nan) if name == "close" else column(series, name)

    monkeypatch.setattr(evaluating, "_column", ahead)
    changes = from_the_future(one, Cache())
    assert changes & set(LEVELS)
    assert changes & set(FLAGS)


def knows_the_future(name):
    whole = valued(FEATURES[name])
    assert len(np.unique(whole[: CUTS[0]])) > 1
    return any(
        not np.array_equal(valued(FEATURES[name], market)[:cut], whole[:cut], equal_nan=True)
        for cut in right_after(whole if whole.dtype == bool else np.isfinite(whole))
        for market in futures(cut)
    )


@pytest.mark.parametrize("name", FEATURES)
def test_no_feature_knows_the_future(name):
    assert not knows_the_future(name)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_a_kernel_that_looks_one_bar_ahead_is_noticed(name, monkeypatch):
    kernel = KERNELS[name]

    def ahead(*args):
        found = kernel(*args)
        parts = found if isinstance(found, tuple) else (found,)
        shifted = tuple(np.append(part[1:], part[-1:]) for part in parts)
        return shifted if isinstance(found, tuple) else shifted[0]

    monkeypatch.setitem(KERNELS, name, ahead)
    assert knows_the_future(name)


def test_every_function_is_among_the_features():
    assert set(KERNELS) <= set(FEATURES)


def test_the_other_future_is_another_one():
    """The test above would pass for a market that did not change."""
    for cut in CUTS:
        wild = futures(cut)[1]
        assert (valued(ta.ema(close, 12), wild)[cut:] != valued(ta.ema(close, 12))[cut:]).all()


@each
def test_nothing_is_said_before_the_warm_up_and_something_after(one):
    found = one.signals(MARKET, cache=CACHE)
    assert found.warm_up == one.warm_up() > 0
    for flag in FLAGS:
        assert not getattr(found, flag)[: found.warm_up].any()
    entries = found.enter_long | found.enter_short
    assert entries.any()
    for level in ("long_stop", "short_stop"):
        assert np.isfinite(getattr(found, level)[entries]).all()


@each
def test_after_the_warm_up_it_does_not_matter_where_the_history_began(one):
    """From other starts the same signals come, but for what a latch or a band may still remember."""
    whole = one.signals(MARKET, cache=CACHE)
    for start in (137, 500):
        found = one.signals(MARKET[start:], cache=CACHE)
        rest = slice(found.warm_up, None)
        for flag in ("enter_long", "enter_short"):
            apart = getattr(found, flag)[rest] != getattr(whole, flag)[start:][rest]
            assert apart.sum() <= 1, flag


@each
def test_flags_of_one_bar_agree(one):
    found = one.signals(MARKET, cache=CACHE)
    assert not (found.enter_long & found.enter_short).any()
    assert not ((found.enter_long | found.enter_short) & (found.exit_long | found.exit_short)).any()


@each
def test_levels_lie_on_the_right_side(one):
    found = one.signals(MARKET, cache=CACHE)
    assert (found.long_stop[found.enter_long] < MARKET.close[found.enter_long]).all()
    assert (found.short_stop[found.enter_short] > MARKET.close[found.enter_short]).all()
    for target, side, sign in (("long_target", "enter_long", 1), ("short_target", "enter_short", -1)):
        levels = getattr(found, target)[getattr(found, side)]
        beyond = sign * (levels - MARKET.close[getattr(found, side)])
        assert (beyond[np.isfinite(levels)] > 0).all()


@each
def test_it_trades_both_sides_at_a_sane_rate(one):
    year = synthetic("BTCUSDT", "1h", 8760, seed=3, start=datetime(2023, 1, 1, tzinfo=UTC))
    found = one.signals(year)
    trades, held = {1: 0, -1: 0}, 0
    for bar in range(len(year)):
        wanted = 1 if found.enter_long[bar] else -1 if found.enter_short[bar] else 0
        if wanted and wanted != held:
            held = wanted
            trades[held] += 1
        elif (held > 0 and found.exit_long[bar]) or (held < 0 and found.exit_short[bar]):
            held = 0
    assert min(trades.values()) >= 5
    assert 20 <= sum(trades.values()) <= 400


@each
@pytest.mark.parametrize("bars", [0, 1, 2, 30])
def test_a_short_history_gives_no_signals(one, bars):
    found = one.signals(MARKET[:bars])
    assert len(found) == bars
    assert not any(getattr(found, flag).any() for flag in FLAGS)


@each
def test_candles_without_values_give_no_signals_and_no_errors(one):
    nothing = series(close=[np.nan] * 700)
    found = one.signals(nothing)
    assert not any(getattr(found, flag).any() for flag in FLAGS)
    gap = changed(MARKET, 900, **dict.fromkeys(("open", "high", "low", "close", "volume"), np.nan))
    after = one.signals(gap)
    assert not any(getattr(after, flag)[905:].any() for flag in ("enter_long", "enter_short"))


@each
def test_a_hole_in_the_candles_is_survived(one):
    """Bars without values say nothing; behind them, once what they spoiled is forgotten, everything is as before."""
    hole = {name: getattr(MARKET, name)[1000:].copy() for name in COLUMNS}
    for values in hole.values():
        values[:5] = np.nan
    found, whole = one.signals(changed(MARKET, 1000, **hole)), one.signals(MARKET, cache=CACHE)
    for flag in FLAGS:
        assert not getattr(found, flag)[1000:1005].any()
    entries = found.enter_long | found.enter_short
    assert entries[1000:].any()
    stops = np.where(found.enter_long, found.long_stop, found.short_stop)
    assert np.isfinite(stops[entries]).all()
    for flag in ("enter_long", "enter_short"):
        apart = getattr(found, flag)[1800:] != getattr(whole, flag)[1800:]
        assert apart.sum() <= 1


@each
def test_candles_without_volume_are_traded_as_others(one):
    """None of them asks how much was traded: venues count it differently."""
    found, whole = one.signals(changed(MARKET, 0, volume=0.0)), one.signals(MARKET, cache=CACHE)
    for flag in FLAGS:
        np.testing.assert_array_equal(getattr(found, flag), getattr(whole, flag))


@each
def test_a_market_that_does_not_move_gives_no_entries(one):
    found = one.signals(series(close=[100.0] * 900))
    assert not (found.enter_long | found.enter_short).any()


@each
def test_every_corner_of_the_parameters_can_be_evaluated(one):
    for corner in ("low", "high"):
        params = {each.name: getattr(each, corner) for each in one.parameters}
        found = one.signals(MARKET, params, CACHE)
        assert found.warm_up == one.warm_up(params)


@each
def test_every_parameter_is_explained_and_matters(one):
    base = one.pine()
    assert one.about.count(".") >= 3
    assert "lose" in one.about
    assert "Source:" in one.about
    for parameter in one.parameters:
        assert parameter.unit
        assert parameter.about
        assert base.count(parameter.name) >= 2


@each
def test_what_is_drawn_is_as_long_as_the_market(one):
    drawn = {**one.plots(MARKET, cache=CACHE), **one.oscillators(MARKET, cache=CACHE)}
    assert drawn
    for line in drawn.values():
        assert len(line) == len(MARKET)
        assert np.isfinite(line[one.warm_up() :]).all()


def test_the_combiner_follows_its_quorum():
    combiner = definition("combiner")
    votes = combiner.oscillators(MARKET)["Votes"]
    found = combiner.signals(MARKET, {"quorum": 4})
    entries = np.flatnonzero(found.enter_long)
    assert len(entries)
    assert (votes[entries] >= 4).all()
    assert (votes[entries - 1] < 4).all()
    alone = dict.fromkeys(set(SHIPPED) - {"combiner"}, 0) | {"ema_cross": 1, "quorum": 1}
    follower, leader = combiner.signals(MARKET, alone), definition("ema_cross").signals(MARKET)
    rest = slice(combiner.warm_up(), None)
    np.testing.assert_array_equal(follower.enter_long[rest], leader.enter_long[rest])


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e5])
def test_a_close_on_the_very_line_has_not_crossed_it(unit):
    """The running sum's last bits depend on where the history began; what the strategy says does not, at any price."""
    for noise in (-1e-14, 0.0, 1e-14):
        closes = unit * np.array([1.1, 1.3, 1.2, 1.4, 1.7] * 60)
        closes[-1] = closes[-5:-1].mean() * (1 + noise)  # which makes the mean of five that same price
        bars = series(close=closes, high=closes * 1.01, low=closes * 0.99)
        found = definition("bollinger").signals(bars, {"length": 5, "trend_length": 20})
        assert found.exit_short[:-1].any()
        assert not (found.exit_long | found.exit_short)[-1]


def test_a_faster_average_that_is_slower_never_trades():
    found = definition("ema_cross").signals(MARKET, {"fast": 60, "slow": 30})
    assert not (found.enter_long | found.enter_short).any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"atr_perod": 10}, r"no parameter 'atr_perod'; did you mean atr_period\?"),
        ({"zzz": 1}, "there are atr_period, factor"),
        ({"atr_period": 1}, r"atr_period lies between 2 and 50 \(bars\), not 1"),
        ({"atr_period": 10.5}, "whole number"),
        ({"factor": "3"}, "has to be a number, not '3'"),
        ({"factor": True}, "has to be a number, not True"),
        ({"factor": float("nan")}, "has to be a number"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(params, message):
    with pytest.raises(BadSettings, match=message):
        definition("supertrend").signals(MARKET, params)


def test_parameters_that_fit_become_their_own_type():
    values = definition("supertrend").check({"atr_period": 12.0, "factor": 2})
    assert values == {"atr_period": 12, "factor": 2.0, "stop_atr": 4.0, "target_atr": 12.0}
    assert isinstance(values["atr_period"], int)
    assert isinstance(values["factor"], float)


def test_a_condition_alone_is_no_number():
    assert isinstance(UP, Condition)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_scored_is_what_is_said(name):
    """Levels on the bars of entries only: the same figures, without arithmetic on bars nobody enters."""
    found, cache = definition(name), Cache()
    said, scored = found.signals(MARKET, {}, cache), found.signals_to_score(MARKET, {}, cache)
    entries = np.flatnonzero(said.enter_long | said.enter_short)
    assert np.array_equal(scored.level_bars, entries)
    assert len(entries) > 5
    for flag in FLAGS:
        assert np.array_equal(getattr(said, flag), getattr(scored, flag))
    for level in LEVELS:
        assert np.array_equal(getattr(said, level)[entries], getattr(scored, level), equal_nan=True)
    assert score(MARKET, said) == score(MARKET, scored)
    assert np.array_equal(backtest(MARKET, said).trades, backtest(MARKET, scored).trades)
