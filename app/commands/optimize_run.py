"""What `tradingbot optimize` does: searches, walks forward, asks how much is luck, and hands it all to the view."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from app.backtest.model import Costs, Rules
from app.commands import optimize_view as view
from app.commands import research, shared
from app.domain.errors import OperatorError
from app.optimize.distributed import on_ray
from app.optimize.evaluate import Evaluate, Objective, Scored
from app.optimize.experiment import Experiment
from app.optimize.genetic import GeneticConfig
from app.optimize.search import chooser, evaluator, luck, quicker
from app.optimize.space import SearchSpace, space_of
from app.optimize.study import Method, Study, StudyConfig
from app.optimize.walk_forward import WalkForward, walk_forward, windows
from app.pine.script import parse_params
from app.reports import check_formats
from app.strategies.registry import definition

_PER_WINDOW = 200  # trials in each walk-forward window at most


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched and how, as typed."""

    strategy: str
    folder: Path | None  # of the user's own strategies
    moved: Sequence[str]
    held: Sequence[str]
    method: str
    trials: int
    population: int


@dataclass(frozen=True, slots=True)
class Task:
    """The same, understood."""

    space: SearchSpace
    experiment: Experiment
    objective: Objective
    config: StudyConfig
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Where the study and its reports are kept."""

    study: Path
    folder: Path
    formats: str
    fresh: bool


def task(
    asked: Asked,
    objective: Objective,
    markets: Sequence[research.Market],
    rules: Rules,
    costs: Costs,
    *,
    funding: bool,
    seed: int,
) -> Task:
    """Raises OperatorError for a strategy, parameter or range that is not there."""
    found = definition(asked.strategy, asked.folder)
    space = space_of(found.parameters, asked.moved, found.check(parse_params(asked.held)) if asked.held else None)
    rates = tuple(market.funding if funding else None for market in markets)
    experiment = Experiment(found, tuple(market.series for market in markets), rules, costs, rates)
    generations = max(1, -(-asked.trials // asked.population))
    config = StudyConfig(Method(asked.method), asked.trials, seed, GeneticConfig(asked.population, generations))
    return Task(space, experiment, objective, config, asked.folder)


def run(task: Task, keep: Keep, cluster: str | None, forward: int, *, anchored: bool, quiet: bool, json: bool) -> None:
    """Search, walk forward through `forward` windows, and tell."""
    formats = check_formats(word.strip() for word in keep.formats.split(",") if word.strip())
    study = _study(task, keep)
    with _evaluator(cluster, task) as evaluate:
        _search(study, evaluate, quiet=quiet)
    followed = _follow(task, forward, anchored=anchored, quiet=quiet) if forward else None
    found = luck(task.experiment, task.objective, task.space, len(study.scored))
    result = view.Result(study, task.experiment, task.objective, found, followed, task.config.seed)
    paths = view.write(result, formats, keep.folder)
    if json:
        shared.print_json(view.data(result, paths))
    else:
        view.show(result, shared.console(), paths)


def _study(task: Task, keep: Keep) -> Study:
    if keep.fresh:
        keep.study.unlink(missing_ok=True)
    about = {**task.experiment.about(), "metric": task.objective.metric, "min_trades": task.objective.min_trades}
    return Study(task.space, about, task.config, keep.study)


@contextmanager
def _evaluator(cluster: str | None, task: Task) -> Iterator[Evaluate]:
    if cluster is None:
        yield evaluator(task.experiment, task.objective)
        return
    with on_ray(cluster, task.experiment, task.objective, task.folder) as evaluate:
        yield evaluate


def _search(study: Study, evaluate: Evaluate, *, quiet: bool) -> None:
    """Raises OperatorError when nothing that was tried says enough to be chosen."""
    before = len(study.scored)
    if before and not quiet:
        typer.echo(f"going on with {study.path}: {before} points were tried before", err=True)
    try:
        with research.progress("points", quiet=quiet) as told:
            study.run(evaluate, lambda done, total, best: told(done, total, _said(best)))
    except KeyboardInterrupt:
        typer.echo(f"stopped: {len(study.scored)} points are kept in {study.path}; the same command goes on", err=True)
        raise
    if study.best is None:
        why = next((one.why for one in study.scored if one.why), "nothing was tried")
        raise OperatorError(f"none of {len(study.scored)} points says enough ({why}); lower --min-trades, or more data")


def _said(best: Scored | None) -> str:
    return "" if best is None or best.value is None else f"best {best.value:.3f}"


def _follow(task: Task, count: int, *, anchored: bool, quiet: bool) -> WalkForward:
    """Walk-forward with the same method; windows are shorter than the whole, so fewer trades have to do."""
    bars = task.experiment.bars
    plan = windows(bars, count, anchored=anchored)
    learned = plan[0].train[1] - plan[0].train[0]
    enough = max(1, task.objective.min_trades * learned // max(bars, 1))
    config = quicker(task.config, min(task.config.trials, _PER_WINDOW))
    choose = chooser(task.space, replace(task.objective, min_trades=enough), config)
    with research.progress("windows", quiet=quiet) as told:
        return walk_forward(task.experiment, plan, choose, lambda done, total: told(done, total, ""))
