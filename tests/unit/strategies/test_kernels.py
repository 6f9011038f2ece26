"""Indicators by Pine's definitions: values by hand, plain Python, and TA-Lib once its own start is forgotten."""

import math
from statistics import fmean, pstdev

import numpy as np
import pytest
import talib

from app.strategies import ta
from app.strategies.expressions import close, high, hlc3, low, open_, volume
from tests.unit.strategies.markets import MARKET, series, valued

NAN = math.nan
H, L, C = MARKET.high, MARKET.low, MARKET.close


def listed(array) -> list:
    return [None if math.isnan(value) else round(float(value), 10) for value in array]


def test_a_simple_average_starts_with_its_first_full_window():
    assert listed(valued(ta.sma(close, 3), series(close=[1, 2, 3, 5]))) == [None, None, 2, round(10 / 3, 10)]


def test_an_exponential_average_starts_from_the_mean():
    assert listed(valued(ta.ema(close, 3), series(close=[1, 2, 3, 6, 10]))) == [None, None, 2, 4, 7]


def test_wilders_average_starts_from_the_mean_and_moves_by_one_part_in_length():
    assert listed(valued(ta.rma(close, 3), series(close=[1, 2, 3, 5, 9]))) == [None, None, 2, 3, 5]


def test_averages_skip_bars_without_a_value():
    gap = series(close=[1, 2, NAN, 3, 6])
    assert listed(valued(ta.sma(close, 3), gap)) == [None, None, None, 2, round(11 / 3, 10)]
    assert listed(valued(ta.ema(close, 3), gap)) == [None, None, None, 2, 4]


def test_a_window_of_extremes_begins_anew_behind_a_gap():
    gap = series(close=[9, 8, NAN, 3, 2, 5])
    assert listed(valued(ta.highest(close, 3), gap)) == [None, None, None, 3, 3, 5]
    assert listed(valued(ta.lowest(close, 3), gap)) == [None, None, None, 3, 2, 2]


def test_the_sum_behind_an_average_does_not_drift():
    values = np.random.default_rng(1).normal(1e6, 5e5, 40_000)
    got = valued(ta.sma(close, 50), series(close=values))
    assert got[-1] == pytest.approx(math.fsum(values[-50:]) / 50, rel=1e-15)


def test_stdev_is_of_the_population():
    got = valued(ta.stdev(close, 4), series(close=[2, 4, 4, 6, 9]))
    assert got[3:] == pytest.approx([pstdev([2, 4, 4, 6]), pstdev([4, 4, 6, 9])])


def test_rsi_starts_after_as_many_changes_as_its_length():
    # gains 2, 0, 3; losses 0, 1, 0; first averages 1 and 0.5, then (1 + 3) / 2 and (0.5 + 0) / 2
    got = valued(ta.rsi(close, 2), series(close=[10, 12, 11, 14]))
    assert listed(got) == [None, None, round(100 - 100 / 3, 10), round(100 - 100 / 9, 10)]


@pytest.mark.parametrize(("closes", "expected"), [([1, 2, 3, 4], 100), ([4, 3, 2, 1], 0), ([5, 5, 5, 5], 100)])
def test_rsi_of_a_one_sided_market(closes, expected):
    assert valued(ta.rsi(close, 2), series(close=closes))[-1] == expected


def test_the_first_bar_has_no_true_range_but_counts_in_the_average():
    bars = series(high=[12, 15, 14], low=[10, 13, 9], close=[11, 14, 10])
    assert listed(valued(ta.tr(), bars)) == [None, 4, 5]  # 15 - 11 over the gap, then 14 - 9
    assert listed(valued(ta.atr(2), bars)) == [None, 3, 4]  # (2 + 4) / 2, then (3 + 5) / 2


def test_cci_measures_mean_absolute_deviations():
    values = [10, 12, 17]
    deviation = fmean(abs(value - 13) for value in values)
    got = valued(ta.cci(close, 3), series(close=values))
    assert got[2] == pytest.approx((17 - 13) / (0.015 * deviation))
    assert math.isnan(valued(ta.cci(close, 3), series(close=[7, 7, 7]))[2])


def test_stochastic_stands_between_low_and_high_and_needs_a_range():
    bars = series(high=[12, 14, 13], low=[8, 9, 10], close=[9, 10, 11])
    assert listed(valued(ta.stoch(close, high, low, 3), bars)) == [None, None, 50]
    assert math.isnan(valued(ta.stoch(close, high, low, 2), series(close=[3, 3]))[1])


def test_supertrend_by_its_definition():
    """Pine's reference code for ta.supertrend, bar by bar."""
    factor, length = 2.0, 7
    atr = valued(ta.atr(length))
    line, direction, lower, upper = [], [], NAN, NAN
    for i in range(len(C)):
        middle = (H[i] + L[i]) / 2
        low_band, high_band = middle - factor * atr[i], middle + factor * atr[i]
        if not (low_band > lower or (i and C[i - 1] < lower) or math.isnan(lower)):
            low_band = lower
        if not (high_band < upper or (i and C[i - 1] > upper) or math.isnan(upper)):
            high_band = upper
        if i == 0 or math.isnan(atr[i - 1]):
            now = 1
        elif line[-1] == upper:
            now = -1 if C[i] > high_band else 1
        else:
            now = 1 if C[i] < low_band else -1
        lower, upper = low_band, high_band
        direction.append(now)
        line.append(low_band if now < 0 else high_band)
    got = ta.supertrend(factor, length)
    np.testing.assert_allclose(valued(got.line), line, rtol=1e-12)
    assert valued(got.direction).tolist() == direction
    assert {-1.0, 1.0} == set(direction)


def test_crosses_compare_with_the_last_bar_on_which_both_were_there():
    left = series(close=[1, 3, NAN, 1, NAN, 3, 2], open=[2, 2, 2, 2, 2, 2, 2])
    assert valued(ta.crossover(close, open_), left).tolist() == [False, True, False, False, False, True, False]
    assert valued(ta.crossunder(close, open_), left).tolist() == [False, False, False, True, False, False, False]


def test_crosses_are_exact_and_leave_from_equality():
    bars = series(close=[2, 2, 2 + 5e-11, 2, 3], open=[2, 2, 2, 2, 2])
    assert valued(ta.crossover(close, open_), bars).tolist() == [False, False, True, False, True]


def test_a_cross_needs_a_bar_before():
    late = series(close=[NAN, NAN, 5, 1, 5], open=[2] * 5)
    assert valued(ta.crossover(close, open_), late).tolist() == [False, False, False, False, True]


def test_a_pivot_is_told_when_it_is_certain_and_of_equal_peaks_the_last_counts():
    bars = series(close=[1, 3, 2, 1, 4, 4, 2, 1])
    assert listed(valued(ta.pivothigh(close, 1, 2), bars)) == [None, None, None, 3, None, None, None, 4]
    troughs = series(close=[3, 1, 2, 3, 3])
    assert listed(valued(ta.pivotlow(close, 1, 1), troughs)) == [None, None, 1, None, None]


def test_memory_of_conditions():
    bars = series(close=[5, 1, 6, 2, 7])
    up = close > 4
    assert listed(valued(ta.valuewhen(up, close, 0), bars)) == [5, 5, 6, 6, 7]
    assert listed(valued(ta.valuewhen(up, close, 1), bars)) == [None, None, 5, 5, 6]
    assert listed(valued(ta.barssince(close < 2), bars)) == [None, 0, 1, 2, 3]


# The first bar from which TA-Lib agrees, and how closely. docs/concepts/indicators.md has this table.
ORACLE = [
    ("sma", lambda: ta.sma(close, 20), lambda: talib.SMA(C, 20), 19, 1e-12),
    ("ema", lambda: ta.ema(close, 20), lambda: talib.EMA(C, 20), 19, 1e-12),
    ("rsi", lambda: ta.rsi(close, 14), lambda: talib.RSI(C, 14), 14, 1e-10),
    ("atr", lambda: ta.atr(14), lambda: talib.ATR(H, L, C, 14), 116, 1e-3),
    ("atr later", lambda: ta.atr(14), lambda: talib.ATR(H, L, C, 14), 420, 1e-12),
    ("tr", ta.tr, lambda: talib.TRANGE(H, L, C), 1, 1e-12),
    ("stdev", lambda: ta.stdev(close, 20), lambda: talib.STDDEV(C, 20), 19, 1e-6),
    ("highest", lambda: ta.highest(high, 20), lambda: talib.MAX(H, 20), 19, 0),
    ("lowest", lambda: ta.lowest(low, 20), lambda: talib.MIN(L, 20), 19, 0),
    ("cci", lambda: ta.cci(hlc3, 20), lambda: talib.CCI(H, L, C, 20), 19, 1e-8),
    ("stoch", lambda: ta.stoch(close, high, low, 14), lambda: talib.STOCHF(H, L, C, 14, 1)[0], 13, 1e-12),
    ("volume average", lambda: ta.sma(volume, 30), lambda: talib.SMA(MARKET.volume, 30), 29, 1e-12),
]


@pytest.mark.parametrize(("name", "ours", "theirs", "start", "tolerance"), ORACLE, ids=[row[0] for row in ORACLE])
def test_talib_agrees_once_its_start_is_forgotten(name, ours, theirs, start, tolerance):
    mine, other = valued(ours())[start:], theirs()[start:]
    np.testing.assert_allclose(mine, other, rtol=tolerance, atol=1e-7 if name == "cci" else 0)


def test_talibs_macd_agrees_after_its_averages_are_forgotten():
    """TA-Lib starts both averages at the slow one's first bar; Pine starts each at its own."""
    mine, other = ta.macd(close, 12, 26, 9), talib.MACD(C, 12, 26, 9)
    for ours, theirs in zip(mine, other, strict=True):
        np.testing.assert_allclose(valued(ours)[300:], theirs[300:], rtol=0, atol=1e-7)


def test_bands_and_middle_are_combinations():
    middle, upper, lower = ta.bb(close, 20, 2.0)
    theirs = talib.BBANDS(C, 20, 2.0, 2.0)
    for ours, other in zip((upper, middle, lower), theirs, strict=True):
        np.testing.assert_allclose(valued(ours)[19:], other[19:], rtol=1e-9)
    np.testing.assert_allclose(valued(ta.donchian(20))[19:], talib.MIDPRICE(H, L, 20)[19:])
