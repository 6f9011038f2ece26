"""Indicators: one-dimensional float64 arrays in, arrays of the same length out, NaN where there is no value yet.

Computed by TA-Lib, wrapped so that every function behaves alike: any sequence of numbers is taken, arrays shorter than
the warm-up (empty ones too) give all NaN, and element `i` depends on elements `0..i` only. A wrong period or arrays of
different lengths raise ValueError; nothing else can fail.

Warm-up. Pine and TA-Lib start `ta.ema`, `ta.rma` and `ta.rsi` alike, from the mean of the first `period` values. Two
differ: `ta.atr` takes the first bar's high - low for a true range where TA-Lib leaves that bar out, so its first value
comes one bar earlier there; and TA-Lib's MACD starts its fast average only where the slow one starts. The start is
forgotten exponentially: with an EMA of period n the difference shrinks by (n - 1) / (n + 1) per bar, to under 0.1 % of
itself after 3.5 n bars, and with Wilder's smoothing after 7 n. Give at least that much history where values should
match a chart.
"""

from typing import NamedTuple

import numpy as np
import talib
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_LONGEST = 100_000  # TA-Lib's own limit on a period


class Macd(NamedTuple):
    line: Array  # fast EMA - slow EMA
    signal: Array  # EMA of the line
    histogram: Array  # line - signal


class Bands(NamedTuple):
    upper: Array
    middle: Array
    lower: Array


def sma(values: ArrayLike, period: int) -> Array:
    """Simple moving average, as in Pine's `ta.sma`. (n,) -> (n,); first value at index period - 1."""
    (series,) = _series(values)
    _check_period(period, least=1)
    return series if period == 1 else np.asarray(talib.SMA(series, timeperiod=period))


def ema(values: ArrayLike, period: int) -> Array:
    """Exponential moving average with smoothing 2 / (period + 1). (n,) -> (n,); first value at index period - 1.

    Starts from the mean of the first `period` values, as Pine's `ta.ema` does.
    """
    (series,) = _series(values)
    _check_period(period, least=1)
    return series if period == 1 else np.asarray(talib.EMA(series, timeperiod=period))


def rsi(values: ArrayLike, period: int = 14) -> Array:
    """Relative strength index, 0 to 100. (n,) -> (n,); first value at index `period`.

    Wilder, New Concepts in Technical Trading Systems (1978): 100 - 100 / (1 + average gain / average loss), averages
    smoothed by 1 / period. For a series that never moved the formula is 0 / 0, and TA-Lib answers 0: look at the true
    range before reading it as weakness.
    """
    (series,) = _series(values)
    _check_period(period, least=2)
    return np.asarray(talib.RSI(series, timeperiod=period))


def macd(values: ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Moving average convergence/divergence (Appel). (n,) -> three (n,); first values at slow + signal - 2.

    Both averages start together at index slow - 1, so the early fast average differs a little from `ema(fast)`;
    Pine's line starts earlier: its fast average does not wait for the slow one.
    """
    (series,) = _series(values)
    for period in (fast, slow):
        _check_period(period, least=2)
    _check_period(signal, least=1)
    if fast >= slow:
        raise ValueError(f"the fast period must be below the slow one, got {fast} and {slow}")
    return Macd(*map(np.asarray, talib.MACD(series, fastperiod=fast, slowperiod=slow, signalperiod=signal)))


def bollinger(values: ArrayLike, period: int = 20, deviations: float = 2.0) -> Bands:
    """Bollinger bands: SMA +- `deviations` population standard deviations, as in Pine's `ta.bb`.

    (n,) -> three (n,); first values at index period - 1.
    """
    (series,) = _series(values)
    _check_period(period, least=2)
    return Bands(
        *map(
            np.asarray,
            talib.BBANDS(series, timeperiod=period, nbdevup=deviations, nbdevdn=deviations),
        )
    )


def true_range(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Array:
    """max(high - low, |high - previous close|, |low - previous close|), Wilder 1978. (n,) x 3 -> (n,).

    The first bar has no previous close: NaN, as in Pine's `ta.tr` without `handle_na`.
    """
    highs, lows, closes = _series(high, low, close)
    return np.asarray(talib.TRANGE(highs, lows, closes))


def atr(high: ArrayLike, low: ArrayLike, close: ArrayLike, period: int = 14) -> Array:
    """Average true range, smoothed by 1 / period (Wilder 1978). (n,) x 3 -> (n,); first value at index `period`."""
    highs, lows, closes = _series(high, low, close)
    _check_period(period, least=1)
    return np.asarray(talib.ATR(highs, lows, closes, timeperiod=period))


def _series(*values: ArrayLike) -> tuple[Array, ...]:
    arrays = tuple(np.array(value, dtype=np.float64) for value in values)
    if any(array.ndim != 1 for array in arrays):
        raise ValueError("one-dimensional arrays expected")
    if len({len(array) for array in arrays}) != 1:
        raise ValueError(f"arrays of one length expected, got {[len(array) for array in arrays]}")
    return arrays


def _check_period(period: int, *, least: int) -> None:
    if not least <= period <= _LONGEST:
        raise ValueError(f"a period lies between {least} and {_LONGEST}, not {period}")
