"""Which zone a chart's clock was set to: an exported list of trades has wall-clock times and does not say.

The candles tell. A market entry fills at a bar's open, so in the right zone nearly every entry price is the open of the
candle at that time. When no zone fits, the list and the candles are of different markets: OperatorError.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from app.domain.errors import BadSettings, OperatorError
from app.history import CandleSeries, Stamps
from app.pine.trade_list import Listed, TradeList

FITTING_SHARE = 0.8  # of the entries; the rest may be slipped, or of candles that were corrected later
# Zones with daylight saving that charts are commonly set to; fixed offsets are tried before.
_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Santiago", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
)  # fmt: skip
_OFFSETS_MINUTES = (0, *(minutes for hour in range(1, 15) for minutes in (60 * hour, -60 * hour)), 330, 345, 210, 570)


@dataclass(frozen=True, slots=True)
class Clock:
    name: str
    fitting: int  # entries inside the candles whose price is the open of their bar
    inside: int  # entries inside the candles


def zone(name: str) -> tzinfo:
    """A zone by its IANA name, or an offset like +02:00. Raises BadSettings."""
    try:
        if name[:1] in "+-" and ":" in name:
            hours, _, minutes = name[1:].partition(":")
            shift = timedelta(hours=int(hours), minutes=int(minutes))
            return timezone(shift if name[0] == "+" else -shift)
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSettings(f"no time zone {name!r}; write it like Europe/Berlin, +02:00 or UTC") from None


def find_clock(listed: TradeList, series: CandleSeries) -> Clock:
    """The zone in which the most entries were filled at an open. Raises OperatorError when too few were in any."""
    best = max((fit(name, listed, series) for name in _candidates()), key=lambda clock: (clock.fitting, -clock.inside))
    if best.fitting < FITTING_SHARE * max(best.inside, 1) or not best.fitting:
        raise OperatorError(
            f"in no time zone are the list's entries opens of {series.symbol} {series.interval} ({series.source}): at"
            f" best {best.fitting} of {best.inside} ({best.name}). Are symbol, interval and exchange those of the"
            " chart? If so, name the chart's zone with --timezone"
        )
    return best


def fit(name: str, listed: TradeList, series: CandleSeries) -> Clock:
    """How well one zone explains the entries."""
    if not listed.trades:
        return Clock(name, 0, 0)
    stamps = entry_stamps(listed.trades, zone(name))
    bars = np.searchsorted(series.ts, stamps, side="right") - 1
    inside = (bars >= 0) & (stamps < series.ts[-1] + series.step_ms if len(series) else False)
    prices = np.array([trade.entry_price for trade in listed.trades])
    on_bar = inside.copy()
    on_bar[inside] = series.ts[bars[inside]] == stamps[inside]
    fitting = np.zeros(len(stamps), dtype=bool)
    fitting[on_bar] = np.abs(series.open[bars[on_bar]] - prices[on_bar]) <= listed.tick * 1.001
    return Clock(name, int(fitting.sum()), int(inside.sum()))


def entry_stamps(trades: Sequence[Listed], where: tzinfo) -> Stamps:
    return np.array([stamp(trade.entry_time, where) for trade in trades], dtype=np.int64)


def stamp(at: datetime, where: tzinfo) -> int:
    """Milliseconds since 1970 UTC of a wall-clock time."""
    return int(at.replace(tzinfo=where).timestamp() * 1000)


def _candidates() -> Iterator[str]:
    for minutes in _OFFSETS_MINUTES:
        sign, size = "-" if minutes < 0 else "+", abs(minutes)
        yield "UTC" if not minutes else f"{sign}{size // 60:02d}:{size % 60:02d}"
    for name in _ZONES:
        try:
            ZoneInfo(name)
        except ZoneInfoNotFoundError:  # a system without zone data: fixed offsets have to do
            continue
        yield name
