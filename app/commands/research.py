"""What every command that tests strategies does the same way: candles to test on, size of positions, progress.

What cannot be had (a folder without the market, two ways to say the size) raises OperatorError with what to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.backtest.model import Costs, Funding, Rules, Sizing
from app.candle_store.store import CandleStore
from app.commands.options import CANDLES
from app.domain.errors import BadSettings, OperatorError
from app.domain.policy import RiskPolicy
from app.history import CandleSeries, synthetic

START = datetime(2023, 1, 1, tzinfo=UTC)  # of generated candles
LATER, EARLIER = datetime(9999, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)

Told = Callable[[int, int, str], None]  # done, total, text


@dataclass(frozen=True, slots=True)
class Market:
    """Candles to test on, with the funding that is known for them."""

    series: CandleSeries
    funding: Funding | None
    begin: int = 0  # bars of history before the time that was asked for


@dataclass(frozen=True, slots=True)
class Where:
    """Candles come from a folder, or are generated."""

    data_dir: Path | None
    exchange: str | None
    bars: int  # to generate
    seed: int

    def market(
        self, symbol: str, interval: str, start: datetime | None = None, end: datetime | None = None, lead: int = 0
    ) -> Market:
        """From the folder; where there is none generated candles, which say in `source` what they are.

        Up to `lead` bars before `start` come along, for a strategy to warm up on.
        """
        symbol, data_dir = symbol.upper().replace("/", "").replace("-", ""), self.data_dir
        if data_dir is None and next(CANDLES.rglob("*.parquet"), None) is not None:
            data_dir = CANDLES
        if data_dir is None:
            return _market(synthetic(symbol, interval, self.bars, self.seed, START), None, start, end, lead)
        store = CandleStore(data_dir, self.exchange)
        found = store.funding(symbol)
        return _market(store.read(symbol, interval), Funding(*found) if found else None, start, end, lead)


def _market(
    series: CandleSeries, funding: Funding | None, start: datetime | None, end: datetime | None, lead: int
) -> Market:
    chosen = _between(series, start, end)
    first = int(series.ts.searchsorted(chosen.ts[0])) if len(chosen) else 0
    begin = min(first, lead)
    return Market(series[first - begin : first + len(chosen)], funding, begin)


def _between(series: CandleSeries, start: datetime | None, end: datetime | None) -> CandleSeries:
    """Raises BadSettings when nothing is left, saying what there is."""
    if start is not None and end is not None and start >= end:
        raise BadSettings(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    chosen = series.between(start or EARLIER, end or LATER)
    if len(series) and not len(chosen):
        there = [datetime.fromtimestamp(int(series.ts[at]) / 1000, UTC).strftime("%Y-%m-%d") for at in (0, -1)]
        raise BadSettings(f"no candles of {series.symbol} in that time; there are some from {there[0]} to {there[1]}")
    return chosen


def sizing(*, risk: float | None, quantity: float | None, share: float | None) -> tuple[Sizing, float]:
    """Which of the three was given, and how much. Raises OperatorError when more than one is."""
    given = [
        (way, size)
        for way, size in ((Sizing.RISK, risk), (Sizing.QUANTITY, quantity), (Sizing.EQUITY, share))
        if size is not None
    ]
    if len(given) > 1:
        raise OperatorError("--risk, --quantity and --share are three ways to say the size: give one")
    return given[0] if given else (Rules().sizing, Rules().size)


def capped(rules: Rules, max_notional: float | None = None, min_reward_risk: float | None = None) -> Rules:
    """With the live limits on an entry where the size is by RISK, and none otherwise; what was asked goes first."""
    free = rules.sizing is not Sizing.RISK
    most = max_notional if max_notional is not None else float("inf") if free else rules.max_notional
    live = 0.0 if free else float(RiskPolicy().min_reward_risk)
    return replace(
        rules,
        max_notional=most,
        max_exposure_rate=float("inf") if free else rules.max_exposure_rate,
        min_reward_risk=live if min_reward_risk is None else min_reward_risk,
    )


def costs(fee: float, maker_fee: float | None, slippage: float) -> Costs:
    """Targets are market orders, as live, unless a maker fee says that they rest in the book."""
    resting = Costs().maker_fee_rate if maker_fee is None else maker_fee
    return Costs(fee, resting, slippage, market_targets=maker_fee is None)


def funding_said(series: CandleSeries, rates: Funding | None) -> str:
    """What is charged, in words: it matters, and a folder may lack it or have only a part."""
    if rates is None:
        return "left out"
    inside = rates.ts[(rates.ts >= series.ts[0]) & (rates.ts <= series.ts[-1] + series.step_ms)]
    days = 0.0 if len(inside) < 2 else (inside[-1] - inside[0]) / 86_400_000  # noqa: PLR2004 - a span has two ends
    whole = (series.ts[-1] + series.step_ms - series.ts[0]) / 86_400_000
    if days < whole - 1:
        return f"as the venue charged it where that is known, {days:,.0f} of {whole:,.0f} days"
    return "as the venue charged it"


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Told]:
    """A bar on stderr, gone when done; gives what to call with (done, total, text)."""
    if quiet:
        yield lambda done, total, text: None  # noqa: ARG005 - the signature is Told's
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None, said="")
        yield lambda done, total, text: shown.update(task, completed=done, total=total, said=text)
