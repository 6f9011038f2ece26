"""The combiner: the other strategies vote, and enough votes make a trade."""

from collections.abc import Sequence

from app.strategies import ta
from app.strategies.bollinger import Bollinger
from app.strategies.cci import Cci
from app.strategies.definition import HasRules, agreed, rules_by_default, strategy
from app.strategies.ema_cross import EmaCross
from app.strategies.expressions import Number, Numeric, SignalRules, close, latch, number
from app.strategies.ichimoku import Ichimoku
from app.strategies.macd_stochastic import MacdStochastic
from app.strategies.parameters import param
from app.strategies.rsi_ema import RsiEma
from app.strategies.rsi_macd_divergence import RsiMacdDivergence
from app.strategies.supertrend import SuperTrend


@strategy("combiner", title="Combiner")
class Combiner:
    """Lets the other strategies vote: each holds a stance, long, short or none, and a quorum of stances makes a trade.

    Source: the majority of independent judges (Condorcet 1785), as ensembles use it. A stance follows the member's own
    entries and exits with its default parameters, not its stops. The trade ends when the votes no longer favour it.
    It loses when the members are not independent: trend followers are wrong together, and a quorum of them is late.
    """

    quorum: int = param(3, low=1, high=8, unit="votes", about="long minus short votes that make a trade")
    supertrend: int = param(1, low=0, high=1, unit="0 or 1", about="1: SuperTrend votes")
    rsi_ema: int = param(1, low=0, high=1, unit="0 or 1", about="1: RSI + EMA pullback votes")
    macd_stochastic: int = param(1, low=0, high=1, unit="0 or 1", about="1: MACD + Stochastic votes")
    ichimoku: int = param(1, low=0, high=1, unit="0 or 1", about="1: Ichimoku cloud votes")
    bollinger: int = param(0, low=0, high=1, unit="0 or 1", about="1: Bollinger mean reversion votes")
    ema_cross: int = param(1, low=0, high=1, unit="0 or 1", about="1: EMA crossover votes")
    cci: int = param(1, low=0, high=1, unit="0 or 1", about="1: CCI breakout votes")
    rsi_macd_divergence: int = param(0, low=0, high=1, unit="0 or 1", about="1: RSI + MACD divergence votes")
    stop_atr: float = param(3.0, low=0.5, high=10.0, step=0.25, unit="ATRs", about="distance of the stop")
    target_atr: float = param(9.0, low=0.5, high=30.0, step=0.5, unit="ATRs", about="distance of the target")

    def rules(self) -> SignalRules:
        members: Sequence[tuple[Numeric, type[HasRules], str]] = (
            (self.supertrend, SuperTrend, "supertrend"),
            (self.rsi_ema, RsiEma, "rsi_ema"),
            (self.macd_stochastic, MacdStochastic, "macd_stochastic"),
            (self.ichimoku, Ichimoku, "ichimoku"),
            (self.bollinger, Bollinger, "bollinger"),
            (self.ema_cross, EmaCross, "ema_cross"),
            (self.cci, Cci, "cci"),
            (self.rsi_macd_divergence, RsiMacdDivergence, "divergence"),
        )
        cast = [counts * _stance(member, name) for counts, member, name in members]
        votes = sum(cast[1:], start=number(cast[0])).named("votes")
        atr = ta.atr(14)
        stop = (self.stop_atr * atr).named("stop_distance")
        target = (self.target_atr * atr).named("target_distance")
        return SignalRules(
            enter_long=(votes >= self.quorum) & (votes[1] < self.quorum),
            enter_short=(votes <= -self.quorum) & (votes[1] > -self.quorum),
            exit_long=ta.crossunder(votes, 1),
            exit_short=ta.crossover(votes, -1),
            long_stop=close - stop,
            short_stop=close + stop,
            long_target=close + target,
            short_target=close - target,
            oscillators={"Votes": votes},
        )


def _stance(member: type[HasRules], name: str) -> Number:
    return latch(**agreed(rules_by_default(member), f"{name}_")).named(f"{name}_stance")
