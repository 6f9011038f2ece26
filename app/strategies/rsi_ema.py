"""RSI pullbacks in the direction of a moving average."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close
from app.strategies.parameters import param


@strategy("rsi_ema", title="RSI + EMA pullback")
class RsiEma:
    """Buys pullbacks in an uptrend: above a long average, when the RSI turns up from a low; shorts mirror it.

    Source: Welles Wilder's relative strength index (1978), read only with the trend, as Constance Brown and Larry
    Connors teach it. A trade ends when the RSI has swung to the other extreme, at its stop, or at its target.
    It loses when the trend ends: the pullback that was bought is then the turn itself.
    """

    ema_length: int = param(100, low=20, high=300, unit="bars", about="length of the average that tells the trend")
    rsi_length: int = param(14, low=2, high=50, unit="bars", about="length of the RSI")
    pullback: float = param(40.0, low=15.0, high=50.0, step=1, unit="RSI points", about="a pullback ends above this")
    extreme: float = param(75.0, low=55.0, high=95.0, step=1, unit="RSI points", about="a long is taken off above this")
    stop_atr: float = param(2.5, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(5.0, low=0.5, high=20.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        trend = ta.ema(close, self.ema_length).named("trend")
        rsi = ta.rsi(close, self.rsi_length).named("rsi")
        above, below = (close > trend).named("uptrend"), (close < trend).named("downtrend")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        return SignalRules(
            enter_long=ta.crossover(rsi, self.pullback) & above,
            enter_short=ta.crossunder(rsi, 100 - self.pullback) & below,
            exit_long=ta.crossover(rsi, self.extreme),
            exit_short=ta.crossunder(rsi, 100 - self.extreme),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            plots={"Trend EMA": trend},
            oscillators={"RSI": rsi},
        )
