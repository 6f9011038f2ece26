"""Indicators against their textbook formulas, written out here in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app import indicators as ind

WALK = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 300)))
HIGH = WALK * (1 + np.random.default_rng(4).uniform(0, 0.01, 300))
LOW = WALK * (1 - np.random.default_rng(5).uniform(0, 0.01, 300))

CALLS = {
    "sma": lambda _high, _low, c: [ind.sma(c, 10)],
    "ema": lambda _high, _low, c: [ind.ema(c, 10)],
    "rsi": lambda _high, _low, c: [ind.rsi(c)],
    "macd": lambda _high, _low, c: ind.macd(c),
    "bollinger": lambda _high, _low, c: ind.bollinger(c),
    "true_range": lambda h, low, c: [ind.true_range(h, low, c)],
    "atr": lambda h, low, c: [ind.atr(h, low, c)],
}
WARM_UP = {"sma": 9, "ema": 9, "rsi": 14, "macd": 33, "bollinger": 19, "true_range": 1, "atr": 14}


def smoothed(values, period, alpha):
    """Recursive average started from the mean of the first `period` values."""
    out = [math.nan] * (period - 1) + [sum(values[:period]) / period]
    for value in values[period:]:
        out.append(out[-1] + alpha * (value - out[-1]))
    return np.array(out)


def test_sma():
    assert ind.sma([1, 2, 3, 4, 6], 3)[2:] == pytest.approx([2, 3, 13 / 3])


def test_ema():
    assert ind.ema(WALK, 12)[11:] == pytest.approx(smoothed(WALK, 12, 2 / 13)[11:])


def test_ema_forgets_how_it_started_as_the_module_says():
    from_first = [WALK[0]]
    for value in WALK[1:]:
        from_first.append(from_first[-1] + 2 / 21 * (value - from_first[-1]))
    gap = np.abs(ind.ema(WALK, 20) - np.array(from_first))

    assert gap[19 + 70] <= 0.001 * gap[19] * 1.01


def test_rsi():
    moves = np.diff(WALK)
    gain = smoothed(np.maximum(moves, 0), 14, 1 / 14)[13:]
    loss = smoothed(np.maximum(-moves, 0), 14, 1 / 14)[13:]

    assert ind.rsi(WALK)[14:] == pytest.approx(100 - 100 / (1 + gain / loss))


def test_macd():
    macd = ind.macd(WALK)
    slow = smoothed(WALK, 26, 2 / 27)
    fast = np.concatenate([np.full(14, np.nan), smoothed(WALK[14:], 12, 2 / 13)])  # both start at index 25
    line = fast - slow

    assert macd.line[33:] == pytest.approx(line[33:])
    assert macd.signal[33:] == pytest.approx(smoothed(line[25:], 9, 0.2)[8:])
    assert macd.histogram[33:] == pytest.approx(macd.line[33:] - macd.signal[33:])


def test_bollinger():
    bands = ind.bollinger(WALK, 20, 2.5)
    for i in (19, 150, 299):
        window = WALK[i - 19 : i + 1]
        assert bands.middle[i] == pytest.approx(window.mean())
        assert bands.upper[i] == pytest.approx(window.mean() + 2.5 * window.std())
        assert bands.lower[i] == pytest.approx(window.mean() - 2.5 * window.std())


def test_true_range_and_atr():
    ranges = [math.nan] + [
        max(HIGH[i] - LOW[i], abs(HIGH[i] - WALK[i - 1]), abs(LOW[i] - WALK[i - 1])) for i in range(1, 300)
    ]

    assert ind.true_range(HIGH, LOW, WALK)[1:] == pytest.approx(ranges[1:])
    assert ind.atr(HIGH, LOW, WALK)[14:] == pytest.approx(smoothed(ranges[1:], 14, 1 / 14)[13:])


def test_a_gap_counts_as_range():
    assert ind.true_range([10, 20], [9, 19], [9.5, 19.5])[1] == 10.5


def test_strength_runs_from_0_to_100():
    assert ind.rsi(np.arange(1.0, 40))[-1] == 100
    assert ind.rsi(np.arange(40.0, 1, -1))[-1] == 0


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("bars", [0, 1, 2, 9, 10, 14, 15, 19, 20, 33, 34, 50])
def test_any_length_is_taken_and_values_start_after_the_warm_up(name, bars):
    for out in CALLS[name](HIGH[:bars], LOW[:bars], WALK[:bars]):
        assert len(out) == bars
        assert np.isnan(out[: WARM_UP[name]]).all()
        assert not np.isnan(out[WARM_UP[name] :]).any()


@pytest.mark.parametrize("name", CALLS)
@given(cut=st.integers(35, 120), noise=hnp.arrays(float, 40, elements=st.floats(0.5, 2)))
def test_the_future_changes_nothing(name, cut, noise):
    h, low, c = HIGH[:160].copy(), LOW[:160].copy(), WALK[:160].copy()
    before = CALLS[name](h, low, c)
    for series in (h, low, c):
        series[cut : cut + 40] *= noise
    for old, new in zip(before, CALLS[name](h, low, c), strict=True):
        np.testing.assert_array_equal(old[:cut], new[:cut])


@pytest.mark.parametrize("name", CALLS)
@given(scale=st.floats(1e-4, 1e4))
def test_prices_in_another_unit_give_the_same_picture(name, scale):
    factor = 1 if name == "rsi" else scale
    for old, new in zip(
        CALLS[name](HIGH, LOW, WALK), CALLS[name](HIGH * scale, LOW * scale, WALK * scale), strict=True
    ):
        np.testing.assert_allclose(new, old * factor, rtol=1e-6, atol=1e-7 * factor)


def test_arguments_are_left_alone_and_lists_are_welcome():
    values = [3.0, 1.0, 2.0]
    assert ind.sma(values, 1).tolist() == values
    array = np.array(values)
    ind.ema(array, 1)[0] = 99
    assert array[0] == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: ind.sma(WALK, 0),
        lambda: ind.ema(WALK, -1),
        lambda: ind.rsi(WALK, 1),
        lambda: ind.bollinger(WALK, 1),
        lambda: ind.sma(WALK, 10**6),
        lambda: ind.macd(WALK, fast=26, slow=12),
        lambda: ind.macd(WALK, signal=0),
        lambda: ind.atr(HIGH, LOW[:5], WALK),
        lambda: ind.sma(WALK.reshape(2, -1), 3),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match=r"period|arrays"):
        call()
