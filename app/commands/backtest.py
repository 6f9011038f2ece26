"""`tradingbot backtest`: what a strategy would have done on past candles, and what the figures cannot say.

Without a folder of candles the market is generated, and everything printed says so. What cannot be tested (an unknown
strategy or parameter, a folder without the market) raises OperatorError with what to do.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.backtest.metrics import metrics
from app.backtest.model import Costs, Funding, Intrabar, Rules, Run
from app.backtest.statistics import assess, rivals
from app.backtest.votes import StoredVerdict, replay
from app.commands import backtest_view, options, research, shared
from app.domain.errors import OperatorError
from app.domain.ids import StrategyId, Symbol
from app.history import CandleSeries
from app.pine.script import parse_params
from app.reports import Report, check_formats
from app.reports.report import FUNDING, PARAMETERS, STRATEGY, VOTES
from app.strategies.definition import StrategyDefinition
from app.strategies.registry import catalogue, definition

app = typer.Typer(rich_markup_mode=None)

_DEFAULTS, _COSTS = Rules(), Costs()

Votes = Annotated[
    str, typer.Option(metavar="NAME", help="Replay the AI verdicts this bot stored for its strategy of that name.")
]


class Sides(StrEnum):
    BOTH = "both"
    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Setting:
    """What every strategy of one command is tested on."""

    series: CandleSeries
    rules: Rules
    costs: Costs
    funding: Funding | None
    verdicts: Sequence[StoredVerdict] | None  # None: left out
    begin: int  # the bar the test begins with; those before are history
    about: dict[str, str]  # for Run.about, the strategy left out


@app.command()
def backtest(
    strategy: options.Strategy = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every strategy, with a table to compare them.")] = False,
    symbol: options.Symbol = "BTCUSDT",
    interval: options.Interval = "1h",
    start: options.From = None,
    end: options.To = None,
    params: options.Params = None,
    data_dir: options.DataDir = None,
    exchange: options.Exchange = None,
    equity: options.Equity = _DEFAULTS.equity,
    risk: options.Risk = None,
    quantity: options.Quantity = None,
    share: options.Share = None,
    leverage: options.Leverage = _DEFAULTS.leverage,
    max_notional: options.MaxNotional = None,
    min_reward_risk: options.MinRewardRisk = None,
    quantity_step: options.Step = 0.0,
    min_notional: options.MinNotional = 0.0,
    sides: Annotated[Sides, typer.Option(help="Which may be taken.")] = Sides.BOTH,
    stop: Annotated[float | None, typer.Option(help="Stop distance / price, where the strategy brings none.")] = None,
    target: Annotated[float | None, typer.Option(help="Target distance / price, likewise.")] = None,
    trailing: Annotated[float | None, typer.Option(help="Trailing stop: distance / best price.")] = None,
    intrabar: Annotated[Intrabar, typer.Option(help="Path inside a bar.")] = Intrabar.PESSIMISTIC,
    fee: options.Fee = _COSTS.taker_fee_rate,
    maker_fee: options.MakerFee = None,
    slippage: options.Slippage = _COSTS.slippage_rate,
    funding: options.WithFunding = True,
    votes: Votes = "",
    bars: options.Bars = 8760,
    seed: Annotated[int, typer.Option(help="Of generated candles and of the bootstrap.")] = 7,
    strategies_dir: options.StrategiesDir = None,
    formats: options.Formats = "html",
    out: Annotated[Path, typer.Option(help="Folder for reports.")] = Path("var/reports"),
    json: shared.Json = False,
) -> None:
    """Test a strategy on past candles: figures, a report, and what they cannot say."""
    wanted = check_formats(word.strip() for word in formats.split(",") if word.strip())
    chosen = _chosen(strategy, params, strategies_dir, everything=everything)
    sizing, size = research.sizing(risk=risk, quantity=quantity, share=share)
    rules = Rules(
        *(equity, sizing, size, leverage),
        quantity_step=quantity_step,
        min_notional=min_notional,
        stop_rate=_rate(stop),
        target_rate=_rate(target),
        trailing_rate=_rate(trailing),
        longs=sides is not Sides.SHORT,
        shorts=sides is not Sides.LONG,
        intrabar=intrabar,
    )
    rules = research.capped(rules, max_notional, min_reward_risk)
    costs = research.costs(fee, maker_fee, slippage)
    where = research.Where(data_dir, exchange, bars, seed)
    market = where.market(symbol, interval, start, end, lead=max(one.warm_up(values) for one, values in chosen))
    verdicts = asyncio.run(_stored_verdicts(votes, market.series)) if votes else None
    setting = _setting(market, rules, costs, verdicts, funding=funding)
    tested = _test(chosen, setting, seed=seed, quiet=json or not sys.stderr.isatty())
    _tell(tested, backtest_view.write(tested, wanted, out / f"{strategy or 'all'}-{symbol}-{interval}"), json=json)


def _tell(tested: Sequence[Report], paths: Mapping[str, Path], *, json: bool) -> None:
    if json:
        shared.print_json(backtest_view.data(tested, paths))
    else:
        backtest_view.show(tested, paths, shared.console())


# --- what is asked -----------------------------------------------------------------------------------


def _chosen(
    name: str, params: list[str] | None, folder: Path | None, *, everything: bool
) -> list[tuple[StrategyDefinition, dict[str, float]]]:
    """The strategies to test, each with all its parameters' values."""
    if everything == bool(name):
        raise OperatorError("name one strategy, or say --all for every one, not both; see: tradingbot strategies")
    if not everything:
        found = definition(name, folder)
        return [(found, found.check(parse_params(params or ())))]
    if params:
        raise OperatorError("--params are of one strategy; --all tests every one with its defaults")
    known = catalogue(folder)
    for file, why in known.broken.items():
        typer.echo(f"left out: {file}: {why}", err=True)
    return [(found, found.check()) for found in known.definitions.values()]


def _rate(value: float | None) -> float:
    return float("nan") if value is None else value


async def _stored_verdicts(name: str, series: CandleSeries) -> Sequence[StoredVerdict]:
    """From the database the settings name."""
    from app.commands.storage import open_database  # noqa: PLC0415 - most backtests need no database

    async with open_database(shared.settings()) as database:
        known = await database.queries.judged_strategies()
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise OperatorError(f"--votes: the bot has judged no alert of a strategy {name!r}; there are: {there}")
        found = await database.queries.verdicts(StrategyId(name), Symbol(series.symbol))
    return [
        StoredVerdict(signal.bar_time, verdict.side, verdict.approved)
        for signal, verdict in found
        if signal.bar_time is not None and verdict.side is not None and signal.interval == series.interval
    ]


def _setting(
    market: research.Market,
    rules: Rules,
    costs: Costs,
    verdicts: Sequence[StoredVerdict] | None,
    *,
    funding: bool,
) -> Setting:
    rates = market.funding if funding else None
    said = research.funding_said(market.series, rates)
    if funding and rates is None:
        said += ": the candles come without rates"
    return Setting(market.series, rules, costs, rates, verdicts, market.begin, {FUNDING: said})


# --- the test ----------------------------------------------------------------------------------------


def _test(
    chosen: list[tuple[StrategyDefinition, dict[str, float]]], setting: Setting, *, seed: int, quiet: bool
) -> list[Report]:
    """Every strategy in full. The statistics of each know how many there were."""
    runs: list[Run] = []
    with research.progress("strategies", quiet=quiet or len(chosen) == 1) as told:
        for one, params in chosen:
            told(len(runs), len(chosen), one.name)
            runs.append(_run(one, params, setting))
    among = rivals(runs)
    return [
        Report(run, metrics(run), assess(run, among, seed=seed), plots=one.plots(setting.series, params))
        for run, (one, params) in zip(runs, chosen, strict=True)
    ]


def _run(one: StrategyDefinition, params: Mapping[str, float], setting: Setting) -> Run:
    from app.backtest.engine import backtest as simulate  # noqa: PLC0415 - numba: a second that --help need not pay

    signals = one.signals(setting.series, params).silent_before(setting.begin)
    if len(signals) <= signals.warm_up + 1:
        raise OperatorError(
            f"{one.name} needs {signals.warm_up} bars to warm up, and there are {len(signals)}: nothing is left to"
            " test; take a longer time or more candles"
        )
    about = dict(setting.about)
    if setting.verdicts is not None:
        replayed = replay(signals, setting.series, setting.verdicts)
        signals, about[VOTES] = replayed.signals, replayed.said()
    run = simulate(setting.series, signals, setting.rules, setting.costs, setting.funding)
    said = ", ".join(f"{name}={value:g}" for name, value in params.items()) or "none"
    return replace(run, about={STRATEGY: one.name, PARAMETERS: said, **about})
