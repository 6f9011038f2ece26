"""The demo itself: set the stage, play the tape, say what happened."""

import asyncio
import contextlib
import json as jsonlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import uvloop

from app.adapters.console import ConsoleNotifier
from app.adapters.db.verify import verify_chain
from app.bootstrap import Application, build
from app.commands.demo.chart import draw_equity
from app.commands.demo.ledger import differences
from app.commands.demo.show import Show
from app.commands.demo.summary import Counted, Summary
from app.commands.demo.tape import STRATEGIES, TapeItem, build_tape
from app.commands.hosting import listen, local_exchange, serving, simulator_config
from app.commands.shared import Json
from app.log import configure_logging, register_secrets
from app.main import create_app
from app.registry import add_strategy
from app.settings import Settings, load_settings
from simulator.clock import Mode
from simulator.config import SimulatorConfig

app = typer.Typer()
SYMBOLS = ("BTCUSDT", "ETHUSDT")
WARM_UP = timedelta(hours=600)  # candles before the first alert, for the seats to judge by
SETTLE_TRIES = 100
MANY = 100_000


@app.command()
def demo(
    weeks: Annotated[float, typer.Option(min=0.5, max=26, help="How much of the market to replay.")] = 3.0,
    out: Annotated[Path, typer.Option(help="Where the picture, the summary and the database go.")] = Path("var/demo"),
    *,
    json: Json = False,
) -> None:
    """Replay a tape of alerts through the whole bot against the local exchange, at high speed.

    Candles come from DATA_DIR when it names a folder of Parquet files, else they are synthetic. Nothing leaves this
    machine: the seats of the language models are taken by labelled offline stand-ins.
    """
    _clean(out)
    settings = _settings(out)
    configure_logging("WARNING", json=False, stream=(out / "demo.log").open("w"))
    register_secrets(settings.secrets())
    summary = uvloop.run(_demo(settings, weeks, out, Show(quiet=json)))
    (out / "summary.json").write_text(jsonlib.dumps(summary.data(), indent=2) + "\n")
    if json:
        typer.echo(jsonlib.dumps(summary.data(), indent=2))
    raise typer.Exit(0 if summary.sound else 1)


def _clean(out: Path) -> None:
    """Every demo starts from nothing; only files a demo makes are removed."""
    for name in ("demo.sqlite3", "demo.sqlite3-wal", "demo.sqlite3-shm", "strategies.yaml", "demo.log"):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _settings(out: Path) -> Settings:
    """Paper mode on the embedded default, whatever .env says: a demo never touches a real account or database."""
    given = {name: os.environ[name] for name in ("DATA_DIR",) if os.environ.get(name)}
    return load_settings(
        {
            **given,
            "TRADING_MODE": "paper",
            "DATABASE_URL": f"sqlite+aiosqlite:///{out / 'demo.sqlite3'}",
            "STRATEGIES_FILE": str(out / "strategies.yaml"),
            "API_TOKEN": secrets.token_urlsafe(32),
            "WEBHOOK_SECRET": secrets.token_urlsafe(32),
        },
        env_file=None,
    )


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything running, and where to reach it."""

    application: Application
    bot: httpx.AsyncClient
    venue: httpx.AsyncClient
    sold_by: str  # whose candles these are


async def _demo(settings: Settings, weeks: float, out: Path, show: Show) -> Summary:
    started = time.monotonic()
    keys = {name: add_strategy(settings.intake.strategies_file, name, SYMBOLS) for name in STRATEGIES}
    config = replace(simulator_config(settings, mode=Mode.STEPPED), symbols=SYMBOLS, journal_path=None)
    market = config.candles()
    begin, end = _window(config, weeks)
    config = replace(config, series=market, start=begin)
    tape = build_tape(market, begin, end, keys)
    source = next(iter(market.values())).source
    show.opening(tape, begin, end, source)
    async with _stage(settings, config, source, out) as stage:
        counted = Counted()
        with show.playing(tape):
            for item in tape:
                await _play(stage, item, counted, show)
            await stage.venue.post("/_sim/clock", json={"now": end.isoformat()})
            problems = await _settle(stage)
        summary = await _sum_up(stage, counted, problems, time.monotonic() - started)
        await _picture(stage, out / "equity.png", begin, end)
    show.closing(summary, out)
    return summary


def _window(config: SimulatorConfig, weeks: float) -> tuple[datetime, datetime]:
    """The stretch to replay: from the start of the paper market, or the last weeks of real candles."""
    market = config.candles()
    first = datetime.fromtimestamp(max(int(one.ts[0]) for one in market.values()) / 1000, UTC)
    last = datetime.fromtimestamp(min(int(one.ts[-1]) for one in market.values()) / 1000, UTC)
    length = timedelta(weeks=weeks)
    begin = max(first + WARM_UP, last - length) if config.data_dir else first + WARM_UP
    return begin, min(begin + length, last)


@contextlib.asynccontextmanager
async def _stage(settings: Settings, config: SimulatorConfig, source: str, out: Path) -> AsyncIterator[Stage]:
    """The exchange and the bot on free ports of this machine, talking HTTP and websockets to each other."""
    async with contextlib.AsyncExitStack() as stack:
        venue_port, bot_socket = _free_port(), listen("127.0.0.1", 0)
        exchange = await stack.enter_async_context(local_exchange(config, venue_port))
        url = f"http://127.0.0.1:{venue_port}"
        venue = replace(settings.venue, rest_url=url, ws_url=url.replace("http", "ws"), spot_url=url)
        application = build(
            replace(settings, venue=venue),
            clock=exchange.state.clock,
            notifier=ConsoleNotifier((out / "notifications.txt").open("w")),
        )
        stack.push_async_callback(application.close)
        await application.open(migrate=True)
        token = settings.server.api_token.get_secret_value() if settings.server.api_token else ""
        stop = asyncio.Event()
        await stack.enter_async_context(serving(create_app(application.api), bot_socket))
        working = asyncio.create_task(application.run(stop))
        bot = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{bot_socket.getsockname()[1]}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
                trust_env=False,
            )
        )
        exchange_client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60, trust_env=False))
        stage = Stage(application, bot, exchange_client, source)
        await _until_ready(stage)
        try:
            yield stage
        finally:
            stop.set()
            await working


def _free_port() -> int:
    with listen("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


async def _until_ready(stage: Stage) -> None:
    while (await stage.bot.get("/ready")).status_code != httpx.codes.OK:  # noqa: ASYNC110 - it is asked over HTTP
        await asyncio.sleep(0.05)


# --- playing ---------------------------------------------------------------------------------------------


async def _play(stage: Stage, item: TapeItem, counted: Counted, show: Show) -> None:
    """Bring the market to the moment, send the alert, wait for its end."""
    await stage.venue.post("/_sim/clock", json={"now": item.at.isoformat()})
    for _ in range(item.sends):
        answer = await stage.bot.post("/webhooks/tradingview", content=item.body)
        said = answer.json()
        counted.answered(answer.status_code, said)
        if said.get("status") == "accepted":
            story = await _until_final(stage, said["alert_id"])
            show.alert(item, answer.status_code, story)
        else:
            show.alert(item, answer.status_code, said)


async def _until_final(stage: Stage, alert_id: str) -> dict[str, Any]:
    while True:
        story: dict[str, Any] = (await stage.bot.get(f"/alerts/{alert_id}")).json()
        if story["state"] not in ("pending", "working"):
            return story
        await asyncio.sleep(0.005)


async def _settle(stage: Stage) -> list[str]:
    """What still differs from the venue's ledger once everything has come to rest."""
    problems: list[str] = []
    for _ in range(SETTLE_TRIES):
        ledger = (await stage.venue.get("/_sim/ledger")).json()
        queries = stage.application.database.queries
        problems = differences(ledger, await queries.orders(limit=MANY), await queries.positions())
        if not problems and not (await stage.application.database.outbox.counts()).get("waiting"):
            break
        await asyncio.sleep(0.1)
    return problems


# --- the end ---------------------------------------------------------------------------------------------


async def _sum_up(stage: Stage, counted: Counted, problems: list[str], seconds: float) -> Summary:
    queries = stage.application.database.queries
    ledger = (await stage.venue.get("/_sim/ledger")).json()
    return Summary(
        counted=counted,
        stories=[found async for found in _stories(stage)],
        trades=await queries.trades(limit=MANY),
        open_positions=len(await queries.positions()),
        notifications=(await stage.application.database.outbox.counts()).get("delivered", 0),
        chain=await verify_chain(stage.application.database.engine),
        problems=problems,
        account=ledger["account"],
        seats=stage.application.notes,
        source=stage.sold_by,
        seconds=seconds,
    )


async def _stories(stage: Stage) -> AsyncIterator[dict[str, Any]]:
    for line in await stage.application.database.queries.alerts(limit=MANY):
        yield (await stage.bot.get(f"/alerts/{line.alert.alert_id}")).json()


async def _picture(stage: Stage, path: Path, begin: datetime, end: datetime) -> None:
    points = (await stage.venue.get("/_sim/equity")).json()["points"]
    curve = [(datetime.fromisoformat(point["at"]), float(point["equity"])) for point in points]
    title = f"Paper account, {begin:%d %b} to {end:%d %b %Y}"
    note = (
        f"{' and '.join(SYMBOLS)}, {stage.sold_by}. Made-up money: it shows that the machine works, not that it earns."
    )
    draw_equity(curve, title, note, path)
