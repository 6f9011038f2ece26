"""How much of a found optimum is luck."""

from datetime import UTC, datetime

from app.backtest.model import Rules, Sizing
from app.history import synthetic
from app.optimize import search
from app.optimize.evaluate import Objective
from app.optimize.experiment import Experiment
from app.optimize.genetic import GeneticConfig
from app.optimize.search import chooser, evaluator, luck, quicker
from app.optimize.space import space_of
from app.optimize.study import Method, StudyConfig
from app.strategies.registry import definition

CROSS = definition("ema_cross")
FAST, SLOW = (parameter.name for parameter in CROSS.parameters[:2])
SPACE = space_of(CROSS.parameters, [f"{FAST}=4:12:4", f"{SLOW}=20:50:15"])
OBJECTIVE = Objective("sharpe", min_trades=5)


def an_experiment(bars=4000):
    series = synthetic("BTCUSDT", "1h", bars, 3, datetime(2024, 1, 1, tzinfo=UTC))
    return Experiment(CROSS, (series,), Rules(sizing=Sizing.EQUITY, size=0.5))


def test_everything_tried_counts_and_choosing_is_tested_out_of_sample():
    experiment = an_experiment()
    found = luck(experiment, OBJECTIVE, SPACE, 500)
    assert (found.among.trials, found.compared) == (500, 9)
    assert 0.0 <= found.among.overfitting.probability <= 1.0
    assert found.validation.configurations == 9
    assert (found.validation.splits, found.validation.paths) == (45, 9)
    assert found.validation.purged > 0


def test_what_is_compared_lies_evenly_over_the_space_and_is_bounded(monkeypatch):
    wide = space_of(CROSS.parameters, [f"{FAST}=3:42:3", f"{SLOW}=50:200:10"])
    monkeypatch.setattr(search, "_MOST_CELLS", 4000 * 20)
    asked = []
    monkeypatch.setattr(Experiment, "scores", lambda _, points, __: asked.extend(points) or [])
    assert luck(an_experiment(), OBJECTIVE, wide, 10_000).compared == 0
    assert len(asked) == 20
    assert len({point[FAST] for point in asked}) >= 12
    assert len({point[SLOW] for point in asked}) >= 12


def test_too_short_a_history_says_why_there_is_no_validation():
    experiment = an_experiment(600)
    found = luck(experiment, Objective("sharpe", min_trades=1), SPACE, 9)
    assert found.validation is None
    assert "cross-validation needs" in found.why


def test_long_trades_leave_fewer_groups():
    experiment = an_experiment(2000)
    found = luck(experiment, Objective("sharpe", min_trades=1), SPACE, 9).validation
    assert found.groups < 10
    assert 2000 // found.groups > 2 * found.purged


def test_nothing_with_a_value_is_said_too():
    experiment = an_experiment()
    found = luck(experiment, Objective("sharpe", min_trades=10**6), SPACE, 9)
    assert (found.compared, found.why) == (0, "fewer than two configurations have a value")


def test_choosing_anew_finds_the_best_of_the_grid():
    experiment = an_experiment()
    best = max(evaluator(experiment, OBJECTIVE)(list(SPACE.grid())), key=lambda one: one.value)
    assert chooser(SPACE, OBJECTIVE, StudyConfig(Method.GRID, 100))(experiment).point == best.point


def test_a_quicker_search_is_the_same_method_with_fewer_trials():
    config = quicker(StudyConfig(Method.GENETIC, genetic=GeneticConfig(20, 50)), 100)
    assert (config.trials, config.genetic.generations, config.genetic.population) == (100, 5, 20)
