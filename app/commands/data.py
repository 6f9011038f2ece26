"""`tradingbot data`: candles from the venues' public history, kept, checked, joined and queried.

Interrupted work is kept: run the same command again and it goes on where it stopped.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.adapters.clock import SystemClock
from app.adapters.market_data import binance, okx
from app.candle_store.download import CandleSource, Filled, fill
from app.candle_store.joining import resample as join
from app.candle_store.layout import FUNDING, Market
from app.candle_store.soundness import inspect
from app.candle_store.spans import Span, clock_text, milliseconds
from app.candle_store.sql import query as ask
from app.candle_store.store import CandleStore
from app.commands import data_view, options, shared
from app.domain.candle import INTERVALS
from app.domain.errors import BadSettings

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_DEFAULT_DAYS = 365


class Venue(StrEnum):
    BINANCE = "binance"
    OKX = "okx"


DataDir = Annotated[Path, typer.Option(help="Folder of candles.", envvar="DATA_DIR")]
Symbols = Annotated[list[str], typer.Option("--symbol", help="Market, e.g. BTCUSDT; repeat it for more.")]


@app.callback()
def data() -> None:
    """Candles and funding rates: fetch, list, report, resample, query."""


@app.command()
def fetch(
    *,
    symbol: Symbols,
    exchange: Annotated[Venue, typer.Option(help="Whose history.")] = Venue.BINANCE,
    interval: options.Interval = "1m",
    start: Annotated[
        datetime | None,
        typer.Option("--from", parser=options.moment, metavar="DATE", help="First day, UTC. A year ago without."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", parser=options.moment, metavar="DATE", help="Up to, and without, this. Now without."),
    ] = None,
    funding: Annotated[bool, typer.Option("--funding", help="Funding rates too.")] = False,
    data_dir: DataDir = options.CANDLES,
    binance_url: Annotated[str, typer.Option(envvar="BINANCE_BASE_URL", hidden=True)] = "",
    okx_url: Annotated[str, typer.Option(envvar="OKX_BASE_URL", hidden=True)] = "",
    json: shared.Json = False,
) -> None:
    """Fetch what is missing of a market's closed candles. Needs no account and no key.

    Stop it whenever you like; the same command goes on where it stopped. Candles land in --data-dir as Parquet.
    """
    if interval not in INTERVALS:
        raise BadSettings(f"unknown interval {interval!r}; choose one of {', '.join(INTERVALS)}")
    now = datetime.now(UTC)
    span = (milliseconds(start or now - timedelta(days=_DEFAULT_DAYS)), milliseconds(end or now))
    if span[0] >= span[1]:
        raise BadSettings(f"--from {clock_text(span[0])} is not before --to {clock_text(span[1])}")
    kinds = (interval, FUNDING) if funding else (interval,)
    markets = [Market(name, kind, exchange) for name in dict.fromkeys(map(_plain, symbol)) for kind in kinds]
    address = binance_url or binance.BASE_URL if exchange is Venue.BINANCE else okx_url or okx.BASE_URL
    store = CandleStore(data_dir)
    with store.locked():
        told = asyncio.run(_fetch(store, exchange, address, markets, span, quiet=json))
    if json:
        shared.print_json([data_view.filled_data(one) for one in told])
    else:
        for one in told:
            typer.echo(data_view.filled_text(one))
        typer.echo(f"kept in {data_dir}; next: tradingbot data report --data-dir {data_dir}")


async def _fetch(
    store: CandleStore, exchange: Venue, address: str, markets: Sequence[Market], span: Span, *, quiet: bool
) -> list[Filled]:
    clock = SystemClock()
    source: CandleSource
    async with (
        binance.BinanceHistory(clock=clock, base_url=address)
        if exchange is Venue.BINANCE
        else okx.OkxHistory(clock=clock, base_url=address)
    ) as source:
        with _progress(quiet=quiet) as start:
            return [
                await fill(store, source, market, span, clock=clock, progress=start(market.name)) for market in markets
            ]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """A bar per market on a terminal, nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda _name: lambda _done, _of: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:

        def start(name: str) -> Callable[[int, int], None]:
            task = shown.add_task(name, total=None)

            def told(done: int, of: int) -> None:
                # Nothing to ask for is done at once.
                shown.update(task, completed=done if of else 1, total=of or 1)

            return told

        yield start


@app.command("list")
def list_(data_dir: DataDir = options.CANDLES, exchange: options.Exchange = None, json: shared.Json = False) -> None:
    """What is there: markets, spans, bars, size on disk."""
    lines = data_view.holdings(CandleStore(data_dir, exchange).markets())
    if json:
        shared.print_json([line.data() for line in lines])
    elif lines:
        shared.console().print(data_view.holdings_table(lines))
    else:
        typer.echo(f"{data_dir} has no candles yet: tradingbot data fetch --symbol BTCUSDT --data-dir {data_dir}")


@app.command()
def report(  # noqa: PLR0917 - typer hands every option over by name
    symbol: Annotated[list[str] | None, typer.Option(help="Only this market; repeat it for more.")] = None,
    interval: Annotated[str | None, typer.Option(help="Only candles of this length.")] = None,
    jump: Annotated[float, typer.Option(help="Tell bars this far from the last close, in percent.", min=0.1)] = 20.0,
    idle: Annotated[int, typer.Option(help="Tell stretches without volume from this many bars on.", min=1)] = 10,
    data_dir: DataDir = options.CANDLES,
    exchange: options.Exchange = None,
    json: shared.Json = False,
) -> None:
    """Can the candles be believed? Gaps, repeats, impossible prices, idle stretches, jumps.

    Exit code 1 when a market is unsound. Gaps the venue itself has, idle stretches and jumps are told but do not count.
    """
    store = CandleStore(data_dir, exchange)
    chosen = {
        market: paths
        for market, paths in store.markets().items()
        if market.interval != FUNDING
        and (not symbol or market.symbol in map(_plain, symbol))
        and interval in (None, market.interval)
    }
    if not chosen:
        raise BadSettings(f"no such candles in {data_dir}; tradingbot data list says what there is")
    reports = inspect(chosen, jump=jump / 100, idle_bars=idle)
    if json:
        shared.print_json([data_view.report_data(one) for one in reports])
    else:
        shared.console().print(data_view.report_table(reports, jump=jump))
        for line in data_view.report_lines(reports):
            typer.echo(line)
    if any(one.problems for one in reports):
        raise typer.Exit(1)


@app.command()
def resample(
    *,
    symbol: Symbols,
    interval: Annotated[str, typer.Option(help="Length of the longer candles, e.g. 1h.")],
    data_dir: DataDir = options.CANDLES,
    exchange: options.Exchange = None,
    json: shared.Json = False,
) -> None:
    """Join the finest fetched candles into longer ones and keep them.

    Seldom needed: every command joins finer candles as it reads. Incomplete candles at both ends are left out.
    What is kept is read in place of the finer candles until more of those are fetched; then resample again.
    """
    store = CandleStore(data_dir, exchange)
    done = []
    with store.locked():
        for name in dict.fromkeys(map(_plain, symbol)):
            series = join(store, name, interval)
            done.append({"symbol": name, "interval": interval, "from": series.source, "bars": len(series)})
    if json:
        shared.print_json(done)
    else:
        for row in done:
            typer.echo(f"{row['symbol']} {interval}: {row['bars']:,} bars joined from {row['from']}")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the views candles and funding.")],
    limit: Annotated[int, typer.Option(help="At most this many rows; 0 = all.", min=0)] = 1_000,
    data_dir: DataDir = options.CANDLES,
    json: shared.Json = False,
) -> None:
    """Ask the candles in SQL (DuckDB), read-only.

    candles: exchange, symbol, interval, ts (UTC), open, high, low, close, volume.
    funding: exchange, symbol, ts (UTC), funding_rate.
    """
    told = ask(CandleStore(data_dir), sql, limit=limit or None)
    if json:
        shared.print_json([dict(zip(told.columns, map(data_view.plain, row), strict=True)) for row in told.rows])
    else:
        shared.console().print(data_view.answer_table(told))
    if told.more:
        typer.echo(f"only the first {limit:,} rows; --limit 0 prints all", err=True)


def _plain(symbol: str) -> str:
    """BTC-USDT-SWAP, BTCUSDT.P and btcusdt are BTCUSDT."""
    return symbol.upper().removesuffix("-SWAP").removesuffix(".P").replace("-", "").replace("/", "")
