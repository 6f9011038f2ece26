"""A strategy on its markets, under rules and costs: what a search evaluates, and what is run in full afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.backtest.engine import Scores, backtest, sweep_markets
from app.backtest.model import Costs, Funding, Rules, Run
from app.history import CandleSeries
from app.optimize.evaluate import Objective, Scored
from app.optimize.space import Point
from app.strategies.definition import StrategyDefinition
from app.strategies.evaluate import Cache


@dataclass(frozen=True)
class Experiment:
    """Immutable; the cache only remembers indicators."""

    definition: StrategyDefinition
    markets: tuple[CandleSeries, ...]
    rules: Rules = field(default_factory=Rules)
    costs: Costs = field(default_factory=Costs)
    funding: tuple[Funding | None, ...] = ()  # one per market; () = none is charged
    workers: int | None = None  # threads; None = one for each core
    cache: Cache = field(default_factory=Cache, compare=False)

    @property
    def bars(self) -> int:
        """Of the shortest market."""
        return min(len(market) for market in self.markets)

    def scores(self, points: Sequence[Point], objective: Objective) -> list[Scored]:
        """Every point on every market, in one sweep over all cores."""
        found = sweep_markets(
            self.markets,
            lambda series, point: self.definition.signals_to_score(series, point, self.cache),
            points,
            self.rules,
            self.costs,
            self.funding or None,
            workers=self.workers,
        )
        names = found.dtype.names or Scores._fields
        columns = {name: found[name] for name in names}
        return [
            objective.judge(
                point, [{name: float(columns[name][market, at]) for name in names} for market in range(len(found))]
            )
            for at, point in enumerate(points)
        ]

    def run(self, point: Point, market: int = 0, equity: float | None = None) -> Run:
        """One point on one market in full."""
        rules = self.rules if equity is None else replace(self.rules, equity=equity)
        funding = self.funding[market] if self.funding else None
        series = self.markets[market]
        return backtest(series, self.definition.signals(series, point, self.cache), rules, self.costs, funding)

    def between(self, begin: int, end: int, warm_up: int = 0) -> "Experiment":
        """The same on bars begin … end - 1 of every market, with up to `warm_up` bars of history before them.

        Nothing is said on those: a strategy is silent for exactly its warm-up.
        """
        return replace(self, markets=tuple(market[max(begin - warm_up, 0) : end] for market in self.markets))

    def about(self) -> dict[str, Any]:
        """All that decides the results, as text: what makes two experiments the same."""
        return {
            "strategy": self.definition.name,
            "markets": [f"{one.symbol} {one.interval} {one.source} {len(one)}" for one in self.markets],
            "span": [[int(one.ts[0]), int(one.ts[-1])] for one in self.markets if len(one)],
            "rules": str(self.rules),
            "costs": str(self.costs),
            "funding": [one is not None for one in self.funding],
        }
