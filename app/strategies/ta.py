"""Indicators for strategies, by Pine's definitions. `FUNCTIONS` says of each what both of its outputs need to know.

The functions here build expressions; kernels.py computes them. A length is a whole number, a parameter, or a sum of
such; anything else raises BadStrategy, because Pine and the warm-up need it before the first bar.

What is a combination of others in Pine's own reference (`macd`, `bb`, `change`, `donchian`) is that combination here.
"""

from dataclasses import dataclass
from typing import NamedTuple

from app.strategies.expressions import (
    BadStrategy,
    Condition,
    Conditional,
    Expression,
    Number,
    Numeric,
    close,
    condition,
    high,
    low,
    number,
)
from app.strategies.linear import linear


@dataclass(frozen=True, slots=True)
class Function:
    """How one function is written in Pine, and how much history it needs beyond that of its arguments."""

    pine: str
    shown: tuple[int, ...]  # which arguments Pine's call shows, in order; the others are read implicitly there
    lengths: tuple[int, ...] = ()  # which arguments are lengths, known before the first bar
    numbers: tuple[int, ...] = ()  # which are one number for all bars, known before the first
    bars: tuple[int, ...] = ()  # warm-up: so many times each length …
    more: int = 0  # … and so many bars more
    outputs: tuple[str, ...] = ()  # names of the parts, where there is more than one


# An exponential average of length n starts from the mean of n values (n - 1 bars) and forgets that start by
# (n - 1) / (n + 1) a bar; Wilder's by (n - 1) / n. After 4 n and 7 n bars less than 0.3 % of it is left.
_EMA, _RMA = 4, 7
# A SuperTrend band that was ratcheted before the history began is gone at the next turn; docs/concepts/indicators.md
# says how long that takes on real candles.
_TURN = 100

FUNCTIONS = {
    "sma": Function("ta.sma", (0, 1), (1,), bars=(1,), more=-1),
    "ema": Function("ta.ema", (0, 1), (1,), bars=(_EMA,)),
    "rma": Function("ta.rma", (0, 1), (1,), bars=(_RMA,)),
    "stdev": Function("ta.stdev", (0, 1), (1,), bars=(1,), more=-1),
    "highest": Function("ta.highest", (0, 1), (1,), bars=(1,), more=-1),
    "lowest": Function("ta.lowest", (0, 1), (1,), bars=(1,), more=-1),
    "rsi": Function("ta.rsi", (0, 1), (1,), bars=(_RMA,), more=1),
    "cci": Function("ta.cci", (0, 1), (1,), bars=(1,), more=-1),
    "stoch": Function("ta.stoch", (0, 1, 2, 3), (3,), bars=(1,), more=-1),
    "tr": Function("ta.tr", ()),
    "atr": Function("ta.atr", (3,), (3,), bars=(_RMA,)),
    "supertrend": Function(
        "ta.supertrend", (3, 4), lengths=(4,), numbers=(3,), bars=(_RMA,), more=_TURN, outputs=("line", "direction")
    ),
    "crossover": Function("ta.crossover", (0, 1), more=1),
    "crossunder": Function("ta.crossunder", (0, 1), more=1),
    "pivothigh": Function("ta.pivothigh", (0, 1, 2), (1, 2), bars=(1, 1)),
    "pivotlow": Function("ta.pivotlow", (0, 1, 2), (1, 2), bars=(1, 1)),
    "valuewhen": Function("ta.valuewhen", (0, 1, 2), (2,), bars=(0,)),
    "barssince": Function("ta.barssince", (0,)),
}


class SuperTrend(NamedTuple):
    line: Number
    direction: Number  # -1 while the trend is up, 1 while it is down, as in Pine


class Macd(NamedTuple):
    line: Number  # fast average - slow average
    signal: Number  # average of the line
    histogram: Number  # line - signal


class Bands(NamedTuple):
    middle: Number
    upper: Number
    lower: Number


def sma(source: Numeric, length: Numeric) -> Number:
    """Simple moving average; first value at bar length - 1."""
    return _number("sma", number(source), _length(length))


def ema(source: Numeric, length: Numeric) -> Number:
    """Exponential moving average, smoothing 2 / (length + 1), started from the mean of the first `length` values."""
    return _number("ema", number(source), _length(length))


def rma(source: Numeric, length: Numeric) -> Number:
    """Wilder's moving average, smoothing 1 / length, started from the mean of the first `length` values."""
    return _number("rma", number(source), _length(length))


def stdev(source: Numeric, length: Numeric) -> Number:
    """Population standard deviation of the last `length` values."""
    return _number("stdev", number(source), _length(length))


def highest(source: Numeric, length: Numeric) -> Number:
    return _number("highest", number(source), _length(length))


def lowest(source: Numeric, length: Numeric) -> Number:
    return _number("lowest", number(source), _length(length))


def rsi(source: Numeric, length: Numeric) -> Number:
    """Relative strength index, 0 to 100 (Wilder 1978); first value at bar `length`."""
    return _number("rsi", number(source), _length(length))


def cci(source: Numeric, length: Numeric) -> Number:
    """Commodity channel index (Lambert 1980): distance from the mean in units of 0.015 mean absolute deviations."""
    return _number("cci", number(source), _length(length))


def stoch(source: Numeric, highs: Numeric, lows: Numeric, length: Numeric) -> Number:
    """Where `source` stands between the lowest low (0) and the highest high (100) of `length` bars (Lane)."""
    return _number("stoch", number(source), number(highs), number(lows), _length(length))


def tr() -> Number:
    """True range (Wilder 1978); na on the first bar, which has no previous close."""
    return _number("tr", high, low, close)


def atr(length: Numeric) -> Number:
    """Average true range: Wilder's average of the true range, where the first bar counts with high - low."""
    return _number("atr", high, low, close, _length(length))


def supertrend(factor: Numeric, length: Numeric) -> SuperTrend:
    """The band of `factor` average true ranges around (high + low) / 2 that the close last failed to cross."""
    call = _call("supertrend", high, low, close, _constant(factor), _length(length))
    return SuperTrend(Number("output", (call,), 0.0), Number("output", (call,), 1.0))


def macd(source: Numeric, fast: Numeric, slow: Numeric, signal: Numeric) -> Macd:
    """Moving average convergence / divergence (Appel 1979)."""
    line = (ema(source, fast) - ema(source, slow)).named("macd_line")
    average = ema(line, signal).named("macd_signal")
    return Macd(line, average, line - average)


def bb(source: Numeric, length: Numeric, deviations: Numeric) -> Bands:
    """Bollinger bands: mean and `deviations` population standard deviations to both sides (Bollinger 2001)."""
    middle, distance = sma(source, length), (deviations * stdev(source, length)).named("band_width")
    return Bands(middle, middle + distance, middle - distance)


def donchian(length: Numeric) -> Number:
    """Middle between the highest high and the lowest low of `length` bars."""
    return (highest(high, length) + lowest(low, length)) / 2


def change(source: Numeric, bars: Numeric = 1) -> Number:
    """`source` now less `source` so many bars ago."""
    return number(source) - number(source)[bars]


def crossover(left: Numeric, right: Numeric) -> Condition:
    """`left` is above `right` now, and was not on the last bar on which both were there."""
    return _condition("crossover", number(left), number(right))


def crossunder(left: Numeric, right: Numeric) -> Condition:
    """`left` is below `right` now, and was not on the last bar on which both were there."""
    return _condition("crossunder", number(left), number(right))


def pivothigh(source: Numeric, left: Numeric, right: Numeric) -> Number:
    """A peak, told `right` bars after it: above the `right` bars behind it, not below the `left` before; else na."""
    return _number("pivothigh", number(source), _length(left), _length(right))


def pivotlow(source: Numeric, left: Numeric, right: Numeric) -> Number:
    """A trough, told `right` bars after it: below the `right` bars behind it, not above the `left` before; else na."""
    return _number("pivotlow", number(source), _length(left), _length(right))


def valuewhen(test: Conditional, source: Numeric, occurrence: int = 0) -> Number:
    """`source` on the latest bar on which the test held (occurrence 0), or on an earlier one."""
    return _number("valuewhen", condition(test), number(source), number(occurrence))


def barssince(test: Conditional) -> Number:
    """Bars since the test last held; 0 on such a bar, na before the first."""
    return _number("barssince", condition(test))


def _call(name: str, *args: Expression) -> Expression:
    return Expression("call", args, name)


def _number(name: str, *args: Expression) -> Number:
    return Number("output", (_call(name, *args),), 0.0)


def _condition(name: str, *args: Expression) -> Condition:
    return Condition("output", (_call(name, *args),), 0.0)


def _length(value: Numeric) -> Number:
    length = number(value)
    known = linear(length)
    if known is None:
        raise BadStrategy(
            "a length is a whole number, a parameter, or a sum of such: it is needed before the first bar"
        )
    if not known.terms and known.constant < 1:
        raise BadStrategy(f"a length is at least 1, not {known.constant}")
    return length


def _constant(value: Numeric) -> Number:
    known = number(value)
    if _varies(known):
        raise BadStrategy("this has to be a number, a parameter, or made of such: it is needed before the first bar")
    return known


def _varies(expression: Expression) -> bool:
    return expression.varies or any(map(_varies, expression.args))
