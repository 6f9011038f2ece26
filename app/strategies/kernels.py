"""Indicator kernels by Pine's definitions: one pass over the bars, arrays in, a new array of the same length out.

Every array is one-dimensional, contiguous and read-only float64 (n,), or bool (n,) where a condition is meant; one type
throughout, so that each kernel is compiled once. NaN is Pine's `na`. Lengths are at least 1 (occurrences and pivot
widths at least 0), which the callers have checked; nothing here raises. Bar i of a result depends on bars 0 … i only.

Source of the definitions: TradingView's reference manual and what engines that replicate it do where the manual is
silent: averages are started by the mean of the first `length` values, bars without a value are skipped by sums and
averages, and a window of extremes begins anew behind them.

Compiled by numba where it is installed. Without it, as in the image that trades, the same code runs as Python with the
same results to the last bit: milliseconds for the bars a live strategy looks back on, too slow for searches.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

try:
    from numba import njit
except ModuleNotFoundError:  # part of the extra `research`
    _compile: Any = None
else:
    _compile = njit(cache=True, nogil=True)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
F = TypeVar("F", bound=Callable[..., Any])

_DORMANT = 1e-10  # an average gain or loss that is not more than this counts as none, as in Pine
_CCI_SCALE = 0.015  # Lambert 1980: puts 70 to 80 percent of the values between -100 and 100


def _kernel(function: F) -> F:
    kernel: F = function if _compile is None else _compile(function)
    return kernel


@_kernel
def sma(source: Floats, length: int) -> Floats:
    """Mean of the last `length` values that are there; na on bars without one."""
    out = np.full(len(source), np.nan)
    window = np.zeros(length)
    total, lost, seen = 0.0, 0.0, 0
    for i in range(len(source)):
        x = source[i]
        if np.isnan(x):
            continue
        slot = seen % length
        # Kahan: without what rounding lost, the sum drifts over ten thousands of bars. The difference itself is exact
        # while the two values are within a factor of two (Sterbenz), as prices of one window are.
        change = (x - window[slot]) - lost
        raised = total + change
        lost = (raised - total) - change
        total = raised
        window[slot] = x
        seen += 1
        if seen >= length:
            out[i] = total / length
    return out


@_kernel
def stdev(source: Floats, length: int) -> Floats:
    """Population standard deviation of the last `length` values that are there: sqrt(mean of squares - mean squared).

    Pine's own form. On prices around 1e5 it is exact to about 1e-10 of the price.
    """
    out = sma(source * source, length)
    mean = sma(source, length)
    for i in range(len(out)):
        out[i] = np.sqrt(max(out[i] - mean[i] * mean[i], 0.0)) if not np.isnan(out[i]) else np.nan
    return out


@_kernel
def _smoothed(source: Floats, length: int, wilder: bool) -> Floats:  # noqa: FBT001 - kernels take no keywords
    out = np.full(len(source), np.nan)
    alpha = 2.0 / (length + 1.0)
    total, seen, level = 0.0, 0, 0.0
    for i in range(len(source)):
        x = source[i]
        if np.isnan(x):
            continue
        seen += 1
        if seen < length:
            total += x
            continue
        if seen == length:
            level = (total + x) / length
        elif wilder:
            level = (level * (length - 1) + x) / length
        else:
            level += alpha * (x - level)
        out[i] = level
    return out


@_kernel
def ema(source: Floats, length: int) -> Floats:
    return _smoothed(source, length, False)


@_kernel
def rma(source: Floats, length: int) -> Floats:
    return _smoothed(source, length, True)


@_kernel
def rsi(source: Floats, length: int) -> Floats:
    """100 - 100 / (1 + average gain / average loss), averages as `rma`; 100 without losses, else 0 without gains."""
    gains, losses = np.full(len(source), np.nan), np.full(len(source), np.nan)
    previous = np.nan
    for i in range(len(source)):
        x = source[i]
        if np.isnan(x):
            continue
        if not np.isnan(previous):
            gains[i], losses[i] = max(x - previous, 0.0), max(previous - x, 0.0)
        previous = x
    up, down = _smoothed(gains, length, True), _smoothed(losses, length, True)
    out = np.full(len(source), np.nan)
    for i in range(len(source)):
        if np.isnan(down[i]):
            continue
        if down[i] <= _DORMANT:
            out[i] = 100.0
        elif up[i] <= _DORMANT:
            out[i] = 0.0
        else:
            out[i] = 100.0 - 100.0 / (1.0 + up[i] / down[i])
    return out


@_kernel
def cci(source: Floats, length: int) -> Floats:
    """(value - mean) / (0.015 * mean absolute deviation from that mean); na where the window is flat."""
    mean = sma(source, length)
    out = np.full(len(source), np.nan)
    for i in range(length - 1, len(source)):
        if np.isnan(mean[i]):
            continue
        deviation = 0.0
        for j in range(i, i - length, -1):
            deviation += abs(source[j] - mean[i])
        if deviation > 0.0:
            out[i] = (source[i] - mean[i]) / (_CCI_SCALE * (deviation / length))
    return out


@_kernel
def _extreme(source: Floats, length: int, sign: float) -> Floats:
    """Largest of sign * source over the last `length` bars, times sign."""
    out = np.full(len(source), np.nan)
    best, at, start = np.nan, -1, 0
    for i in range(len(source)):
        x = sign * source[i]
        if np.isnan(x):
            best, start = np.nan, i + 1  # the window begins anew behind a bar without a value
            continue
        if np.isnan(best) or x >= best:
            best, at = x, i
        elif i - at >= length:
            best, at = x, i
            for j in range(i - 1, max(i - length, start - 1), -1):
                if sign * source[j] > best:
                    best, at = sign * source[j], j
        if i >= length - 1:
            out[i] = sign * best
    return out


@_kernel
def highest(source: Floats, length: int) -> Floats:
    return _extreme(source, length, 1.0)


@_kernel
def lowest(source: Floats, length: int) -> Floats:
    return _extreme(source, length, -1.0)


@_kernel
def stoch(source: Floats, highs: Floats, lows: Floats, length: int) -> Floats:
    """100 * (source - lowest low) / (highest high - lowest low); na where the window has no range."""
    top, bottom = highest(highs, length), lowest(lows, length)
    for i in range(len(source)):
        span = top[i] - bottom[i]
        top[i] = 100.0 * (source[i] - bottom[i]) / span if span > 0.0 else np.nan
    return top


@_kernel
def tr(high: Floats, low: Floats, close: Floats) -> Floats:
    """max(high - low, |high - previous close|, |low - previous close|); na on the first bar."""
    out = np.full(len(high), np.nan)
    for i in range(1, len(high)):
        out[i] = max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
    return out


@_kernel
def atr(high: Floats, low: Floats, close: Floats, length: int) -> Floats:
    """`rma` of the true range, where a bar without a previous close counts with high - low."""
    span = tr(high, low, close)
    for i in range(len(span)):
        if np.isnan(span[i]):
            span[i] = high[i] - low[i]
    return _smoothed(span, length, True)


@_kernel
def supertrend(high: Floats, low: Floats, close: Floats, factor: float, length: int) -> tuple[Floats, Floats]:
    """(line, direction): direction is 1 below the upper band, -1 above the lower one, and starts at 1.

    A band moves towards the price only, until the close crosses it. The line is na before the average true range is
    there (on the very first bar Pine says 0.0, which nothing should read).
    """
    average = atr(high, low, close, length)
    line, direction = np.full(len(close), np.nan), np.ones(len(close))
    upper, lower, before, shown, last, started = np.nan, np.nan, np.nan, np.nan, 1.0, False
    for i in range(len(close)):
        direction[i] = last
        middle = (high[i] + low[i]) / 2.0
        above, below = middle + factor * average[i], middle - factor * average[i]
        if np.isnan(above):
            continue
        if started:
            held = upper
            lower = below if below > lower or before < lower else lower
            upper = above if above < upper or before > upper else upper
            # Where both bands are one, Pine takes the line for the upper.
            falling = close[i] <= upper if shown == held else close[i] < lower
            last = 1.0 if falling else -1.0
        else:
            lower, upper, started = below, above, True
        shown = upper if last > 0.0 else lower
        line[i], direction[i], before = shown, last, close[i]
    return line, direction


@_kernel
def _crossed_with_gaps(left: Floats, right: Floats) -> Flags:
    out = np.zeros(len(left), dtype=np.bool_)
    armed = False  # not above on the last bar on which both were there
    for i in range(len(left)):
        if not (np.isnan(left[i]) or np.isnan(right[i])):
            out[i] = armed and left[i] > right[i]
            armed = left[i] <= right[i]
    return out


def _crossed(above: Flags, below: Flags, left: Floats, right: Floats) -> Flags:
    """Above now, and not on the last bar on which both were there; the first such bar does not count.

    Where nothing is missing in between, which is nearly always, that bar is the one before: whole arrays are compared,
    several times faster than bar by bar.
    """
    there = above | below
    start = int(there.argmax()) if len(there) else 0
    if not there[start:].all():
        return _crossed_with_gaps(left, right)
    out = np.zeros(len(above), dtype=np.bool_)
    np.logical_and(above[1:], below[:-1], out=out[1:])
    return out


def crossover(left: Floats, right: Floats) -> Flags:
    """Exact, without the tolerance of the comparison operators, as in Pine."""
    return _crossed(left > right, left <= right, left, right)


def crossunder(left: Floats, right: Floats) -> Flags:
    return _crossed(left < right, left >= right, right, left)


@_kernel
def _pivot(source: Floats, left: int, right: int, sign: float) -> Floats:
    out = np.full(len(source), np.nan)
    for i in range(left + right, len(source)):
        peak = sign * source[i - right]
        found = not np.isnan(peak)
        for j in range(i - right - left, i - right):
            found = found and sign * source[j] <= peak
        for j in range(i - right + 1, i + 1):
            found = found and sign * source[j] < peak  # of equal peaks the last one counts
        if found:
            out[i] = source[i - right]
    return out


@_kernel
def pivothigh(source: Floats, left: int, right: int) -> Floats:
    """Value of the peak `right` bars ago on the bar that makes it one; na elsewhere."""
    return _pivot(source, left, right, 1.0)


@_kernel
def pivotlow(source: Floats, left: int, right: int) -> Floats:
    return _pivot(source, left, right, -1.0)


@_kernel
def valuewhen(test: Flags, source: Floats, occurrence: int) -> Floats:
    out = np.full(len(source), np.nan)
    kept = np.full(occurrence + 1, np.nan)
    seen = 0
    for i in range(len(source)):
        if test[i]:
            kept[seen % (occurrence + 1)] = source[i]
            seen += 1
        out[i] = kept[seen % (occurrence + 1)]  # the oldest kept: na until there were enough
    return out


@_kernel
def barssince(test: Flags) -> Floats:
    out = np.full(len(test), np.nan)
    last = -1
    for i in range(len(test)):
        if test[i]:
            last = i
        if last >= 0:
            out[i] = i - last
    return out


@_kernel
def latch(enter_long: Flags, enter_short: Flags, exit_long: Flags, exit_short: Flags) -> Floats:
    """1, -1 or 0: what a strategy with these signals holds, leaving its stops and targets aside."""
    out = np.zeros(len(enter_long))
    stance = 0.0
    for i in range(len(enter_long)):
        if enter_long[i]:
            stance = 1.0
        elif enter_short[i]:
            stance = -1.0
        elif (stance > 0.0 and exit_long[i]) or (stance < 0.0 and exit_short[i]):
            stance = 0.0
        out[i] = stance
    return out
