"""One bar of market data. Statistics, not money: floats are right here and nowhere near an order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

INTERVALS = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "8h": timedelta(hours=8),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "1w": timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class Candle:
    open_time: datetime  # UTC
    open: float  # quote currency
    high: float
    low: float
    close: float
    volume: float  # base units


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of one market when a signal is judged: closed candles, oldest first, and the live price."""

    symbol: str
    interval: str  # a key of INTERVALS
    candles: tuple[Candle, ...]
    mark_price: float
    atr: float  # average true range over 14 bars, quote currency
