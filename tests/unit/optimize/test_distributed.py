"""A real Ray cluster on this machine gives the figures that this process gives."""

import warnings
from datetime import UTC, datetime

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
        pytest.raises(OperatorError, match=r"tradingbot-ai\[distributed\]"),
        distributed.on_ray("ray://nowhere:1", EXPERIMENT, OBJECTIVE, None),
    ):
        pass


def test_a_job_scores_as_the_experiment_does():
    job = distributed.Job(
        CROSS.name, None, EXPERIMENT.markets, EXPERIMENT.rules, EXPERIMENT.costs, EXPERIMENT.funding, OBJECTIVE
    )
    assert job.score(POINTS) == EXPERIMENT.scores(POINTS, OBJECTIVE)
