"""`tradingbot optimize`: search for parameters, and say plainly how much of what is found may be luck.

A search is kept in a file and goes on where it stopped. What cannot be searched raises OperatorError with what to do.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.backtest.model import Costs, Rules
from app.commands import options, research, shared
from app.optimize.evaluate import METRICS, Objective

app = typer.Typer(rich_markup_mode=None)

_DEFAULTS, _COSTS = Rules(), Costs()
METHODS = ("tpe", "grid", "random", "cmaes", "nsga2", "genetic")

Moved = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[=LOW:HIGH[:STEP]]", help="Parameter to move; repeatable. All of them without it."),
]
Held = Annotated[
    list[str] | None, typer.Option("--params", metavar="NAME=VALUE", help="Parameters that stay; repeatable.")
]
Symbols = Annotated[
    list[str] | None, typer.Option(metavar="SYMBOL", help="Market; repeatable, the mean over all counts. [BTCUSDT]")
]
Trials = Annotated[
    int, typer.Option(help="Different points to try in all; a grid of more is tried evenly spread.", min=1)
]
MinTrades = Annotated[int, typer.Option(help="A point with fewer on any market does not count.", min=1)]
Windows = Annotated[
    int, typer.Option(metavar="WINDOWS", help="Choose on the past, trade what follows, so often; 0 = not.", min=0)
]
Anchored = Annotated[bool, typer.Option("--anchored", help="Each window learns from everything before it.")]
Name = Annotated[str, typer.Option("--study", help="Name to keep the search under; made up without it.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget an earlier search of that name.")]
Cluster = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster: ray://HOST:10001, or ray://local.")
]


@app.command()
def optimize(
    strategy: options.Strategy,
    *,
    search: Moved = None,
    params: Held = None,
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "tpe",
    trials: Trials = 200,
    population: Annotated[int, typer.Option(help="Of genetic and nsga2.", min=4)] = 50,
    metric: Annotated[str, typer.Option(help=f"What to maximise: {', '.join(METRICS)}.")] = "sharpe",
    min_trades: MinTrades = 30,
    symbol: Symbols = None,
    interval: options.Interval = "1h",
    start: options.From = None,
    end: options.To = None,
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
    fee: options.Fee = _COSTS.taker_fee_rate,
    maker_fee: options.MakerFee = None,
    slippage: options.Slippage = _COSTS.slippage_rate,
    funding: options.WithFunding = True,
    bars: options.Bars = 8760,
    seed: Annotated[int, typer.Option(help="Of the search and of generated candles.")] = 7,
    walk_forward: Windows = 4,
    anchored: Anchored = False,
    study: Name = "",
    fresh: Fresh = False,
    distributed: Cluster = None,
    strategies_dir: options.StrategiesDir = None,
    formats: options.Formats = "html",
    out: Annotated[Path, typer.Option(help="Folder for studies and reports.")] = Path("var/studies"),
    json: shared.Json = False,
) -> None:
    """Search for a strategy's best parameters, then test the choosing itself on data it has not seen."""
    shared.one_of("--method", method, METHODS)
    shared.one_of("--metric", metric, METRICS)
    from app.commands import optimize_run as run  # noqa: PLC0415 - numba and Optuna: seconds that --help need not pay

    sizing, size = research.sizing(risk=risk, quantity=quantity, share=share)
    rules = Rules(equity, sizing, size, leverage, quantity_step=quantity_step, min_notional=min_notional)
    rules = research.capped(rules, max_notional, min_reward_risk)
    costs = research.costs(fee, maker_fee, slippage)
    symbols = tuple(symbol or ("BTCUSDT",))
    asked = run.Asked(strategy, strategies_dir, tuple(search or ()), tuple(params or ()), method, trials, population)
    where = research.Where(data_dir, exchange, bars, seed)
    markets = [where.market(one, interval, start, end) for one in symbols]
    task = run.task(asked, Objective(metric, min_trades), markets, rules, costs, funding=funding, seed=seed)
    name = study or "-".join((strategy, *symbols, interval, method, metric))
    keep = run.Keep(out / f"{name}.log", out / name, formats, fresh=fresh)
    run.run(task, keep, distributed, walk_forward, anchored=anchored, quiet=json or not sys.stderr.isatty(), json=json)
