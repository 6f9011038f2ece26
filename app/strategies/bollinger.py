"""Bollinger bands, against the move: what left the band comes back to its middle."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import Number, SignalRules, close, rounded
from app.strategies.parameters import param


@strategy("bollinger", title="Bollinger mean reversion")
class Bollinger:
    """Buys when the close comes back into the lower band, sells at the middle; shorts mirror it at the upper band.

    Source: John Bollinger, Bollinger on Bollinger Bands (2001), in the mean-reverting reading. It waits for the return
    into the band rather than buying the fall itself, and leaves out moves the filter calls a trend.
    It loses in trends, where the price walks along a band: each return is short and the stop is far.
    """

    length: int = param(20, low=5, high=100, unit="bars", about="length of the average and of the deviation")
    deviations: float = param(2.0, low=0.5, high=4.0, step=0.1, unit="deviations", about="width of the bands")
    trend_length: int = param(100, low=20, high=300, unit="bars", about="length of the average that tells a trend")
    trend_atr: float = param(
        6.0, low=0.5, high=30.0, step=0.5, unit="ATRs", about="farther than this from it is a trend"
    )
    stop_atr: float = param(3.0, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")

    def rules(self) -> SignalRules:
        middle, upper, lower = ta.bb(close, self.length, self.deviations)
        middle, upper, lower = middle.named("basis"), upper.named("upper_band"), lower.named("lower_band")
        above_lower, above_middle = _above(lower).named("above_lower"), _above(middle).named("above_basis")
        above_upper = _above(upper).named("above_upper")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        away = abs(close - ta.sma(close, self.trend_length).named("trend"))
        calm = (away < self.trend_atr * atr).named("calm")
        return SignalRules(
            enter_long=ta.crossover(above_lower, 0) & calm,
            enter_short=ta.crossunder(above_upper, 0) & calm,
            exit_long=ta.crossover(above_middle, 0),
            exit_short=ta.crossunder(above_middle, 0),
            long_stop=close - stop,
            short_stop=close + stop,
            plots={"Upper": upper, "Basis": middle, "Lower": lower},
        )


def _above(line: Number) -> Number:
    """How far the close is above a line, as a share of itself; a difference that only rounding made is none.

    A close on the very line happens: the mean of some prices is often a price. The last bits of a running sum, which
    depend on where the history began, must not say on which side of it the close is.
    """
    return rounded((close - line) / close, 10)
