"""Tickers and intervals as the world spells them, made ours. What is not certain is refused, not guessed."""

import re
from datetime import timedelta

from app.domain.candle import INTERVALS
from app.domain.ids import Symbol
from app.pipeline.message.model import Malformed

DEFAULT_INTERVAL = "1h"

_EXCHANGE_PREFIX = re.compile(r"([A-Z0-9_]+):(.+)")
_DELAYED = re.compile(r"_DLY?(?![A-Z0-9])")  # at the end of the exchange's or the ticker's name
_UNIFIED = re.compile(r"([A-Z0-9]+)/([A-Z0-9]+)(?::([A-Z0-9]+))?")  # BASE/QUOTE:SETTLE
_PERPETUAL = re.compile(r"(?:\.P|[-_.]?PERP|-SWAP)$")
_PLAIN = re.compile(r"[A-Z0-9]{3,30}")

_TRADINGVIEW_INTERVALS = {
    **{str(span // timedelta(minutes=1)): name for name, span in INTERVALS.items() if span <= timedelta(days=1)},
    "D": "1d",
    "1D": "1d",
    "3D": "3d",
    "W": "1w",
    "1W": "1w",
    "1H": "1h",
    "2H": "2h",
    "4H": "4h",
    "6H": "6h",
    "8H": "8h",
    "12H": "12h",
}


def symbol_of(ticker: str, field: str, exchange: str = "") -> Symbol:
    """The venue-neutral name: BINANCE:BTCUSDT.P, BTCUSDTPERP, BTC/USDT:USDT and BTC-USDT-SWAP are all BTCUSDT."""
    if not ticker.isascii():
        raise Malformed(field, "contains characters no ticker has")
    name = ticker.strip().upper()
    if _DELAYED.search(name) or _DELAYED.search(exchange.upper()):
        raise Malformed(field, "comes from a delayed data feed (_DL, _DLY): such prices must not be traded on")
    prefixed = _EXCHANGE_PREFIX.fullmatch(name)
    if prefixed:
        name = prefixed[2]
    unified = _UNIFIED.fullmatch(name)
    if unified:
        base, quote, settle = unified.groups()
        if settle not in (None, quote):
            raise Malformed(field, f"is settled in {settle}, not in {quote}: only linear contracts are traded")
        name = base + quote
    name = _PERPETUAL.sub("", name).replace("-", "")
    if not _PLAIN.fullmatch(name):
        raise Malformed(field, "is not the ticker of a perpetual future, e.g. BTCUSDT.P")
    return Symbol(name)


def interval_of(text: str, field: str) -> str:
    """A key of INTERVALS, from TradingView's {{interval}} ("60", "D") or our own name ("1h")."""
    if text in INTERVALS:
        return text
    if text in _TRADINGVIEW_INTERVALS:
        return _TRADINGVIEW_INTERVALS[text]
    raise Malformed(field, f"is not an interval the bot keeps candles of: {', '.join(INTERVALS)}")
