"""Walk-forward analysis: choose on the past, trade the bars that follow, move on, and look only at what was traded.

Pardo, The Evaluation and Optimization of Trading Strategies (2008). Every out-of-sample bar is traded once, by
parameters that were chosen before it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.backtest.metrics import metrics
from app.backtest.model import Run
from app.domain.errors import OperatorError
from app.history import CandleSeries, Floats, Stamps
from app.optimize.evaluate import Scored
from app.optimize.experiment import Experiment

Choose = Callable[[Experiment], Scored | None]
"""The best point on an experiment; None when none has a value."""

_LEAST_BARS = 50  # of a window that is traded


@dataclass(frozen=True, slots=True)
class Window:
    """Bars by position, ends excluded. `test` begins where `train` ends."""

    train: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    window: Window
    chosen: Scored | None  # None: nothing said enough, and nothing was traded
    traded: Run | None  # on the first market, its warm-up bars before the window included
    sharpe: float | None  # out of sample, per year


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    folds: tuple[Fold, ...]
    ts: Stamps  # of the traded bars, ms
    equity: Floats  # at their closes, each window going on with the last one's money
    efficiency: float | None
    """Mean out-of-sample over mean in-sample Sharpe ratio: 1 = it traded as it was chosen; None = not defined.

    A window without a trade counts as 0. After ruin there is none.
    """


def windows(bars: int, folds: int, train_share: float = 3.0, *, anchored: bool = False) -> list[Window]:
    """`folds` windows that trade the end of the bars without a gap, each after `train_share` times as many to learn.

    Anchored ones learn from everything before. Raises OperatorError when there are too few bars.
    """
    test = int(bars / (folds + train_share))
    if folds < 1 or train_share <= 0 or test < _LEAST_BARS:
        need = int(_LEAST_BARS * (max(folds, 1) + train_share)) + 1
        raise OperatorError(f"{bars} bars are too few for {folds} windows: take fewer windows or at least {need} bars")
    first = bars - folds * test
    learn = int(train_share * test)
    starts = [first + number * test for number in range(folds)]
    return [Window((0 if anchored else max(at - learn, 0), at), (at, at + test)) for at in starts]


def walk_forward(
    experiment: Experiment,
    plan: list[Window],
    choose: Choose,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Choose and trade, window by window. All markets are learned from; the first one is traded.

    What is held at the end of a window is closed there. Once no money is left nothing is traded any more.
    """
    folds: list[Fold] = []
    stamps: list[Stamps] = []
    curve: list[Floats] = []
    money = experiment.rules.equity
    for number, window in enumerate(plan, 1):
        chosen = choose(experiment.between(*window.train))
        series = experiment.markets[0][slice(*window.test)]
        fold = Fold(window, chosen, None, None)
        if chosen is not None and money > 0.0:
            fold = _traded(experiment, window, chosen, money)
        folds.append(fold)
        stamps.append(series.ts)
        curve.append(_equity(fold, series, money))
        money = float(curve[-1][-1])
        if progress is not None:
            progress(number, len(plan))
    return WalkForward(tuple(folds), np.concatenate(stamps), np.concatenate(curve), _efficiency(experiment, folds))


def _traded(experiment: Experiment, window: Window, chosen: Scored, money: float) -> Fold:
    warm_up = experiment.definition.warm_up(chosen.point)
    run = experiment.between(*window.test, warm_up=warm_up).run(chosen.point, equity=money)
    return Fold(window, chosen, run, metrics(run).growth.sharpe)


def _equity(fold: Fold, series: CandleSeries, money: float) -> Floats:
    return np.full(len(series), money) if fold.traded is None else fold.traded.equity[-len(series) :]


def _efficiency(experiment: Experiment, folds: list[Fold]) -> float | None:
    """Both Sharpe ratios are of the first market, so that they compare."""
    pairs = []
    for fold in folds:
        if fold.chosen is not None:
            if fold.traded is None or fold.traded.equity.min() <= 0.0:
                return None
            learned = metrics(experiment.between(*fold.window.train).run(fold.chosen.point)).growth.sharpe
            if learned is not None:
                pairs.append((fold.sharpe or 0.0, learned))
    inside = sum(learned for _, learned in pairs)
    return sum(traded for traded, _ in pairs) / inside if inside > 0 else None
