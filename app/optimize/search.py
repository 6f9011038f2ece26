"""What surrounds a search: choosing anew on any stretch of history, and asking how much of the best one is luck."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from app.backtest.inputs import YEAR_MS
from app.backtest.metrics import returns
from app.backtest.model import Run
from app.backtest.statistics import Rivals, rivals
from app.domain.errors import OperatorError
from app.history import Floats
from app.optimize.cross_validation import CrossValidation, cross_validate
from app.optimize.evaluate import Evaluate, Objective, Scored
from app.optimize.experiment import Experiment
from app.optimize.space import SearchSpace
from app.optimize.study import Study, StudyConfig

_MOST_COMPARED = 200  # configurations whose returns are compared bar by bar: memory and time grow with them
_MOST_CELLS, _FEWEST_COMPARED = 16_000_000, 10  # bars × configurations, 128 MB an array
_GROUPS, _HELD_OUT = (10, 8, 6, 5, 4), 2  # of cross-validation
_EMBARGO = 0.005  # of the bars, left out beside what is purged


@dataclass(frozen=True, slots=True, eq=False)
class Luck:
    """What the best point was chosen among, and what choosing among points like it gave out of sample."""

    among: Rivals
    validation: CrossValidation | None
    why: str  # there is no validation
    compared: int  # configurations that lie evenly over the space and have a value


def evaluator(experiment: Experiment, objective: Objective) -> Evaluate:
    return lambda points: experiment.scores(points, objective)


def chooser(space: SearchSpace, objective: Objective, config: StudyConfig) -> Callable[[Experiment], Scored | None]:
    """A function that searches an experiment anew and gives its best point: for the windows of a walk-forward."""

    def choose(experiment: Experiment) -> Scored | None:
        study = Study(space, {}, config, None)
        study.run(evaluator(experiment, objective))
        return study.best

    return choose


def quicker(config: StudyConfig, trials: int) -> StudyConfig:
    """The same method with fewer trials."""
    generations = max(1, trials // config.genetic.population)
    return replace(config, trials=trials, genetic=replace(config.genetic, generations=generations))


def luck(experiment: Experiment, objective: Objective, space: SearchSpace, tried: int) -> Luck:
    """On the first market, by Sharpe ratio. All that was `tried` counts.

    Compared are points that lie evenly over the space, not those the search tried: it went where the whole history was
    good, the parts that are to judge it included, so among its points every choice looks good everywhere.
    """
    most = max(_FEWEST_COMPARED, min(_MOST_COMPARED, _MOST_CELLS // max(experiment.bars, 1)))
    scored = experiment.scores(list(islice(space.spread(), most)), objective)
    runs = [experiment.run(one.point) for one in scored if one.value is not None]
    among = replace(rivals(runs), trials=max(tried, 1))
    if len(runs) < 2:  # noqa: PLR2004 - nothing to choose between
        return Luck(among, None, "fewer than two configurations have a value", len(runs))
    matrix = _matrix(runs)
    embargo = math.ceil(len(matrix) * _EMBARGO)
    longest = max(int((run.trades["exit_bar"] - run.trades["entry_bar"]).max(initial=0)) for run in runs)
    try:
        found = cross_validate(
            matrix,
            YEAR_MS / experiment.markets[0].step_ms,
            groups=_groups(len(matrix), longest + embargo),
            held_out=_HELD_OUT,
            purge=longest,
            embargo=embargo,
        )
    except OperatorError as error:
        return Luck(among, None, str(error), len(runs))
    return Luck(among, found, "", len(runs))


def _groups(bars: int, purged: int) -> int:
    """As many as leave something of a group after purging; the fewest when none do, which is then refused."""
    return next((count for count in _GROUPS if bars // count > 2 * purged + 2), _GROUPS[-1])


def _matrix(runs: list[Run]) -> Floats:
    """Returns per bar, (bars, runs), of the bars on which every run is past its warm-up."""
    columns = [returns(run) for run in runs]
    shortest = min(map(len, columns))
    return np.column_stack([column[len(column) - shortest :] for column in columns])
