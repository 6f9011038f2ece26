"""`tradingbot pine`: strategies as Pine scripts for TradingView, and whether both sides trade the same."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from app.commands import options, shared
from app.domain.errors import OperatorError
from app.history import CandleSeries, load_series, synthetic
from app.pine import engines
from app.pine.compare import Deal, DealsMatch, Parity
from app.pine.script import origin, parse_params
from app.pine.trade_list import TradeList, read_trade_list
from app.strategies.registry import SHIPPED, definition

if TYPE_CHECKING:
    from app.pine.imported import Comparison

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_SEED, _START = 7, datetime(2024, 1, 1, tzinfo=UTC)  # of generated candles

Data = Annotated[Path | None, typer.Option("--data-dir", envvar="DATA_DIR", help="Folder of Parquet candles.")]


@app.callback()
def pine() -> None:
    """Strategies as Pine scripts for TradingView, and whether both sides trade the same."""


@app.command()
def export(
    strategy: Annotated[str, typer.Argument(help="As in `tradingbot strategies`.")] = "",
    params: options.Params = None,
    out: Annotated[Path | None, typer.Option(help="File to write; with --all, a folder.")] = None,
    strategies_dir: options.StrategiesDir = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every strategy that ships, into the folder --out.")
    ] = False,
) -> None:
    """Write a strategy as a Pine v6 script, with these values as its inputs' defaults."""
    if everything == bool(strategy):
        raise OperatorError("name one strategy, or say --all for every one")
    if everything:
        if params:
            raise OperatorError("--params are of one strategy; --all writes every one with its defaults")
        _write_all(out or Path("pine"))
        return
    text = definition(strategy, strategies_dir).pine(parse_params(params or ()))
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text)
        typer.echo(f"written to {out}", err=True)


def _write_all(folder: Path) -> None:
    for name in SHIPPED:
        _write(folder / f"{name}.pine", definition(name).pine())
    typer.echo(f"{len(SHIPPED)} scripts written to {folder}/")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from error


# --- check -----------------------------------------------------------------------------------------


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="A script that `tradingbot pine export` wrote.", exists=True, dir_okay=False)
    ],
    *,
    symbol: options.Symbol = "BTCUSDT",
    interval: options.Interval = "1h",
    data_dir: Data = None,
    bars: Annotated[int, typer.Option(help="Newest candles to use, or to generate.", min=100)] = 10_000,
    engines_dir: Annotated[Path, typer.Option(help="Where the Pine engines are installed.")] = engines.FOLDER,
    strategies_dir: options.StrategiesDir = None,
    json: shared.Json = False,
) -> None:
    """Run a script under the Pine engines on this machine and compare it with the strategy it names.

    Generated candles without --data-dir. Exit code 1 when something differs.
    """
    from app.pine.tester import parity  # noqa: PLC0415 - numba: a second that --help need not pay

    source = _text(file)
    said = origin(source)
    found = definition(said.strategy, strategies_dir)
    installed = engines.installed(engines_dir)
    if not installed:
        how = engines.how_to_install(engines_dir)
        raise OperatorError(f"no Pine engine is installed in {engines_dir}. To install one or both:\n{how}")
    series = _candles(data_dir, symbol, interval, bars)
    with ThreadPoolExecutor() as pool:  # each takes half a minute, in a process of its own
        parsing = pool.submit(engines.refused_by_parser, {file.stem: source}, engines_dir)
        accounts = list(pool.map(lambda one: engines.run(one, source, series), installed))
        refused = parsing.result()
    parities = [parity(found, series, account, said.params) for account in accounts]
    agrees = not refused and all(one.agrees for one in parities)
    if json:
        shared.print_json(_check_data(said.strategy, series, refused, parities, agrees=agrees))
    else:
        _say_check(said.strategy, series, refused, parities)
    if not agrees:
        raise typer.Exit(1)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OperatorError(f"{file.name} is not a text file, so it is no Pine script") from None
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}") from error


def _candles(data_dir: Path | None, symbol: str, interval: str, bars: int) -> CandleSeries:
    if data_dir is None:
        return synthetic(symbol, interval, bars, _SEED, _START)
    return load_series(data_dir, symbol, interval)[-bars:]


def _say_check(name: str, series: CandleSeries, refused: str | None, parities: list[Parity]) -> None:
    typer.echo(f"{name} on {len(series):,} bars of {series.symbol} {series.interval} ({series.source})")
    if refused is not None:
        typer.echo(f"pynescript: {refused or 'parses'}")
    for found in parities:
        typer.echo(f"{found.engine}: {'the same' if found.agrees else 'NOT the same'}")
        for sentence in found.sentences():
            typer.echo(f"  {sentence}")


def _check_data(
    name: str, series: CandleSeries, refused: str | None, parities: list[Parity], *, agrees: bool
) -> dict[str, Any]:
    return {
        "strategy": name,
        "symbol": series.symbol,
        "interval": series.interval,
        "bars": len(series),
        "candles": series.source,
        "agrees": agrees,
        "parses": None if refused is None else not refused,
        "parser_says": refused,
        "engines": [
            {
                "engine": found.engine,
                "agrees": found.agrees,
                "warm_up": found.warm_up,
                "signals": [asdict(field) for field in found.signals],
                "trades": _match_data(found.deals),
                # JSON has no infinity, which is what a missing value is apart.
                "equity": {**asdict(found.equity), "worst": min(found.equity.worst, sys.float_info.max)},
            }
            for found in parities
        ],
    }


def _match_data(match: DealsMatch) -> dict[str, Any]:
    return {
        "same": match.equal,
        "different": [asdict(pair) for pair in match.pairs if pair.differences],
        "only_here": [asdict(deal) for deal in match.ours_only],
        "only_there": [asdict(deal) for deal in match.theirs_only],
    }


# --- import-trades ---------------------------------------------------------------------------------


@app.command("import-trades")
def import_trades(
    file: Annotated[
        Path, typer.Argument(help="The strategy tester's list of trades, as CSV.", exists=True, dir_okay=False)
    ],
    *,
    strategy: Annotated[str, typer.Option(help="As in `tradingbot strategies`.")],
    symbol: options.Symbol = "BTCUSDT",
    interval: options.Interval = "1h",
    params: options.Params = None,
    data_dir: Data = None,
    timezone: Annotated[str | None, typer.Option(help="The chart's, e.g. Europe/Berlin; found without it.")] = None,
    date_format: Annotated[str | None, typer.Option(help="Of the list, e.g. '%d/%m/%Y %H:%M'.")] = None,
    commission: Annotated[
        float | None, typer.Option(help="Per cent on each side; taken from the list's profits without it.", min=0)
    ] = None,
    limit: Annotated[int, typer.Option(help="Differences to show.", min=0)] = 20,
    strategies_dir: options.StrategiesDir = None,
    json: shared.Json = False,
) -> None:
    """Compare trades exported from TradingView's strategy tester with our backtest, trade by trade.

    Exit code 1 when something differs.
    """
    from app.pine.imported import compare_list  # noqa: PLC0415 - numba, as above

    if data_dir is None:
        raise OperatorError(
            "--data-dir is needed: the candles of the chart's market, e.g. from `tradingbot data fetch`"
        )
    listed = read_trade_list(file, date_format)
    if not listed.trades:
        raise OperatorError(f"{file.name} has no closed trade")
    comparison = compare_list(
        listed,
        definition(strategy, strategies_dir),
        series := load_series(data_dir, symbol, interval),
        parse_params(params or ()),
        timezone=timezone,
        fee_rate=None if commission is None else commission / 100,
    )
    if json:
        shared.print_json(_comparison_data(listed, comparison))
    else:
        _say_comparison(listed, comparison, series, limit)
    if not comparison.match.agrees:
        raise typer.Exit(1)


def _comparison_data(listed: TradeList, found: "Comparison") -> dict[str, Any]:
    return {
        "agrees": found.match.agrees,
        "clock": asdict(found.clock),
        "listed": len(listed.trades),
        "still_open": listed.still_open,
        "outside": found.outside,
        "commission_percent": found.fee_rate * 100,
        "tolerance": asdict(found.tolerance),
        "trades": _match_data(found.match),
    }


def _say_comparison(listed: TradeList, found: "Comparison", series: CandleSeries, limit: int) -> None:
    match, clock = found.match, found.clock
    typer.echo(f"{len(listed.trades):,} closed trades in the list, {found.outside:,} of them outside {series.source}")
    typer.echo(f"chart clock: {clock.name} ({clock.fitting:,} of {clock.inside:,} entries are the open of their bar)")
    source = "given" if found.fee_told else "from the list's profits"
    typer.echo(f"commission: {found.fee_rate:.4%} on each side ({source})")
    typer.echo(f"price tolerance: {found.tolerance.price:g} (the list's own tick)")
    typer.echo(
        f"{match.equal:,} trades are the same, {len(match.pairs) - match.equal:,} differ,"
        f" {len(match.ours_only):,} only here, {len(match.theirs_only):,} only on the chart"
    )
    rows = found.in_words()[:limit]
    if not rows:
        return
    table = Table("side", "entered", "left", "whose", "what differs")
    for whose, deal, words in rows:
        table.add_row(*_times(deal, series), whose, words)
    shared.console().print(table)
    typer.echo(
        "A chart whose history starts elsewhere has other averages at first: early differences may be just that."
    )


def _times(deal: Deal, series: CandleSeries) -> tuple[str, str, str]:
    entered, left = (datetime.fromtimestamp(series.ts[bar] / 1000, UTC) for bar in (deal.entry_bar, deal.exit_bar))
    return "long" if deal.side > 0 else "short", f"{entered:%Y-%m-%d %H:%M}", f"{left:%Y-%m-%d %H:%M}"
