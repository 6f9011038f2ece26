"""Our engine as benchmarks/peers/stopwatch.py drives it: python -m benchmarks.ours WORK JOB.npz."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from app.backtest.engine import backtest, sweep
from app.backtest.metrics import metrics
from app.optimize.evaluate import Objective, Scored
from app.optimize.experiment import Experiment
from app.optimize.genetic import GeneticConfig, GeneticSearch
from app.optimize.space import space_of
from app.strategies.evaluate import Cache
from app.strategies.registry import definition
from app.strategies.signals import Signals
from benchmarks.first import NAME, scored, trades
from benchmarks.jobs import told
from benchmarks.peers.stopwatch import Work, main

SEED = 7


def in_full(job: Any) -> Work:
    """Every trade and the equity at every bar, and all the metrics of a report from them."""
    asked = told(job)
    return lambda: metrics(backtest(*asked)), lambda found: [found.trades.count]


def swept(job: Any) -> Work:
    """From average lines to the figures of every pair."""
    asked, signals_of = told(job), crossing(job)
    pairs = [(fast, slow) for fast, slow in job["pairs"].tolist()]

    def call() -> Any:
        return sweep(asked.series, signals_of, pairs, asked.rules, asked.costs)

    return call, lambda found: (found["equity"] - asked.rules.equity).tolist()


def crossing(job: Any) -> Callable[[tuple[int, int]], Signals]:
    lines, silent = job["lines"], job["silent"].tolist()
    never, none = np.broadcast_to(np.False_, lines.shape[1]), np.broadcast_to(np.nan, lines.shape[1])

    def signals_of(pair: tuple[int, int]) -> Signals:
        up = lines[pair[0]] > lines[pair[1]]
        turned = np.empty(len(up), np.bool_)
        np.not_equal(up[1:], up[:-1], out=turned[1:])
        turned[: silent[pair[1]]] = False
        rise = turned & up
        return Signals(rise, turned ^ rise, never, never, none, none, none, none, 0)

    return signals_of


def simulated(job: Any) -> Work:
    """The backtests of the points that the genetic search tries, and nothing else: no search can be faster."""
    asked, ema_cross = told(job), definition("ema_cross")
    points = [one.point for one in shipped(job, genetic=True)[0]()]
    cache = Cache()
    said = [ema_cross.signals_to_score(asked.series, point, cache) for point in points]

    def call() -> Any:
        return sweep(asked.series, said.__getitem__, range(len(said)))

    return call, lambda found: [float(len(found))]


def shipped(job: Any, *, genetic: bool) -> Work:
    """The strategy as it ships, with stops and targets, from candles to figures, indicators included."""
    asked, ema_cross = told(job), definition("ema_cross")
    ranges = () if genetic else ("fast=2:51:1", "slow=60:250:10")
    space = space_of(list(ema_cross.parameters), ranges)

    def call() -> list[Scored]:
        experiment = Experiment(ema_cross, (asked.series,))
        evaluate = partial(experiment.scores, objective=Objective())
        if not genetic:
            return evaluate(list(space.grid()))
        config = GeneticConfig(population=50, generations=50)
        search = GeneticSearch(space, evaluate, config, SEED)
        return [one for _ in range(config.generations) for one in search.step()]

    return call, lambda found: [float(len(found))]


if __name__ == "__main__":
    main(
        NAME,
        trades,
        {
            "one": scored,
            "full": in_full,
            "sweep": swept,
            "grid": partial(shipped, genetic=False),
            "genetic": partial(shipped, genetic=True),
            "simulations": simulated,
        },
    )
