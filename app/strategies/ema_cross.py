"""Moving average crossover: the oldest of trend followers."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close, condition
from app.strategies.parameters import param


@strategy("ema_cross", title="EMA crossover")
class EmaCross:
    """Follows the faster of two exponential moving averages: long when it crosses above the slower, short below.

    Source: Richard Donchian's moving average rules of the 1960s (5 and 20 days), with exponential averages. It turns at
    every cross; the stop ends a trade the market has turned against before the averages notice.
    It loses in ranges, where the averages cross back and forth and every cross is late.
    """

    fast: int = param(21, low=2, high=100, unit="bars", about="length of the faster average")
    slow: int = param(100, low=5, high=300, unit="bars", about="length of the slower average; above the faster's")
    atr_period: int = param(14, low=2, high=50, unit="bars", about="length of the average true range")
    stop_atr: float = param(3.0, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(9.0, low=0.5, high=30.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        fast = ta.ema(close, self.fast).named("fast_ema")
        slow = ta.ema(close, self.slow).named("slow_ema")
        ordered = condition(self.fast < self.slow).named("lengths_fit")
        stop = (self.stop_atr * ta.atr(self.atr_period)).named("stop_distance")
        target = (self.target_atr * ta.atr(self.atr_period)).named("target_distance")
        return SignalRules(
            enter_long=ta.crossover(fast, slow) & ordered,
            enter_short=ta.crossunder(fast, slow) & ordered,
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            plots={"Fast EMA": fast, "Slow EMA": slow},
        )
