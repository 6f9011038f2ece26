"""MACD for the direction, the stochastic oscillator for the moment."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close, high, low
from app.strategies.parameters import param


@strategy("macd_stochastic", title="MACD + Stochastic")
class MacdStochastic:
    """Enters where the stochastic turns out of its extreme while the MACD already points the same way.

    Source: Gerald Appel's MACD (1979) and George Lane's stochastic oscillator (1950s), joined as the "double cross" of
    many trading books. A trade ends when the MACD crosses its signal line against it.
    It loses in quiet markets, where the MACD hugs its signal line and turns against every entry at once.
    """

    fast: int = param(12, low=3, high=40, unit="bars", about="length of the MACD's faster average")
    slow: int = param(26, low=10, high=100, unit="bars", about="length of the MACD's slower average")
    signal: int = param(9, low=2, high=30, unit="bars", about="length of the MACD's signal line")
    stochastic: int = param(14, low=5, high=50, unit="bars", about="length of the stochastic")
    smoothing: int = param(3, low=1, high=10, unit="bars", about="length of the stochastic's averages")
    oversold: float = param(30.0, low=5.0, high=50.0, step=1, unit="%", about="the stochastic turns up from below this")
    stop_atr: float = param(2.5, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(5.0, low=0.5, high=20.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        macd = ta.macd(close, self.fast, self.slow, self.signal)
        k = ta.sma(ta.stoch(close, high, low, self.stochastic), self.smoothing).named("k")
        d = ta.sma(k, self.smoothing).named("d")
        overbought = 100 - self.oversold
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        return SignalRules(
            enter_long=ta.crossover(k, d) & (d < self.oversold) & (macd.line > macd.signal),
            enter_short=ta.crossunder(k, d) & (d > overbought) & (macd.line < macd.signal),
            exit_long=ta.crossunder(macd.line, macd.signal),
            exit_short=ta.crossover(macd.line, macd.signal),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            oscillators={"MACD": macd.line, "Signal": macd.signal, "Histogram": macd.histogram},
        )
