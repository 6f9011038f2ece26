"""Fewer points for drawing: extremes are kept, so that a drawn peak or fall is the real one. Never used for figures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.history import CandleSeries, Floats, Stamps

_LINEAR = 4.0  # highest over lowest value up to which a linear scale shows both


def extremes(values: Floats, most: int) -> NDArray[np.int64]:
    """Positions to draw, growing: first, last, and the lowest and highest of each of about most / 2 equal stretches."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    width = -(-count // max(1, most // 2))
    whole = count // width * width
    rows = values[:whole].reshape(-1, width)
    starts = np.arange(0, whole, width)
    tail = [whole + int(values[whole:].argmin()), whole + int(values[whole:].argmax())] if whole < count else []
    picked = [[0, count - 1], starts + rows.argmin(axis=1), starts + rows.argmax(axis=1), tail]
    return np.unique(np.concatenate(picked).astype(np.int64))


def spans_orders(*lines: Floats) -> bool:
    """Whether lines drawn together need a logarithmic scale: one would look flat beside the other."""
    low, high = min(float(line.min()) for line in lines), max(float(line.max()) for line in lines)
    return low > 0 and high / low > _LINEAR


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Candles for drawing, each made of `width` bars (the last one perhaps of fewer); every array (m,)."""

    width: int
    ts: Stamps  # open time, ms
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    last: NDArray[np.int64]  # position of the last bar in each


def joined(series: CandleSeries, most: int) -> Joined:
    """At most `most` candles. Raises nothing for an empty series: it gives no candles."""
    count = len(series)
    width = max(1, -(-count // most))
    starts = np.arange(0, count, width)
    last = np.minimum(starts + width, count) - 1
    if not count:
        return Joined(1, series.ts, series.open, series.high, series.low, series.close, last)
    return Joined(
        width=width,
        ts=series.ts[starts],
        open=series.open[starts],
        high=np.maximum.reduceat(series.high, starts),
        low=np.minimum.reduceat(series.low, starts),
        close=series.close[last],
        last=last,
    )
