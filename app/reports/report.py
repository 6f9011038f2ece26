"""What a report is made of. Everything in it is given: nothing here asks a clock, a network or a setting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.backtest.metrics import Metrics
from app.backtest.model import Run
from app.backtest.statistics import Statistics
from app.history import Floats

_QUOTES = re.compile(r"(USDT|USDC|FDUSD|BUSD|USD|EUR|BTC)$")

# Keys of Run.about that reports know how to read; other keys are listed among the inputs as they are.
STRATEGY, PARAMETERS, VOTES, FUNDING = "strategy", "parameters", "votes", "funding"
SEARCH = "search"  # what choosing these parameters gave on data they were not chosen on, in sentences


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One figure over two parameters, for a heatmap."""

    figure: str  # what the values are, e.g. "Sharpe ratio"
    x_name: str
    x: tuple[float, ...]
    y_name: str
    y: tuple[float, ...]
    values: Floats  # (len(y), len(x)); NaN where nothing was computed
    chosen: tuple[float, float] | None = None  # (x, y) of the run reported


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    run: Run
    metrics: Metrics
    statistics: Statistics
    surface: Surface | None = None
    plots: Mapping[str, Floats] = field(default_factory=dict)  # lines to draw over the price, (n,) each, NaN = none

    @property
    def strategy(self) -> str:
        return self.run.about.get(STRATEGY, "strategy")

    @property
    def title(self) -> str:
        return f"{self.strategy} on {self.run.series.symbol}, {self.run.series.interval}"

    @property
    def quote(self) -> str:
        """The currency of the figures, read from the symbol's end."""
        found = _QUOTES.search(self.run.series.symbol)
        return found[1] if found else "quote currency"

    @property
    def synthetic(self) -> bool:
        return self.run.series.source.startswith("synthetic")
