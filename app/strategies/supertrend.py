"""SuperTrend: a ratcheting band of average true ranges."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close
from app.strategies.parameters import param


@strategy("supertrend", title="SuperTrend")
class SuperTrend:
    """Follows a band of average true ranges around the price, and turns when the close crosses it.

    Source: Olivier Seban's SuperTrend, as TradingView's ta.supertrend computes it. The band itself trails the trade;
    the stop is the farther one that holds when a single bar runs through the band.
    It loses in ranges: the band is crossed on both sides, and each turn gives back what the band's width costs.
    """

    atr_period: int = param(10, low=2, high=50, unit="bars", about="length of the average true range")
    factor: float = param(3.0, low=1.0, high=8.0, step=0.1, unit="ATRs", about="distance of the band")
    stop_atr: float = param(4.0, low=0.5, high=12.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(12.0, low=0.5, high=30.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        line, direction = ta.supertrend(self.factor, self.atr_period)
        atr = ta.atr(self.atr_period)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        return SignalRules(
            enter_long=ta.crossunder(direction, 0),  # Pine's direction is -1 while the trend is up
            enter_short=ta.crossover(direction, 0),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            plots={"SuperTrend": line},
        )
