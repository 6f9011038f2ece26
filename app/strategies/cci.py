"""Commodity channel index: Lambert's own rule, with a trend filter."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close, hlc3
from app.strategies.parameters import param


@strategy("cci", title="CCI breakout")
class Cci:
    """Goes with a move that has left the usual range: long when the CCI rises above a level, out when it falls to zero.

    Source: Donald Lambert, Commodities magazine (October 1980), who bought above +100 and sold short below -100. A long
    average keeps it on the side of the larger trend.
    It loses when breakouts fail: the index spikes over the level and falls back within a few bars.
    """

    length: int = param(20, low=5, high=100, unit="bars", about="length of the index")
    level: float = param(100.0, low=25.0, high=300.0, step=5, unit="CCI points", about="the usual range ends here")
    trend_length: int = param(100, low=20, high=300, unit="bars", about="length of the average that tells the trend")
    stop_atr: float = param(2.5, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(6.0, low=0.5, high=20.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        cci = ta.cci(hlc3, self.length).named("cci")
        trend = ta.ema(close, self.trend_length).named("trend")
        above, below = (close > trend).named("uptrend"), (close < trend).named("downtrend")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        return SignalRules(
            enter_long=ta.crossover(cci, self.level) & above,
            enter_short=ta.crossunder(cci, -self.level) & below,
            exit_long=ta.crossunder(cci, 0),
            exit_short=ta.crossover(cci, 0),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            plots={"Trend EMA": trend},
            oscillators={"CCI": cci},
        )
