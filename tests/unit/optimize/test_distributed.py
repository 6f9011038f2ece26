"""A real Ray cluster on this machine gives the figures that this process gives."""

import warnings
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.history import synthetic
from app.optimize import distributed
from app.optimize.evaluate import Objective
from app.optimize.experiment import Experiment
from app.optimize.space import space_of
from app.strategies.registry import definition

CROSS = definition("ema_cross")
EXPERIMENT = Experiment(CROSS, (synthetic("BTCUSDT", "1h", 1500, 3, datetime(2024, 1, 1, tzinfo=UTC)),))
OBJECTIVE = Objective("sharpe", min_trades=1)
FAST = CROSS.parameters[0].name
POINTS = list(space_of(CROSS.parameters, [f"{FAST}=5:14"]).grid())


@pytest.mark.long
def test_a_local_cluster_gives_the_same_figures():
    pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        with distributed.on_ray(distributed.LOCAL, EXPERIMENT, OBJECTIVE, None) as evaluate:
            far = evaluate(POINTS)
    near = EXPERIMENT.scores(POINTS, OBJECTIVE)
    assert [one.point for one in far] == POINTS
    assert [one.figures for one in far] == [one.figures for one in near]


def test_without_ray_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(distributed.importlib.util, "find_spec", lambda _: None)
    with (
        pytest.raises(OperatorError, match=r"'\.\[distributed\]'"),
        distributed.on_ray("ray://nowhere:1", EXPERIMENT, OBJECTIVE, None),
    ):
        pass


def test_a_job_scores_as_the_experiment_does():
    assert a_job(EXPERIMENT).score(POINTS) == EXPERIMENT.scores(POINTS, OBJECTIVE)


def test_jobs_on_other_candles_of_the_same_length_do_not_share_figures():
    series = EXPERIMENT.markets[0]
    dearer = {name: getattr(series, name) * np.linspace(1, 3, len(series)) for name in ("open", "high", "low", "close")}
    other = replace(EXPERIMENT, markets=(replace(series, **dearer),))
    assert a_job(EXPERIMENT).score(POINTS) == EXPERIMENT.scores(POINTS, OBJECTIVE)
    assert a_job(other).score(POINTS) == other.scores(POINTS, OBJECTIVE) != EXPERIMENT.scores(POINTS, OBJECTIVE)


def test_another_version_of_the_strategy_is_refused():
    with pytest.raises(OperatorError, match="another version of strategy ema_cross"):
        replace(a_job(EXPERIMENT), fingerprint="of somewhere else").score(POINTS)


def a_job(of):
    given = (of.definition.name, None, of.markets, of.rules, of.costs, of.funding, OBJECTIVE)
    return distributed.Job(*given, of.fingerprint())
