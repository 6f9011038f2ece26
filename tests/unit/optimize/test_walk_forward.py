"""Walk-forward on a real strategy and generated candles: what is chosen has not seen what is traded."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from app.backtest.model import Rules, Sizing
from app.domain.errors import OperatorError
from app.history import CandleSeries, synthetic
from app.optimize.evaluate import Objective
from app.optimize.experiment import Experiment
from app.optimize.space import space_of
from app.optimize.walk_forward import Window, walk_forward, windows
from app.strategies.registry import definition

SERIES = synthetic("BTCUSDT", "1h", 3000, 3, datetime(2024, 1, 1, tzinfo=UTC))
RULES = Rules(sizing=Sizing.EQUITY, size=0.5)
OBJECTIVE = Objective("sharpe", min_trades=5)
CROSS = definition("ema_cross")
FAST, SLOW = (parameter.name for parameter in CROSS.parameters[:2])
POINTS = list(space_of(CROSS.parameters, [f"{FAST}=5:15:5", f"{SLOW}=20:40:10"]).grid())


def an_experiment(series: CandleSeries = SERIES) -> Experiment:
    return Experiment(CROSS, (series,), RULES)


def best_of(experiment):
    scored = [one for one in experiment.scores(POINTS, OBJECTIVE) if one.value is not None]
    return max(scored, key=lambda one: one.value, default=None)


@pytest.mark.parametrize("anchored", [False, True])
def test_the_traded_windows_cover_the_end_without_gap_or_overlap(anchored):
    plan = windows(1000, 4, 3.0, anchored=anchored)
    assert [window.test for window in plan] == [(432, 574), (574, 716), (716, 858), (858, 1000)]
    assert all(window.train[1] == window.test[0] for window in plan)
    assert [window.train[0] for window in plan] == ([0] * 4 if anchored else [6, 148, 290, 432])


def test_too_few_bars_say_how_many_are_needed():
    with pytest.raises(OperatorError, match=r"300 bars are too few for 4 windows: .* at least 351 bars"):
        windows(300, 4, 3.0)


def test_a_score_is_the_figure_of_the_run_it_stands_for():
    experiment = an_experiment()
    (one,) = experiment.scores(POINTS[:1], OBJECTIVE)
    run = experiment.run(POINTS[0])
    assert one.figures["trades"] == len(run.trades)
    assert one.figures["equity"] == pytest.approx(run.equity[-1], rel=1e-12)


def test_money_goes_on_from_window_to_window_and_every_trade_is_inside_its_own():
    plan = windows(len(SERIES), 3)
    found = walk_forward(an_experiment(), plan, best_of)
    money = RULES.equity
    for fold in found.folds:
        assert fold.traded is not None
        assert fold.traded.rules.equity == money
        lead = len(fold.traded.series) - (fold.window.test[1] - fold.window.test[0])
        assert lead == CROSS.warm_up(fold.chosen.point)
        assert (fold.traded.trades["entry_bar"] >= lead).all()
        money = float(fold.traded.equity[-1])
    assert found.equity[-1] == money
    assert len(found.equity) == len(found.ts) == sum(end - begin for begin, end in (w.test for w in plan))
    assert found.ts[0] == SERIES.ts[plan[0].test[0]]


def test_what_is_chosen_has_not_seen_what_is_traded():
    plan = windows(len(SERIES), 3)
    cut = plan[1].test[0]
    shift = np.where(np.arange(len(SERIES)) < cut, 1.0, 1.7)
    columns = {name: getattr(SERIES, name) * shift for name in ("open", "high", "low", "close")}
    before = walk_forward(an_experiment(), plan, best_of)
    after = walk_forward(an_experiment(replace(SERIES, **columns)), plan, best_of)
    assert [fold.chosen.point for fold in after.folds[:2]] == [fold.chosen.point for fold in before.folds[:2]]
    size = plan[0].test[1] - plan[0].test[0]
    assert np.array_equal(before.equity[:size], after.equity[:size])


def test_a_window_in_which_nothing_can_be_chosen_is_not_traded():
    found = walk_forward(an_experiment(), windows(len(SERIES), 2), lambda _: None)
    assert all(fold.traded is None for fold in found.folds)
    assert set(found.equity) == {RULES.equity}
    assert found.efficiency is None


def test_the_windows_are_where_they_say():
    assert windows(100, 1, 0.5) == [Window((1, 34), (34, 100))]
