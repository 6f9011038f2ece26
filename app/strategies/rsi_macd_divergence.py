"""Divergence: the price makes a new extreme, its momentum does not."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import Condition, Number, SignalRules, close, high, low, na
from app.strategies.parameters import param


@strategy("rsi_macd_divergence", title="RSI + MACD divergence")
class RsiMacdDivergence:
    """Buys when the price's low is lower and the RSI's low higher than at the last trough, and the MACD turns up.

    Source: divergence as Alexander Elder describes it in Trading for a Living (1993), on Wilder's RSI, with Appel's
    MACD to confirm. A trough of the RSI is known `right` bars after it, so every signal comes late but never changes.
    Shorts mirror it at peaks. It loses in strong trends, which make one divergence after another on their way.
    """

    rsi_length: int = param(14, low=5, high=50, unit="bars", about="length of the RSI")
    left: int = param(5, low=2, high=20, unit="bars", about="bars before a trough that are not below it")
    right: int = param(3, low=1, high=10, unit="bars", about="bars after it that are above it")
    nearest: int = param(5, low=1, high=30, unit="bars", about="least distance between the two troughs")
    farthest: int = param(60, low=20, high=200, unit="bars", about="largest distance between the two troughs")
    wait: int = param(8, low=0, high=30, unit="bars", about="the MACD has to turn within this many bars")
    fast: int = param(12, low=3, high=40, unit="bars", about="length of the MACD's faster average")
    slow: int = param(26, low=10, high=100, unit="bars", about="length of the MACD's slower average")
    signal: int = param(9, low=2, high=30, unit="bars", about="length of the MACD's signal line")
    stop_atr: float = param(2.5, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(5.0, low=0.5, high=20.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        rsi = ta.rsi(close, self.rsi_length).named("rsi")
        macd = ta.macd(close, self.fast, self.slow, self.signal)
        trough = ta.pivotlow(rsi, self.left, self.right).named("rsi_trough")
        peak = ta.pivothigh(rsi, self.left, self.right).named("rsi_peak")
        at_trough, at_peak = (~na(trough)).named("at_trough"), (~na(peak)).named("at_peak")
        dip, top = low[self.right].named("low_then"), high[self.right].named("high_then")
        higher = (trough > _before(at_trough, trough)) & (dip < _before(at_trough, dip))
        lower = (peak < _before(at_peak, peak)) & (top > _before(at_peak, top))
        bullish = (at_trough & self._apart(at_trough) & higher).named("bullish_divergence")
        bearish = (at_peak & self._apart(at_peak) & lower).named("bearish_divergence")
        up = (macd.line > macd.signal).named("macd_up")
        down = (macd.line < macd.signal).named("macd_down")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        ready_long = (up & (ta.barssince(bullish) <= self.wait)).named("long_ready")
        ready_short = (down & (ta.barssince(bearish) <= self.wait)).named("short_ready")
        return SignalRules(
            enter_long=ready_long & ~ready_long[1],
            enter_short=ready_short & ~ready_short[1],
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            oscillators={"RSI": rsi},
        )

    def _apart(self, found: Condition) -> Condition:
        """The last such bar is neither too near nor too far."""
        distance = (ta.barssince(found[1]).named("bars_before") + 1).named("distance")
        return (distance >= self.nearest) & (distance <= self.farthest)


def _before(found: Condition, value: Number) -> Number:
    """`value` on the last such bar but one: on such a bar, the one before it."""
    return ta.valuewhen(found, value, 1)
