"""The LSTM's inputs: causal, without units, and the same however much history there is."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.lstm.features import (
    HORIZON,
    MIN_BARS,
    NAMES,
    STEPS,
    WARM_UP,
    Bars,
    features,
    labels,
    moves,
    usable_ends,
    windows,
)
from app import indicators

RNG = np.random.default_rng(5)


def some_bars(n=400):
    close = 100 * np.exp(np.cumsum(RNG.normal(0, 0.01, n)))
    high, low = close * (1 + RNG.uniform(0, 0.01, n)), close * (1 - RNG.uniform(0, 0.01, n))
    return Bars(high, low, close, RNG.lognormal(5, 1, n))


BARS = some_bars()


def mapped(bars, change):
    return Bars(**{f.name: change(getattr(bars, f.name)) for f in dataclasses.fields(bars)})


def test_one_row_per_bar_and_values_after_the_warm_up():
    table = features(BARS)

    assert table.shape == (400, len(NAMES))
    assert np.isnan(table[:WARM_UP]).all()
    assert np.isfinite(table[WARM_UP:]).all()


@given(cut=st.integers(WARM_UP + 1, 399), factor=st.floats(0.2, 5))
def test_the_future_changes_nothing(cut, factor):
    def disturbed(column):
        later = column.copy()
        later[cut:] *= factor
        return later

    np.testing.assert_array_equal(features(mapped(BARS, disturbed))[:cut], features(BARS)[:cut])


@given(factor=st.floats(1e-3, 1e3))
def test_prices_in_another_unit_look_the_same(factor):
    scaled = Bars(BARS.high * factor, BARS.low * factor, BARS.close * factor, BARS.volume)

    np.testing.assert_allclose(features(scaled)[WARM_UP:], features(BARS)[WARM_UP:], atol=1e-6)


def test_the_last_window_hardly_depends_on_how_much_history_is_given():
    tail = mapped(BARS, lambda column: column[-MIN_BARS:])
    gap = np.abs(features(tail)[-STEPS:] - features(BARS)[-STEPS:])

    assert gap[-1].max() < 0.15
    assert gap.mean() < 0.05


def test_a_market_that_does_not_move_is_all_zeros():
    flat = np.full(200, 100.0)

    np.testing.assert_allclose(features(Bars(flat, flat, flat, flat))[WARM_UP:], 0, atol=0.1)


def test_extremes_are_clipped():
    close = BARS.close.copy()
    close[300] *= 50
    wild = Bars(np.maximum(BARS.high, close), BARS.low, close, BARS.volume * 1e9)

    assert np.abs(features(wild)[WARM_UP:]).max() <= 6


@pytest.mark.parametrize("bars", [0, 1, 20, WARM_UP])
def test_too_few_bars_give_no_values_and_no_errors(bars):
    short = mapped(BARS, lambda column: column[:bars])

    assert features(short).shape == (bars, len(NAMES))
    assert np.isnan(features(short)).all()
    assert len(usable_ends(short)) == 0


def test_a_window_ends_at_its_bar():
    table = features(BARS)
    (window,) = windows(table, np.array([300]))

    assert window.shape == (STEPS, len(NAMES))
    np.testing.assert_array_equal(window, table[241:301].astype(np.float32))


def test_the_label_is_the_move_over_the_horizon_in_average_true_ranges():
    atr = indicators.atr(BARS.high, BARS.low, BARS.close)
    move = (BARS.close[200 + HORIZON] - BARS.close[200]) / atr[200]

    assert moves(BARS)[200] == pytest.approx(move)
    assert labels(BARS)[200] == (2 if move > 1 else 0 if move < -1 else 1)


def test_the_last_bars_have_no_label_and_end_no_window():
    assert (labels(BARS)[-HORIZON:] == -1).all()
    assert usable_ends(BARS)[-1] == 400 - HORIZON - 1
    assert usable_ends(BARS)[0] == WARM_UP + STEPS - 1
