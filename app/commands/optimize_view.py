"""How `tradingbot optimize` answers: the best points, what choosing them gave on unseen data, what to make of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.backtest.metrics import metrics
from app.backtest.model import Run
from app.backtest.statistics import Statistics, assess
from app.commands import research
from app.history import CandleSeries
from app.optimize.evaluate import Objective, Scored
from app.optimize.experiment import Experiment
from app.optimize.search import Luck
from app.optimize.space import Point
from app.optimize.study import Study
from app.optimize.surface import surface
from app.optimize.walk_forward import Fold, WalkForward
from app.reports import text, words, write_report
from app.reports.report import FUNDING, PARAMETERS, SEARCH, STRATEGY

_SHOWN = 8  # of the best points
_FIGURES = ("sharpe", "cagr", "max_drawdown", "trades", "profit_factor")
_LIKELY = 0.95  # of a probability, to be called likely


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished search, and everything that is said about it."""

    study: Study
    experiment: Experiment
    objective: Objective
    luck: Luck
    followed: WalkForward | None
    seed: int

    @property
    def best(self) -> Scored:
        found = self.study.best
        assert found is not None  # noqa: S101 - the command has refused a search without one
        return found

    @property
    def ranked(self) -> list[Scored]:
        valued = [one for one in self.study.scored if one.value is not None]
        return sorted(valued, key=lambda one: -(one.value or 0.0))

    def run(self) -> Run:
        """The best point on the first market, in full."""
        said = ", ".join(f"{name}={value:g}" for name, value in self.best.point.items())
        rates = self.experiment.funding[0] if self.experiment.funding else None
        charged = research.funding_said(self.experiment.markets[0], rates)
        about = {STRATEGY: self.experiment.definition.name, PARAMETERS: said, FUNDING: charged}
        unseen = " ".join((*_cross_validated(self.luck), *_followed(self), *_looked_at(self)))
        return replace(self.experiment.run(self.best.point), about={**about, SEARCH: unseen})

    def statistics(self) -> Statistics:
        return assess(self.run(), self.luck.among, seed=self.seed)


def write(result: Result, formats: Sequence[str], folder: Path) -> dict[str, Path]:
    """The report of the best point, with the map of the search."""
    run = result.run()
    return write_report(
        run,
        metrics(run),
        result.statistics(),
        folder,
        formats,
        surface=surface(result.study.space, result.study.scored, result.objective.metric, result.best),
        plots=result.experiment.definition.plots(run.series, result.best.point),
    )


# --- for programs ------------------------------------------------------------------------------------


def data(result: Result, paths: Mapping[str, Path]) -> dict[str, Any]:
    statistics = result.statistics()
    validation, followed = result.luck.validation, result.followed
    return {
        "strategy": result.experiment.definition.name,
        "markets": [f"{one.symbol} {one.interval}" for one in result.experiment.markets],
        "metric": result.objective.metric,
        "tried": len(result.study.scored),
        "space": result.study.space.size,
        "best": {"parameters": dict(result.best.point), "value": result.best.value, **_plain(result.best.figures)},
        "top": [{"parameters": dict(one.point), "value": one.value} for one in result.ranked[:_SHOWN]],
        "deflated_sharpe": statistics.dsr,
        "overfitting": statistics.overfitting.probability if statistics.overfitting else None,
        "cross_validation": None
        if validation is None
        else {
            "inside": validation.inside,
            "outside": validation.outside,
            "paths": validation.paths,
            "loss_share": validation.loss_share,
        },
        "walk_forward": None
        if followed is None
        else {
            "efficiency": followed.efficiency,
            "return": float(followed.equity[-1]) / result.experiment.rules.equity - 1,
            "windows": [_fold(fold) for fold in followed.folds],
        },
        "reports": {kind: str(path) for kind, path in paths.items()},
    }


def _fold(fold: Fold) -> dict[str, Any]:
    return {
        "bars": list(fold.window.test),
        "parameters": dict(fold.chosen.point) if fold.chosen else None,
        "sharpe": fold.sharpe,
    }


def _plain(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


# --- for people --------------------------------------------------------------------------------------


def show(result: Result, console: Console, paths: Mapping[str, Path]) -> None:
    first = result.experiment.markets[0]
    if first.source.startswith("synthetic"):
        console.print(f"[bold yellow]{escape(words.SYNTHETIC)}[/]\n")
    markets = ", ".join(one.symbol for one in result.experiment.markets)
    console.print(
        f"[bold]{escape(result.experiment.definition.title)} on {escape(markets)}, {escape(first.interval)}[/]"
    )
    tried, size = len(result.study.scored), result.study.space.size
    console.print(f"{tried:,} of {size:,} points tried, best by {result.objective.metric}:", markup=False)
    console.print(_top(result))
    if result.followed is not None:
        console.print("[bold]Walk-forward: chosen on the past, traded on what followed[/]")
        console.print(_windows(result.followed, first, result.study.space.names))
    console.print("[bold]How much of it is luck[/]")
    for line in _verdict(result):
        console.print(f"• {line}", markup=False)
    for path in [paths["html"]] if "html" in paths else paths.values():
        console.print(f"report: {path}", markup=False, soft_wrap=True)


def _top(result: Result) -> Table:
    names = result.study.space.names
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in (*names, *_FIGURES):
        table.add_column(name, justify="right")
    for one in result.ranked[:_SHOWN]:
        table.add_row(*_values(one.point, names), *(_figure(name, one.figures[name]) for name in _FIGURES))
    return table


def _values(point: Point, names: Sequence[str]) -> list[str]:
    return [f"{point[name]:g}" for name in names]


def _figure(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "-"
    if name in ("cagr", "max_drawdown"):
        return text.percent(value)
    return text.count(round(value)) if name == "trades" else text.ratio(value)


def _windows(followed: WalkForward, series: CandleSeries, names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("traded from", "to", "chosen", "Sharpe when chosen", "Sharpe traded"):
        table.add_column(name, justify="left" if name == "chosen" else "right")
    for fold in followed.folds:
        begin, end = fold.window.test
        span = (text.day(int(series.ts[begin])), text.day(int(series.ts[end - 1])))
        if fold.chosen is None:
            table.add_row(*span, "nothing: too few trades", "-", "-")
            continue
        said = " ".join(f"{name}={fold.chosen.point[name]:g}" for name in names)
        table.add_row(*span, escape(said), text.ratio(fold.chosen.figures["sharpe"]), text.ratio(fold.sharpe))
    return table


def _verdict(result: Result) -> list[str]:
    return [
        *_deflated(result.statistics()),
        *_cross_validated(result.luck),
        *_followed(result),
        *_looked_at(result),
        "A search finds what fitted this history. Nothing here says that the next year resembles it.",
    ]


def _deflated(statistics: Statistics) -> list[str]:
    lines = []
    if statistics.dsr is not None:
        strong = "which is strong" if statistics.dsr >= _LIKELY else "which is not enough to rule luck out"
        lines.append(
            f"Deflated Sharpe ratio: {text.percent(statistics.dsr)} confidence that it beats the best of"
            f" {statistics.trials:,} worthless tries, {strong}."
        )
    if statistics.overfitting is not None:
        share = statistics.overfitting.probability
        points = f"{statistics.overfitting.configurations:,} points spread evenly over the space"
        lines.append(
            f"Probability of backtest overfitting: {text.percent(share)} among {points};"
            " 50 % is what choosing blindly gives, and a low one says only that they keep their order."
        )
    return lines


def _cross_validated(found: Luck) -> list[str]:
    validation = found.validation
    if validation is None:
        return [f"No cross-validation: {found.why}."]
    line = (
        f"Cross-validation on {validation.paths} histories: the best of the same points had a Sharpe ratio of"
        f" {text.ratio(validation.inside)} where it was chosen, {text.ratio(validation.outside)} where it was not;"
        f" {text.percent(validation.loss_share)} of the histories lose."
    )
    return [line]


def _looked_at(result: Result) -> list[str]:
    """What was maximised is not what the lines above are about."""
    markets, metric = result.experiment.markets, result.objective.metric
    if len(markets) == 1 and metric == "sharpe":
        return []
    where = f" over {len(markets)} markets" if len(markets) > 1 else ""
    return [f"The search maximised {metric}{where}; all of this is about Sharpe ratios on {markets[0].symbol}."]


def _followed(result: Result) -> list[str]:
    if result.followed is None:
        return []
    total = float(result.followed.equity[-1]) / result.experiment.rules.equity - 1
    line = f"Walk-forward returned {text.percent(total, signed=True)} on bars nothing was chosen on"
    efficiency = result.followed.efficiency
    kept = (
        ""
        if efficiency is None or not 0.0 <= efficiency <= 1.0
        else f"; it kept {text.percent(efficiency)} of the Sharpe ratio it was chosen for"
    )
    return [line + kept + "."]
