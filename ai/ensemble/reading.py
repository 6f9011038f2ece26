"""A market in a few numbers without a unit: what the language models are told and the stand-ins judge by.

Too little history, or a market that does not move, raises ValueError: there is nothing to have an opinion on.
"""

from dataclasses import dataclass, fields

import numpy as np

from app import indicators
from app.domain.candle import MarketView

MIN_BARS = 60  # the slowest average is over 50 bars
_LOOK_BACK = 20
_MOST_BARS = 250  # what came before has no say in any average any more


@dataclass(frozen=True, slots=True)
class Reading:
    """All of the last closed bar, except `price`. `_atr` = in average true ranges, `_pct` = in percent."""

    price: float  # mark price, quote currency
    atr_pct: float  # of the close
    rsi: float  # 14 bars, 0-100
    macd_atr: float  # MACD line
    macd_histogram_atr: float
    bollinger_position: float  # 0 at the lower band, 1 at the upper
    bollinger_width_pct: float  # upper - lower, of the middle
    ema20_distance_atr: float  # close - EMA(20)
    ema50_distance_atr: float  # close - EMA(50)
    ema_spread_atr: float  # EMA(20) - EMA(50)
    range_position: float  # of the close in the 20-bar range: 0 at its low, 1 at its high
    volume_ratio: float  # last bar / mean of the 20 bars before
    return_1_pct: float
    return_5_pct: float
    return_20_pct: float
    volatility_pct: float  # standard deviation of the last 20 one-bar returns


def read(view: MarketView) -> Reading:
    """Read a market of at least MIN_BARS closed candles. Raises ValueError when that is not possible."""
    if len(view.candles) < MIN_BARS:
        raise ValueError(f"{MIN_BARS} candles are needed, got {len(view.candles)}")
    high, low, close, volume = (
        np.array([getattr(candle, name) for candle in view.candles[-_MOST_BARS:]], dtype=np.float64)
        for name in ("high", "low", "close", "volume")
    )
    atr = float(indicators.atr(high, low, close)[-1])
    bands = indicators.bollinger(close)
    width = float(bands.upper[-1] - bands.lower[-1])
    last = float(close[-1])
    if not atr > 0 or not width > 0:
        raise ValueError("the market has not moved")
    ema20, ema50 = (float(indicators.ema(close, period)[-1]) for period in (20, 50))
    macd = indicators.macd(close)
    returns = np.diff(np.log(close[-_LOOK_BACK - 1 :]))
    highest, lowest = float(high[-_LOOK_BACK:].max()), float(low[-_LOOK_BACK:].min())
    usual_volume = float(volume[-_LOOK_BACK - 1 : -1].mean())
    reading = Reading(
        price=view.mark_price,
        atr_pct=100 * atr / last,
        rsi=float(indicators.rsi(close)[-1]),
        macd_atr=float(macd.line[-1]) / atr,
        macd_histogram_atr=float(macd.histogram[-1]) / atr,
        bollinger_position=(last - float(bands.lower[-1])) / width,
        bollinger_width_pct=100 * width / float(bands.middle[-1]),
        ema20_distance_atr=(last - ema20) / atr,
        ema50_distance_atr=(last - ema50) / atr,
        ema_spread_atr=(ema20 - ema50) / atr,
        range_position=(last - lowest) / (highest - lowest),
        volume_ratio=float(volume[-1]) / usual_volume if usual_volume > 0 else 1.0,
        return_1_pct=100 * (last / float(close[-2]) - 1),
        return_5_pct=100 * (last / float(close[-6]) - 1),
        return_20_pct=100 * (last / float(close[-_LOOK_BACK - 1]) - 1),
        volatility_pct=100 * float(returns.std()),
    )
    if not all(np.isfinite(getattr(reading, field.name)) for field in fields(reading)):
        raise ValueError("a candle or the mark price is not a number")
    return reading
