"""Trades and equity by hour, weekday and month: when a strategy earns. All in UTC, by the bar in which a trade ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.model import Run
from app.history import Stamps

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Bucket:
    """The trades whose exit bar opens in one hour of the day, on one weekday or in one month, all UTC."""

    label: str  # "07", "Mon", "2024-03"
    trades: int
    wins: int
    pnl: float  # quote currency


@dataclass(frozen=True, slots=True)
class Month(Bucket):
    change: float | None  # of equity over the bars that open in this month; None where equity was not above zero


def by_hour(run: Run) -> tuple[Bucket, ...]:
    hours = _exit_times(run) // 3_600_000 % 24
    return _buckets(run.trades, hours, tuple(f"{hour:02}" for hour in range(24)))


def by_weekday(run: Run) -> tuple[Bucket, ...]:
    weekdays = (_exit_times(run) // 86_400_000 + 3) % 7  # the epoch was a Thursday
    return _buckets(run.trades, weekdays, WEEKDAYS)


def by_month(run: Run, first: int) -> tuple[Month, ...]:
    if len(run.series) <= first + 1:
        return ()
    month = _month(run.series.ts)
    start = int(month[first + 1])
    labels = tuple(str(np.datetime64(at, "M")) for at in range(start, int(month[-1]) + 1))
    buckets = _buckets(run.trades, _month(_exit_times(run)) - start, labels)
    last_bar = np.searchsorted(month, np.arange(start, start + len(labels)), side="right") - 1
    ends = run.equity[last_bar]
    starts = np.r_[run.equity[first], ends[:-1]]
    return tuple(
        Month(b.label, b.trades, b.wins, b.pnl, float(end / before - 1) if before > 0 else None)
        for b, before, end in zip(buckets, starts, ends, strict=True)
    )


def _exit_times(run: Run) -> Stamps:
    bars: Stamps = run.trades["exit_bar"]
    return run.series.ts[bars]


def _month(ts: Stamps) -> Stamps:
    """Months since January 1970."""
    months: Stamps = ts.astype("datetime64[ms]").astype("datetime64[M]").view(np.int64)
    return months


def _buckets(trades: NDArray[np.void], index: Stamps, labels: tuple[str, ...]) -> tuple[Bucket, ...]:
    size = len(labels)
    count = np.bincount(index, minlength=size)
    wins = np.bincount(index, weights=trades["pnl"] > 0, minlength=size)
    pnl = np.bincount(index, weights=trades["pnl"], minlength=size)
    rows = zip(labels, count, wins, pnl, strict=True)
    return tuple(Bucket(label, int(trade), int(win), float(gain)) for label, trade, win, gain in rows)
