"""The same evaluation on a Ray cluster: points go out in batches, figures come back. Needs the `distributed` extra.

Ray starts Python processes on its machines, which need this product installed. A strategy of the user's own travels as
the path of its folder, so that folder has to be there too.
"""

import importlib.util
import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.backtest.model import Costs, Funding, Rules
from app.domain.errors import OperatorError
from app.history import CandleSeries
from app.optimize.evaluate import Evaluate, Objective, Scored
from app.optimize.experiment import Experiment
from app.optimize.space import Point
from app.strategies.registry import definition

LOCAL = "ray://local"  # a cluster of this machine's own cores, started here
_BATCHES_PER_CORE = 4  # so that a slow machine does not keep the others waiting


@dataclass(frozen=True)
class Job:
    """An experiment as it travels: what cannot be pickled is named instead."""

    strategy: str
    folder: Path | None
    markets: tuple[CandleSeries, ...]
    rules: Rules
    costs: Costs
    funding: tuple[Funding | None, ...]
    objective: Objective
    fingerprint: str  # of the experiment it was made of

    def score(self, points: Sequence[Point]) -> list[Scored]:
        return _here(self).scores(points, self.objective)


_built: dict[str, Experiment] = {}  # of this process: indicators are remembered from batch to batch


def _here(job: Job) -> Experiment:
    """Raises OperatorError when this machine's strategy of that name is another one."""
    if job.fingerprint not in _built:
        _built.clear()
        found = definition(job.strategy, job.folder)
        built = Experiment(found, job.markets, job.rules, job.costs, job.funding, workers=1)
        if built.fingerprint() != job.fingerprint:
            raise OperatorError(f"the cluster has another version of strategy {job.strategy}: install the same there")
        _built[job.fingerprint] = built
    return _built[job.fingerprint]


@contextmanager
def on_ray(address: str, experiment: Experiment, objective: Objective, folder: Path | None) -> Iterator[Evaluate]:
    """Connect for as long as the block runs. Raises OperatorError without Ray or a cluster."""
    if importlib.util.find_spec("ray") is None:
        raise OperatorError(
            "--distributed needs Ray; install it with: make setup-dev (or: pip install '.[distributed]')"
        )
    import ray  # noqa: PLC0415 - a second of imports that nobody else needs to pay

    where: dict[str, Any] = {"address": None if address == LOCAL else address}
    if address == LOCAL:
        where["include_dashboard"] = False
    try:
        ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise OperatorError(f"no Ray cluster at {address}: {error}") from error
    try:
        yield _evaluate(ray, experiment, objective, folder)
    finally:
        ray.shutdown()


def _evaluate(ray: Any, experiment: Experiment, objective: Objective, folder: Path | None) -> Evaluate:
    job = Job(
        experiment.definition.name,
        folder,
        experiment.markets,
        experiment.rules,
        experiment.costs,
        experiment.funding,
        objective,
        experiment.fingerprint(),
    )
    shared = ray.put(job)  # the candles travel to each machine once
    score = ray.remote(_score)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def evaluate(points: Sequence[Point]) -> list[Scored]:
        size = max(1, -(-len(points) // (cores * _BATCHES_PER_CORE)))
        batches = [points[first : first + size] for first in range(0, len(points), size)]
        return list(itertools.chain.from_iterable(ray.get([score.remote(shared, batch) for batch in batches])))

    return evaluate


def _score(job: Job, points: Sequence[Point]) -> list[Scored]:
    return job.score(points)
