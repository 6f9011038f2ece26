"""From a point of the search space to one number, over one or several markets.

A point whose backtest says too little (too few trades, an undefined figure) has no value: it is never the best, and
its `why` says what was missing. Nothing here raises for a bad point.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.optimize.space import Point

METRICS = ("sharpe", "sortino", "calmar", "total_return", "cagr", "profit_factor", "expectancy", "win_rate")
"""What can be maximised: fields of app.backtest.engine.Scores of which more is better."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one point came to."""

    point: Point
    value: float | None  # of the objective, higher is better; None = says nothing
    figures: Mapping[str, float] = field(default_factory=dict)
    why: str = ""  # there is no value


Evaluate = Callable[[Sequence[Point]], Sequence[Scored]]


@dataclass(frozen=True, slots=True)
class Objective:
    """Which figure to maximise, and what a point must have to count."""

    metric: str = "sharpe"
    min_trades: int = 30

    def judge(self, point: Point, markets: Sequence[Mapping[str, float]]) -> Scored:
        """The mean of the figure over the markets: a point is only as good as what it does on all of them."""
        figures = {name: _mean([market[name] for market in markets]) for name in markets[0]}
        trades = [market["trades"] for market in markets]
        if min(trades) < self.min_trades:
            return Scored(point, None, figures, f"{min(trades):.0f} trades, at least {self.min_trades} are needed")
        if max(market.get("max_drawdown", 0.0) for market in markets) >= 1.0:
            return Scored(point, None, figures, "equity fell to zero or below")
        if not math.isfinite(figures[self.metric]):
            return Scored(point, None, figures, f"{self.metric} is not defined for it")
        return Scored(point, figures[self.metric], figures)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
