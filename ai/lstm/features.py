"""What the LSTM sees: windows of 60 bars, ten numbers a bar, none of which has a unit or looks ahead.

Every feature of bar t is computed from bars 0..t. Prices enter only as ratios to each other or to the average true
range, so one model serves every symbol and interval. Bars before the slowest indicator's warm-up are NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app import indicators

Floats = NDArray[np.float64]
Windows = NDArray[np.float32]

STEPS = 60  # bars in a window
HORIZON = 12  # bars ahead that the label looks
LABEL_ATR = 1.0  # a move of more than this many average true ranges is not NEUTRAL
WARM_UP = 64  # first bar on which every feature has a value
MIN_BARS = 160  # history a forecast needs: the window, and 100 bars for the recursive averages to forget their start
NAMES = (
    "return_atr",  # log return / (ATR / close)
    "range_atr",  # (high - low) / ATR
    "close_in_bar",  # -0.5 at the low, 0.5 at the high
    "volume_z",  # log volume against its last 20 bars
    "rsi",  # -1 .. 1
    "macd_histogram_atr",
    "bollinger",  # (close - middle) / two standard deviations
    "ema20_atr",  # (close - EMA) / ATR
    "ema50_atr",
    "atr_ratio",  # log of ATR over its 50-bar mean
)
_CLIP = 6.0  # beyond this a value says "extreme" and nothing more
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns of one market, oldest first; each (n,)."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def features(bars: Bars) -> Floats:
    """(n,) columns -> (n, 10), NaN in the first WARM_UP rows. A market that does not move gives zeros."""
    close, high, low = bars.close, bars.high, bars.low
    if not len(close):
        return np.empty((0, len(NAMES)))
    true_atr = indicators.atr(high, low, close)
    atr = np.maximum(true_atr, _TINY * close)
    bands = indicators.bollinger(close)
    log_volume = np.log1p(np.maximum(bars.volume, 0))
    volume_bands = indicators.bollinger(log_volume, deviations=1.0)
    log_returns = np.diff(np.log(close), prepend=np.nan)
    columns = (
        log_returns / (atr / close),
        (high - low) / atr,
        np.divide(close - low, high - low, out=np.full(len(close), 0.5), where=high > low) - 0.5,
        (log_volume - volume_bands.middle) / np.maximum(volume_bands.upper - volume_bands.middle, 1e-3),
        np.where(true_atr > 0, (indicators.rsi(close) - 50) / 50, 0.0),
        indicators.macd(close).histogram / atr,
        (close - bands.middle) / np.maximum(bands.upper - bands.middle, _TINY * close),
        (close - indicators.ema(close, 20)) / atr,
        (close - indicators.ema(close, 50)) / atr,
        np.log(atr / np.maximum(indicators.sma(atr, 50), _TINY * close)),
    )
    table: Floats = np.clip(np.stack(columns, axis=1), -_CLIP, _CLIP)
    table[:WARM_UP] = np.nan
    return table


def windows(table: Floats, ends: NDArray[np.intp]) -> Windows:
    """(n, f) rows -> (len(ends), 60, f): for each end t the rows t-59 .. t, as float32."""
    rows: Floats = table[ends[:, None] + np.arange(1 - STEPS, 1)]
    return rows.astype(np.float32)


def labels(bars: Bars) -> NDArray[np.int64]:
    """(n,) -> (n,): 0 SHORT, 1 NEUTRAL, 2 LONG by the close HORIZON bars on; -1 where that is not known yet."""
    move = moves(bars)
    label = np.full(len(move), 1, dtype=np.int64)
    label[move < -LABEL_ATR] = 0
    label[move > LABEL_ATR] = 2
    label[np.isnan(move)] = -1
    return label


def moves(bars: Bars) -> Floats:
    """(n,) -> (n,): change of the close over the next HORIZON bars in ATRs of now. Looks ahead: for labels only."""
    atr = indicators.atr(bars.high, bars.low, bars.close)
    ahead = np.full(len(bars.close), np.nan)
    if len(bars.close) > HORIZON:
        ahead[:-HORIZON] = bars.close[HORIZON:] - bars.close[:-HORIZON]
    in_atr: Floats = np.divide(ahead, atr, out=np.full(len(ahead), np.nan), where=atr > 0)
    return in_atr


def usable_ends(bars: Bars) -> NDArray[np.intp]:
    """Bars on which a window ends that is complete and whose label is known: (m,)."""
    known = np.flatnonzero(labels(bars) >= 0)
    return known[known >= WARM_UP + STEPS - 1]
