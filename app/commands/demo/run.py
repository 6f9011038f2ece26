"""The demo itself: set the stage, play the tape, say what happened."""

import asyncio
import json as jsonlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from app.adapters.console import ConsoleNotifier
from app.adapters.db.verify import verify_chain
from app.commands.demo.chart import draw_equity
from app.commands.demo.ledger import differences
from app.commands.demo.show import Show
from app.commands.demo.summary import Counted, Summary
from app.commands.demo.tape import STRATEGIES, TapeItem, build_tape
from app.commands.hosting import simulator_config
from app.commands.shared import Json
from app.commands.stage import Stage, staged
from app.log import configure_logging, register_secrets
from app.registry import add_strategy
from app.settings import Settings, load_settings
from simulator.clock import Mode
from simulator.config import Limits, SimulatorConfig

app = typer.Typer(rich_markup_mode=None)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MANY = 100_000
ALERT_TIMEOUT_S = 60
WARM_UP = timedelta(hours=600)  # candles before the first alert, for the seats to judge by
UNHURRIED = Limits(weight_1m=MANY, orders_1m=MANY, orders_10s=MANY)  # weeks pass in a minute: its limits would bind
SETTLE_TRIES = 100


@app.command()
def demo(
    weeks: Annotated[float, typer.Option(min=0.5, max=26, help="How much of the market to replay.")] = 3.0,
    out: Annotated[Path, typer.Option(help="Where the picture, the summary and the database go.")] = Path("var/demo"),
    data_dir: Annotated[
        Path | None, typer.Option(envvar="DATA_DIR", help="Folder of Parquet candles; synthetic ones otherwise.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Replay a tape of alerts through the whole bot against the local exchange, at high speed.

    Nothing leaves this machine: the money is made up, and labelled offline rules sit in for the language models.
    """
    _clean(out)
    settings = _settings(out, data_dir)
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


def _settings(out: Path, data_dir: Path | None) -> Settings:
    """Paper mode on the embedded default, whatever .env says: a demo never touches a real account or database."""
    return load_settings(
        {
            **({"DATA_DIR": str(data_dir)} if data_dir else {}),
            "TRADING_MODE": "paper",
            "DATABASE_URL": f"sqlite+aiosqlite:///{out / 'demo.sqlite3'}",
            "STRATEGIES_FILE": str(out / "strategies.yaml"),
            "API_TOKEN": secrets.token_urlsafe(32),
            "WEBHOOK_SECRET": secrets.token_urlsafe(32),
        },
        env_file=None,
    )


async def _demo(settings: Settings, weeks: float, out: Path, show: Show) -> Summary:
    started = time.monotonic()
    keys = {name: add_strategy(settings.intake.strategies_file, name, SYMBOLS) for name in STRATEGIES}
    config = replace(
        simulator_config(settings, mode=Mode.STEPPED), symbols=SYMBOLS, journal_path=None, limits=UNHURRIED
    )
    market = config.candles()
    begin, end = _window(config, weeks)
    config = replace(config, series=market, start=begin)
    tape = build_tape(market, begin, end, keys)
    source = next(iter(market.values())).source
    show.opening(tape, begin, end, source)
    notifier = ConsoleNotifier((out / "notifications.txt").open("w"))
    async with staged(settings, config, notifier=notifier) as stage:
        counted = Counted()
        with show.playing(tape):
            for item in tape:
                await _play(stage, item, counted, show)
            await stage.venue.post("/_sim/clock", json={"now": end.isoformat()})
            problems = await _settle(stage)
        summary = await _sum_up(stage, counted, problems, source, time.monotonic() - started)
        await _picture(stage, source, out / "equity.png")
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
    async with asyncio.timeout(ALERT_TIMEOUT_S):
        while True:
            story: dict[str, Any] = (await stage.bot.get(f"/alerts/{alert_id}")).json()
            if story["state"] not in ("pending", "working"):
                return story
            await asyncio.sleep(0.02)


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


async def _sum_up(stage: Stage, counted: Counted, problems: list[str], source: str, seconds: float) -> Summary:
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
        source=source,
        seconds=seconds,
    )


async def _stories(stage: Stage) -> AsyncIterator[dict[str, Any]]:
    for line in await stage.application.database.queries.alerts(limit=MANY):
        yield (await stage.bot.get(f"/alerts/{line.alert.alert_id}")).json()


async def _picture(stage: Stage, source: str, path: Path) -> None:
    points = (await stage.venue.get("/_sim/equity")).json()["points"]
    curve = [(datetime.fromisoformat(point["at"]), float(point["equity"])) for point in points]
    title = f"Paper account, {curve[0][0]:%d %b} to {curve[-1][0]:%d %b %Y}"
    note = f"{' and '.join(SYMBOLS)}, {source}. Made-up money: it shows that the machine works, not that it earns."
    draw_equity(curve, title, note, path)
