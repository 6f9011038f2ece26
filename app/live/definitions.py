"""From a line of the registry to the strategy it names. Raises OperatorError for what is not there or out of range."""

from pathlib import Path

from app.domain.errors import OperatorError
from app.domain.policy import OwnRun
from app.history import CandleSeries
from app.live.engine import Definition
from app.strategies.definition import StrategyDefinition
from app.strategies.registry import definition
from app.strategies.signals import Signals


def definitions_in(folder: Path | None) -> Definition:
    """Those that ship and those of `folder` (./strategies without one), looked up anew each time: files may change."""

    def warm_up(runs: OwnRun) -> int:
        found, values = _meant(runs, folder)
        return found.warm_up(values)

    def signals(runs: OwnRun, series: CandleSeries) -> Signals:
        found, values = _meant(runs, folder)
        return found.signals(series, values)

    return Definition(warm_up, signals)


def why_not(runs: OwnRun, folder: Path | None) -> str | None:
    """Why it cannot run; None when it can."""
    try:
        _meant(runs, folder)
    except OperatorError as error:
        return str(error)
    return None


def _meant(runs: OwnRun, folder: Path | None) -> tuple[StrategyDefinition, dict[str, float]]:
    found = definition(runs.definition, folder)
    return found, found.check({name: float(value) for name, value in runs.parameters})
