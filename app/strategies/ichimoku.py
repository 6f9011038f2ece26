"""Ichimoku: the cloud tells the trend, the two faster lines the moment."""

from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close, maximum, minimum
from app.strategies.parameters import param


@strategy("ichimoku", title="Ichimoku cloud")
class Ichimoku:
    """Goes long when the conversion line is above the base line and the close breaks above the cloud; shorts mirror it.

    Source: Goichi Hosoda's Ichimoku Kinko Hyo (1969). The cloud over a bar is the one that was drawn `displacement`
    bars ahead, so it looks at the past only. A trade ends when the close crosses the base line against it.
    It loses in ranges that are wider than the cloud is thick: the price breaks out of it on both sides.
    """

    conversion: int = param(9, low=3, high=30, unit="bars", about="length of the conversion line")
    base: int = param(26, low=10, high=80, unit="bars", about="length of the base line")
    span: int = param(52, low=20, high=160, unit="bars", about="length of the slower edge of the cloud")
    displacement: int = param(26, low=1, high=60, unit="bars", about="how far ahead the cloud is drawn")
    stop_atr: float = param(3.0, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(9.0, low=0.5, high=30.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        conversion = ta.donchian(self.conversion).named("conversion_line")
        base = ta.donchian(self.base).named("base_line")
        # TradingView draws the spans displacement - 1 bars ahead: it counts the bar itself.
        span_a = ((conversion + base) / 2).named("leading_span_a")[self.displacement - 1].named("span_a")
        span_b = ta.donchian(self.span).named("leading_span_b")[self.displacement - 1].named("span_b")
        top, bottom = maximum(span_a, span_b).named("cloud_top"), minimum(span_a, span_b).named("cloud_bottom")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        above = ((close > top) & (conversion > base)).named("above_cloud")
        below = ((close < bottom) & (conversion < base)).named("below_cloud")
        return SignalRules(
            enter_long=above & ~above[1],
            enter_short=below & ~below[1],
            exit_long=ta.crossunder(close, base),
            exit_short=ta.crossover(close, base),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            plots={"Conversion": conversion, "Base": base, "Span A": span_a, "Span B": span_b},
        )
