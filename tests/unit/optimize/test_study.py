"""A study finds the top of a known hill, goes on where it stopped, and never mixes two searches."""

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.optimize.evaluate import Objective
from app.optimize.genetic import GeneticConfig
from app.optimize.space import Axis, SearchSpace
from app.optimize.study import Method, Study, StudyConfig
from tests.unit.optimize.hills import SPACE, TOP, Hill

ABOUT = {"strategy": "hill", "metric": "height"}
SMALL = SearchSpace((Axis("length", 30, 40, 1, integer=True), Axis("factor", 3.0, 3.5, 0.1)), {"stop": 2.0})


def a_study(method=Method.TPE, trials=150, path=None, space=SPACE, about=ABOUT, **options):
    return Study(space, about, StudyConfig(method, trials, **options), path)


@pytest.mark.parametrize("method", [Method.TPE, Method.CMAES, Method.NSGA2])
def test_every_sampler_comes_near_the_top(method):
    study = a_study(method)
    study.run(Hill())
    assert study.best is not None
    assert study.best.value > -0.2
    assert study.best.point["stop"] == TOP["stop"]


def test_the_grid_tries_every_point_once_and_finds_the_top():
    hill = Hill()
    study = a_study(Method.GRID, trials=10_000, space=SMALL)
    study.run(hill)
    assert len(hill.asked) == len(study.scored) == SMALL.size == 66
    assert study.best.point == TOP


def test_a_grid_that_is_larger_than_the_trials_is_tried_all_over(tmp_path):
    path = tmp_path / "hill.log"
    a_study(Method.GRID, 60, path).run(Hill())
    study = a_study(Method.GRID, 200, path)
    study.run(Hill())
    assert len(study.scored) == 200
    lengths = [one.point["length"] for one in study.scored]
    assert (min(lengths), max(lengths)) == (2, 60)
    assert np.mean(lengths) == pytest.approx(31, abs=2)


def test_a_genetic_search_tries_what_it_is_asked_for_and_then_no_more(tmp_path):
    path, options = tmp_path / "hill.log", {"genetic": GeneticConfig(50, 100)}
    a_study(Method.GENETIC, 120, path, **options).run(Hill())
    assert len(a_study(Method.GENETIC, 120, path, **options).scored) == 120
    hill = Hill()
    a_study(Method.GENETIC, 120, path, **options).run(hill)
    assert hill.asked == []
    a_study(Method.GENETIC, 150, path, **options).run(hill)
    assert len(hill.asked) == 30


def test_the_genetic_search_finds_the_top_and_asks_no_point_twice():
    hill = Hill()
    study = a_study(Method.GENETIC, trials=100_000, genetic=GeneticConfig(40, 30))
    study.run(hill)
    assert study.best.point == TOP
    keys = [SPACE.key(point) for point in hill.asked]
    assert len(keys) == len(set(keys)) <= 40 * 30


@pytest.mark.parametrize("method", list(Method))
def test_the_same_seed_gives_the_same_search(method):
    options = {"genetic": GeneticConfig(10, 5)}
    one, two = a_study(method, 40, **options), a_study(method, 40, **options)
    one.run(Hill())
    two.run(Hill())
    assert [s.point for s in one.scored] == [s.point for s in two.scored]


@pytest.mark.parametrize("method", list(Method))
def test_a_study_goes_on_where_it_stopped(method, tmp_path):
    path, options = tmp_path / "hill.log", {"genetic": GeneticConfig(10, 4)}
    first, hill = a_study(method, 30, path, **options), Hill()
    first.run(hill)
    again = a_study(method, 60, path, **options)
    assert [s.point for s in again.scored] == [s.point for s in first.scored]
    assert [s.value for s in again.scored] == [s.value for s in first.scored]
    again.run(hill)
    assert len(again.scored) > len(first.scored)
    keys = [SPACE.key(point) for point in hill.asked]
    assert len(keys) == len(set(keys)), "a point was tried twice"


def test_a_finished_study_asks_nothing_more(tmp_path):
    path = tmp_path / "hill.log"
    a_study(Method.GRID, 1000, path, SMALL).run(Hill())
    hill = Hill()
    a_study(Method.GRID, 1000, path, SMALL).run(hill)
    assert hill.asked == []


def test_a_study_of_something_else_is_not_gone_on_with(tmp_path):
    path = tmp_path / "hill.log"
    a_study(path=path)
    with pytest.raises(OperatorError, match=r"something else \(metric changed\)"):
        a_study(path=path, about={**ABOUT, "metric": "depth"})
    with pytest.raises(OperatorError, match="axes changed"):
        a_study(path=path, space=SMALL)


def test_points_without_a_value_are_kept_with_their_reason_and_are_never_the_best(tmp_path):
    space = SearchSpace((Axis("length", 9, 11, 1, integer=True),), {"factor": 3.3, "stop": 2.0})
    path = tmp_path / "hill.log"
    a_study(Method.GRID, 10, path, space).run(Hill())
    (empty,) = [one for one in a_study(Method.GRID, 10, path, space).scored if one.value is None]
    assert (empty.point["length"], empty.why) == (10, "3 trades, at least 30 are needed")


def test_progress_is_told_and_ends_at_the_total():
    told = []
    study = a_study(Method.TPE, 100)
    study.run(Hill(), lambda done, of, best: told.append((done, of, best.value)))
    assert [of for _, of, _ in told] == [100] * len(told)
    assert told[-1][0] == 100
    assert told[-1][2] == study.best.value


def test_cmaes_with_one_parameter_says_what_to_use_instead():
    with pytest.raises(OperatorError, match="--method tpe or grid"):
        a_study(Method.CMAES, space=SearchSpace((SPACE.axes[0],), {}))


def test_a_point_counts_only_with_enough_trades_on_every_market():
    objective = Objective("sharpe", min_trades=30)
    markets = [{"sharpe": 1.0, "trades": 50.0}, {"sharpe": 2.0, "trades": 31.0}]
    assert objective.judge({"a": 1}, markets).value == 1.5
    few = objective.judge({"a": 1}, [*markets, {"sharpe": 9.0, "trades": 29.0}])
    assert (few.value, few.why) == (None, "29 trades, at least 30 are needed")
    ruined = Objective("win_rate").judge({"a": 1}, [{"win_rate": 0.9, "trades": 40.0, "max_drawdown": 1.1}])
    assert (ruined.value, ruined.why) == (None, "equity fell to zero or below")
    undefined = objective.judge({"a": 1}, [{"sharpe": float("nan"), "trades": 40.0}])
    assert (undefined.value, undefined.why) == (None, "sharpe is not defined for it")
