"""A strategy on its markets, under rules and costs: what a search evaluates, and what is run in full afterwards."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        """Of the first market, which windows are cut from."""
        return len(self.markets[0])

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
        """The same on bars begin … end - 1 of the first market, with up to `warm_up` bars of history before them.

        Nothing is said on those: a strategy is silent for exactly its warm-up. Of the other markets the bars of the
        same time: bar 1,000 of a market that was listed later is another day, and may lie in what is to be traded.
        """
        first = self.markets[0]
        start, last = int(first.ts[begin]), int(first.ts[end - 1])

        def cut(market: CandleSeries) -> CandleSeries:
            low, high = np.searchsorted(market.ts, [start, last + 1])
            return market[max(int(low) - warm_up, 0) : int(high)]

        return replace(self, markets=tuple(map(cut, self.markets)))

    def about(self) -> dict[str, Any]:
        """All that decides the results, as text: what makes two experiments the same.

        The rules of a strategy are its Pine script, which is made of the same definition; data by its content.
        """
        return {
            "strategy": self.definition.name,
            "its rules": _digest(self.definition.pine().encode()),
            "markets": [f"{one.symbol} {one.interval} {one.source} {len(one)}" for one in self.markets],
            "span": [[int(one.ts[0]), int(one.ts[-1])] for one in self.markets if len(one)],
            "rules": str(self.rules),
            "costs": str(self.costs),
            "candles": [_content(one.ts, one.open, one.high, one.low, one.close, one.volume) for one in self.markets],
            "funding": [None if one is None else _content(one.ts, one.rate) for one in self.funding],
        }

    def fingerprint(self) -> str:
        """`about` in one word."""
        return _digest(json.dumps(self.about(), sort_keys=True).encode())


def _content(*arrays: NDArray[Any]) -> str:
    return _digest(*(np.ascontiguousarray(array).tobytes() for array in arrays))


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
