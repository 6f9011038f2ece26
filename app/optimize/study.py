"""A study: which points were tried, what they came to, and where to look next. Kept in a file, so it can go on later.

Trials are asked for and told in batches, for a backtest is many times faster than any of the samplers. A study that is
stopped anywhere loses at most the batch at work. Raises OperatorError for a file that belongs to another search.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from app.domain.errors import OperatorError
from app.optimize.evaluate import Evaluate, Scored
from app.optimize.genetic import GeneticConfig, GeneticSearch
from app.optimize.space import Axis, SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
_BATCH = 64
_FINGERPRINT = "fingerprint"


class Method(StrEnum):
    GRID = "grid"  # every point, or evenly spread ones where that is more than was asked for
    RANDOM = "random"
    TPE = "tpe"  # tree of Parzen estimators (Bergstra et al., 2011), Optuna's
    CMAES = "cmaes"  # covariance matrix adaptation (Hansen, 2016), by the cmaes package
    NSGA2 = "nsga2"  # Deb et al., 2002, Optuna's
    GENETIC = "genetic"  # our own: see genetic.py


@dataclass(frozen=True, slots=True)
class StudyConfig:
    method: Method = Method.TPE
    trials: int = 200  # different points to try in all, those of earlier sessions included
    seed: int = 7
    genetic: GeneticConfig = field(default_factory=GeneticConfig)


class Study:
    """The trials of one search. `path` None keeps them in memory."""

    def __init__(self, space: SearchSpace, about: dict[str, Any], config: StudyConfig, path: Path | None) -> None:
        """`about` names all that decides the results (strategy, data, costs, objective): a study never mixes two."""
        self.space, self.config, self.path = space, config, path
        self._optuna = optuna.create_study(
            study_name="study",
            storage=_storage(path),
            direction="maximize",
            load_if_exists=True,
        )
        _same_search(self._optuna, {**about, "axes": [str(axis) for axis in space.axes]}, path)
        # A study that goes on must not roll the dice of its first session again.
        self._optuna.sampler = _sampler(config, space, config.seed + len(self._optuna.get_trials(deepcopy=False)))
        self._known = {space.key(one.point): one for one in map(self._scored, self._finished())}

    @property
    def scored(self) -> list[Scored]:
        """Every different point tried so far, in the order of its first trial."""
        return list(self._known.values())

    @property
    def best(self) -> Scored | None:
        """The point with the highest value; None when no point has one."""
        return max((one for one in self._known.values() if one.value is not None), key=_value, default=None)

    def run(self, evaluate: Evaluate, progress: Callable[[int, int, Scored | None], None] | None = None) -> None:
        """Try points until the number asked for is reached; `progress` hears (done, of, best) after each batch."""
        total = min(self.config.trials, self.space.size)
        for scored in self._batches(evaluate, total):
            self._known.update((self.space.key(one.point), one) for one in scored)
            if progress is not None:
                progress(min(len(self._known), total), total, self.best)

    def _batches(self, evaluate: Evaluate, total: int) -> Iterator[Sequence[Scored]]:
        if self.config.method is Method.GRID:
            yield from self._grid(evaluate, total)
        elif self.config.method is Method.GENETIC:
            yield from self._genetic(evaluate, total)
        else:
            yield from self._asked(evaluate, total)

    def _grid(self, evaluate: Evaluate, total: int) -> Iterator[Sequence[Scored]]:
        points = (point for point in self.space.spread() if self.space.key(point) not in self._known)
        while (missing := total - len(self._known)) > 0 and (batch := list(islice(points, min(missing, _BATCH * 16)))):
            yield self._added(evaluate(batch))

    def _genetic(self, evaluate: Evaluate, total: int) -> Iterator[Sequence[Scored]]:
        # As for the samplers: a study that goes on must not roll its first dice again.
        seed = self.config.seed + len(self._known)
        search = GeneticSearch(self.space, evaluate, self.config.genetic, seed, self.scored)
        for _ in range(self.config.genetic.generations):
            if len(self._known) >= total:
                return
            yield self._added(search.step(total - len(self._known)))

    def _added(self, scored: Sequence[Scored]) -> Sequence[Scored]:
        self._optuna.add_trials([self._trial(one) for one in scored])
        return scored

    def _asked(self, evaluate: Evaluate, total: int) -> Iterator[Sequence[Scored]]:
        """Ask Optuna for a batch. A point it has had before is told again at no cost; then it is fruitless to go on."""
        distributions = {axis.name: _distribution(axis) for axis in self.space.axes}
        fruitless = 0
        while len(self._known) < total and fruitless < _BATCH:
            trials = [self._optuna.ask(distributions) for _ in range(min(_BATCH, total - len(self._known)))]
            points = [{**self.space.fixed, **trial.params} for trial in trials]
            fresh = {key: point for point in points if (key := self.space.key(point)) not in self._known}
            found = dict(zip(fresh, evaluate(list(fresh.values())), strict=True)) if fresh else {}
            for trial, point in zip(trials, points, strict=True):
                key = self.space.key(point)
                one = found.get(key) or self._known[key]
                for name, value in _attributes(one).items():
                    trial.set_user_attr(name, value)
                state = TrialState.COMPLETE if one.value is not None else TrialState.PRUNED
                self._optuna.tell(trial, one.value, state=state)
            fruitless = 0 if found else fruitless + 1
            yield list(found.values())

    def _finished(self) -> list[FrozenTrial]:
        return self._optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    def _trial(self, one: Scored) -> FrozenTrial:
        return create_trial(
            state=TrialState.COMPLETE if one.value is not None else TrialState.PRUNED,
            value=one.value,
            params={axis.name: one.point[axis.name] for axis in self.space.axes},
            distributions={axis.name: _distribution(axis) for axis in self.space.axes},
            user_attrs=_attributes(one),
        )

    def _scored(self, trial: FrozenTrial) -> Scored:
        value = trial.value if trial.state is TrialState.COMPLETE else None
        attributes = trial.user_attrs
        point = {**self.space.fixed, **trial.params}
        return Scored(point, value, attributes.get("figures", {}), attributes.get("why", ""))


def _value(one: Scored) -> float:
    return float("-inf") if one.value is None else one.value


def _attributes(one: Scored) -> dict[str, Any]:
    return {"figures": dict(one.figures), **({"why": one.why} if one.why else {})}


def _distribution(axis: Axis) -> BaseDistribution:
    last = axis.value(axis.count - 1)
    if axis.integer:
        return IntDistribution(int(axis.low), int(last), step=int(axis.step))
    return FloatDistribution(axis.low, last, step=axis.step)


def _sampler(config: StudyConfig, space: SearchSpace, seed: int) -> optuna.samplers.BaseSampler:
    match config.method:
        case Method.CMAES:
            if len(space.axes) < 2:  # noqa: PLR2004 - the method's own limit
                raise OperatorError("cmaes needs at least two parameters that move; use --method tpe or grid")
            return optuna.samplers.CmaEsSampler(seed=seed)
        case Method.NSGA2:
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=config.genetic.population)
        case Method.TPE:
            return optuna.samplers.TPESampler(seed=seed)
        case _:
            return optuna.samplers.RandomSampler(seed=seed)


def _storage(path: Path | None) -> BaseStorage:
    if path is None:
        return InMemoryStorage()
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(path)))


def _same_search(study: optuna.Study, about: dict[str, Any], path: Path | None) -> None:
    text = json.dumps(about, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = study.user_attrs.get(_FINGERPRINT)
    if found is None:
        study.set_user_attr(_FINGERPRINT, digest)
        study.set_user_attr("about", json.loads(text))
    elif found != digest:
        before = study.user_attrs.get("about", {})
        changed = sorted(key for key in about if json.loads(text).get(key) != before.get(key))
        raise OperatorError(
            f"{path} is a study of something else ({', '.join(changed) or 'an earlier version'} changed);"
            " choose another --study name, or --fresh to forget it"
        )
