"""Walk-forward on a real strategy and generated candles: what is chosen has not seen what is traded."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from app.backtest.metrics import metrics
from app.backtest.model import Funding, Rules, Sizing
from app.domain.errors import OperatorError
from app.history import CandleSeries, synthetic
from app.optimize.evaluate import Objective
from app.optimize.experiment import Experiment
from app.optimize.space import space_of
from app.optimize.walk_forward import Window, _efficiency, _traded, walk_forward, windows
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


def test_other_markets_are_cut_by_time_so_that_none_shows_the_future():
    later = replace(SERIES[500:], symbol="ETHUSDT")
    both = replace(an_experiment(), markets=(SERIES, later))
    first, other = both.between(1000, 2000, warm_up=50).markets
    assert (first.ts[50], first.ts[-1]) == (SERIES.ts[1000], SERIES.ts[1999])
    assert (other.ts[50], other.ts[-1]) == (first.ts[50], first.ts[-1])
    assert len(both.between(0, 400).markets[1]) == 0
    assert walk_forward(both, windows(both.bars, 3), best_of).folds[0].chosen is not None


def test_after_ruin_nothing_is_traded_and_no_efficiency_is_claimed():
    plan = windows(len(SERIES), 3)
    folds = []

    def ruined(experiment, window, chosen, money):
        folds.append(money)
        fold = _traded(experiment, window, chosen, money)
        broke = fold.traded.equity.copy()
        broke[-1] = -5.0
        return replace(fold, traded=replace(fold.traded, equity=broke), sharpe=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.optimize.walk_forward._traded", ruined)
        found = walk_forward(an_experiment(), plan, best_of)
    assert folds == [RULES.equity]
    assert [fold.traded is None for fold in found.folds] == [False, True, True]
    assert found.equity[-1] == -5.0
    assert found.efficiency is None


def test_a_window_without_a_trade_counts_as_nothing_earned():
    plan = windows(len(SERIES), 2)
    full = walk_forward(an_experiment(), plan, best_of)
    quiet = [replace(full.folds[0], sharpe=None), full.folds[1]]
    learned = [metrics(an_experiment().between(*f.window.train).run(f.chosen.point)).growth.sharpe for f in full.folds]
    assert _efficiency(an_experiment(), quiet) == pytest.approx(full.folds[1].sharpe / sum(learned))


@pytest.mark.parametrize(
    "changed",
    [
        {"markets": (replace(SERIES, close=np.r_[SERIES.close[:-1], SERIES.close[-1] + 0.1]),)},
        {"funding": (Funding(SERIES.ts[::8].copy(), np.full(375, 0.0001)),)},
        {"definition": definition("cci")},
        {"definition": replace(CROSS, about="the same name, other words in the file")},
        {"rules": replace(RULES, leverage=2)},
    ],
)
def test_what_changes_the_results_changes_the_fingerprint(changed):
    assert an_experiment().fingerprint() == an_experiment(replace(SERIES)).fingerprint()
    assert replace(an_experiment(), **changed).fingerprint() != an_experiment().fingerprint()


def test_a_window_in_which_nothing_can_be_chosen_is_not_traded():
    found = walk_forward(an_experiment(), windows(len(SERIES), 2), lambda _: None)
    assert all(fold.traded is None for fold in found.folds)
    assert set(found.equity) == {RULES.equity}
    assert found.efficiency is None


def test_the_windows_are_where_they_say():
    assert windows(100, 1, 0.5) == [Window((1, 34), (34, 100))]
