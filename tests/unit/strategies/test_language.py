"""The language means what Pine means, and refuses what neither Pine nor arrays can express."""

import math

import numpy as np
import pytest

from app.strategies import ta
from app.strategies.expressions import (
    BadStrategy,
    SignalRules,
    close,
    hl2,
    hlc3,
    latch,
    maximum,
    minimum,
    na,
    number,
    nz,
    ohlc4,
    open_,
    parameter,
    rounded,
    where,
)
from app.strategies.linear import Linear, linear
from tests.unit.strategies.markets import MARKET, series, valued

NAN, INF = math.nan, math.inf
PAIR = series(close=[1, 2, NAN, 2, 2 + 5e-11, INF], open=[2, 2, 2, NAN, 2, 1])


def test_arithmetic_is_bar_by_bar_and_na_spreads():
    got = valued((close + 2 * open_ - 1) / 4)
    assert got == pytest.approx((MARKET.close + 2 * MARKET.open - 1) / 4)
    assert np.isnan(valued(close + open_, PAIR)).tolist() == [False, False, True, True, False, False]
    assert valued(-close, MARKET) == pytest.approx(-MARKET.close)
    assert valued(3 - (1 / close)) == pytest.approx(3 - 1 / MARKET.close)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (close > open_, [False, False, False, False, False, True]),
        (close < open_, [True, False, False, False, False, False]),
        (close >= open_, [False, True, False, False, True, True]),
        (close <= open_, [True, True, False, False, True, False]),
        (close == open_, [False, True, False, False, True, False]),
        (close != open_, [True, False, False, False, False, True]),
        (~(close > open_), [True, True, True, True, True, False]),
        (na(close), [False, False, True, False, False, True]),
    ],
    ids=["gt", "lt", "ge", "le", "eq", "ne", "not gt", "na"],
)
def test_comparisons_have_a_tolerance_and_are_false_with_na(test, expected):
    assert valued(test, PAIR).tolist() == expected


def test_division_by_zero_is_na_to_everyone_who_asks():
    zero = series(close=[0, 1, -1], open=[1, 0, 0])
    assert valued(na(open_ / (close - close)), zero).tolist() == [True, True, True]
    assert valued(nz(close / open_, 7), zero).tolist() == [0, 7, 7]


def test_choice_and_history():
    bars = series(close=[1, 5, 2, 8], open=[3, 3, 3, 3])
    assert valued(where(close > open_, close, -1), bars).tolist() == [-1, 5, -1, 8]
    assert valued(nz(close[2], 0), bars).tolist() == [0, 0, 1, 5]
    assert valued((close > open_)[1], bars).tolist() == [False, False, True, False]
    assert valued(close[parameter("back")], bars, back=3)[-1] == 1
    assert np.isnan(valued(close[9], bars)).all()


def test_extremes_of_two_and_distance():
    bars = series(close=[1, 5], open=[3, 3])
    assert valued(maximum(close, open_), bars).tolist() == [3, 5]
    assert valued(minimum(close, 2), bars).tolist() == [1, 2]
    assert valued(abs(close - open_), bars).tolist() == [2, 2]
    assert valued(rounded(close / 3 - open_, 2), bars).tolist() == [-2.67, -1.33]


def test_prices_made_of_prices():
    high, low = MARKET.high, MARKET.low
    assert valued(hl2) == pytest.approx((high + low) / 2)
    assert valued(hlc3) == pytest.approx((high + low + MARKET.close) / 3)
    assert valued(ohlc4) == pytest.approx((MARKET.open + high + low + MARKET.close) / 4)


def test_a_latch_holds_until_something_else_happens():
    bars = series(close=[0, 1, 0, 2, 0, 3, 1, 4, 0])
    got = valued(latch(close == 1, close == 2, close == 3, close == 4), bars)
    # long, short; 3 takes longs out only; then long; 4 takes shorts out only
    assert got.tolist() == [0, 1, 1, -1, -1, -1, 1, 1, 1]


def test_conditions_join():
    bars = series(close=[1, 2, 3, 4])
    assert valued((close > 1) & (close < 4), bars).tolist() == [False, True, True, False]
    assert valued((close < 2) | (close > 3), bars).tolist() == [True, False, False, True]
    assert valued((close > 1) & (parameter("on") > 0), bars, on=0).tolist() == [False] * 4
    assert valued((close > 1) | (parameter("on") > 0), bars, on=1).tolist() == [True] * 4
    assert valued((close > 1) & (parameter("on") > 0), bars, on=1).tolist() == [False, True, True, True]


def test_numbers_alone_are_computed_at_once():
    assert (number(3) * 4 - 2).data == 10
    assert ((close > 1) & (number(1) < 2)).op == ">"
    assert ((close > 1) & (number(3) < 2)).data == 0


@pytest.mark.parametrize(
    ("write", "advice"),
    [
        (lambda: 1 if close > 2 else 0, "where"),
        (lambda: close > 2 and close < 3, "&"),
        (lambda: not (close > 2), "~"),
        (lambda: 1 < close < 3, "<"),
        (lambda: parameter("length") or 3, "where"),
        (lambda: close & open_, "parentheses"),
        (lambda: close > 1 & close, "parentheses"),
        (lambda: (close > 1) + 1, "where"),
        (lambda: ta.ema(close > 1, 3), "where"),
        (lambda: (close > 1) & close, "condition"),
        (lambda: (close > 1) == (open_ > 1), "~"),
        (lambda: close[-1], "never forward"),
        (lambda: close[1.5], "whole number"),
        (lambda: ta.sma(close, 2.5), "whole number"),
        (lambda: ta.sma(close, 0), "at least 1"),
        (lambda: ta.sma(close, close), "whole number"),
        (lambda: ta.supertrend(close, 10), "parameter"),
        (lambda: close + "1", "not a number"),
        (lambda: close * INF, "not a number"),
        (lambda: close % 2, r"\+ - \* /"),
        (lambda: close in (1, 2), "its value is not known"),
    ],
)
def test_what_cannot_be_expressed_says_what_to_write_instead(write, advice):
    with pytest.raises(BadStrategy, match=advice):
        write()


def test_a_series_is_not_a_list():
    with pytest.raises(TypeError, match="not iterable"):
        list(close)


def test_lengths_are_sums_of_parameters():
    a, b = parameter("a"), parameter("b")
    assert linear(2 * a + b - 3) == Linear(-3, (("a", 2), ("b", 1)))
    assert linear(a - a) == Linear()
    assert linear(-a * 2) == Linear(0, (("a", -2),))
    assert linear(a * b) is None
    assert linear(a / 2) is None
    assert linear(close) is None


def test_rules_have_defaults_that_say_nothing():
    assert SignalRules().enter_long is False
