"""What `tradingbot doctor` looks at, one function each: what was found, how bad it is, and what to do about it.

A check never raises for what it is there to find; it never changes anything, never places an order, and costs nothing
unless it is asked to.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.verify import verify_chain
from app.adapters.exchanges.binance import BinanceConfig, BinanceExchange
from app.adapters.redis.client import FAILURES, connect
from app.adapters.telegram.notifier import NotDelivered, TelegramNotifier
from app.commands.storage import database_file
from app.domain.errors import OperatorError, StorageUnavailable, TradingBotError
from app.live.definitions import why_not
from app.log import redact
from app.registry import Registry
from app.settings import Mode, Settings

LIMIT_S = 20.0  # for one check
LOW_DISK_BYTES, FULL_DISK_BYTES = 1_000_000_000, 200_000_000


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    level: Level
    found: str
    do: str = ""  # what to do about it; "" when nothing


Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(found: Settings, checks: tuple[tuple[str, Check], ...]) -> list[Finding]:
    """All checks side by side; one that hangs or breaks is a finding of its own."""
    results = await asyncio.gather(*(_one(name, check, found) for name, check in checks))
    return [finding for result in results for finding in result]


async def _one(name: str, check: Check, found: Settings) -> list[Finding]:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await check(found)
    except TimeoutError:
        return [Finding(name, Level.WARN, f"not known after {LIMIT_S:.0f} s", "look again when it is less busy")]
    except TradingBotError as error:
        return [Finding(name, Level.FAIL, redact(str(error)))]


async def settings(found: Settings) -> list[Finding]:
    facts = f"{found.mode} mode on {found.venue.exchange}, webhook on {found.server.host}:{found.server.port}"
    return [
        Finding("settings", Level.OK, facts),
        *(Finding("settings", Level.WARN, warning, "see .env.example") for warning in found.warnings),
    ]


async def database(found: Settings) -> list[Finding]:
    """Reachable, migrated, and the chain adds up."""
    file = database_file(found)
    if file is not None and not file.exists():
        return [Finding("database", Level.WARN, f"no database at {file} yet", "the first tradingbot serve makes it")]
    opened = Database(found.database.url.get_secret_value(), SystemClock())
    try:
        await opened.open()
        backlog = await opened.inbox.backlog()
        report = await verify_chain(opened.engine)
    except StorageUnavailable as error:
        return [Finding("database", Level.FAIL, redact(str(error)), "start the database, or mend DATABASE_URL")]
    except OperatorError as error:
        return [Finding("database", Level.FAIL, redact(str(error)), "tradingbot serve brings it up to date")]
    finally:
        await opened.close()
    kind = "SQLite" if found.database.embedded else "PostgreSQL"
    findings = [Finding("database", Level.OK, f"{kind}, {backlog} alerts waiting")]
    if report.ok:
        return [*findings, Finding("audit chain", Level.OK, f"{report.count:,} events, head {report.head_hash[:12]}…")]
    broken = f"broken at event {report.bad_seq}: {report.why}"
    return [*findings, Finding("audit chain", Level.FAIL, broken, "stop, keep a copy, and find out who wrote there")]


async def redis(found: Settings) -> list[Finding]:
    if found.redis_url is None:
        return [Finding("redis", Level.OK, "not used")]
    client = connect(found.redis_url.get_secret_value(), timeout_s=2.0)
    try:
        await client.ping()
    except FAILURES as error:
        do = "start it or mend REDIS_URL; the bot trades on without it, slower"
        return [Finding("redis", Level.WARN, redact(f"does not answer: {type(error).__name__}"), do)]
    finally:
        await client.aclose()
    return [Finding("redis", Level.OK, "answers")]


async def exchange(found: Settings) -> list[Finding]:
    """Reachable, clocks together, key good, and no more dangerous than it must be."""
    venue = found.venue
    config = BinanceConfig(
        api_key=venue.api_key.get_secret_value(),
        api_secret=venue.api_secret.get_secret_value(),
        base_url=venue.rest_url,
        ws_url=venue.ws_url,
        spot_url=venue.spot_url,
    )
    client = BinanceExchange(config, SystemClock())
    await client.open()
    try:
        return await _exchange(found, client)
    except TradingBotError as error:
        if found.paper:
            do = "tradingbot serve starts it, unless BINANCE_BASE_URL says where it is"
            return [Finding("exchange", Level.WARN, f"the paper exchange at {venue.rest_url} is not running", do)]
        do = "look at the network, the key pair and the address it is bound to"
        return [Finding("exchange", Level.FAIL, redact(str(error)), do)]
    finally:
        await client.close()


async def _exchange(found: Settings, client: BinanceExchange) -> list[Finding]:
    started, before = time.monotonic(), datetime.now(UTC)
    theirs = await client.server_time()
    took_s = time.monotonic() - started
    offset_s = (theirs - before).total_seconds() - took_s / 2
    clock = f"answers in {took_s * 1000:.0f} ms, clocks {abs(offset_s) * 1000:.0f} ms apart"
    apart = abs(offset_s) > found.risk.max_clock_skew_s and not found.paper  # the simulator's time is its own
    do = "synchronise this machine's clock (NTP): entries halt until then" if apart else ""
    balance = await client.balance()
    findings = [
        Finding("exchange", Level.FAIL if apart else Level.OK, clock, do),
        Finding("account", Level.OK, f"equity {balance.equity} USDT, {balance.available} available"),
    ]
    if found.paper:
        return findings
    # The demo exchange hands out keys without these choices: there they are worth knowing, with real money they stop.
    level = Level.FAIL if found.mode is Mode.LIVE else Level.WARN
    dangers = await client.key_dangers()
    return [
        *findings,
        *(Finding("key", level, danger, "change it on the exchange's page of keys") for danger in dangers),
    ]


async def seats(found: Settings) -> list[Finding]:
    """Who would vote. Nobody is asked."""
    findings = []
    for name, seat in (("gpt", found.seats.gpt), ("claude", found.seats.claude), ("llama", found.seats.llama)):
        if seat.filled:
            where = seat.base_url or "the service's own address"
            findings.append(Finding(f"{name} seat", Level.OK, f"{seat.model} at {where} (not asked; --ask does)"))
        elif found.seats.stand_ins:
            do = "set its key (or OLLAMA_HOST) to hear the real one"
            findings.append(Finding(f"{name} seat", Level.OK, "a labelled stand-in sits there", do))
        else:
            findings.append(Finding(f"{name} seat", Level.WARN, "empty", "set its key (or OLLAMA_HOST) to fill it"))
    return findings


async def telegram(found: Settings) -> list[Finding]:
    if found.telegram is None:
        do = "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_IDS to hear from the bot elsewhere"
        return [
            Finding("telegram", Level.OK if found.paper else Level.WARN, "not used; messages go to the console", do)
        ]
    config = found.telegram
    notifier = TelegramNotifier(
        config.bot_token.get_secret_value(), config.chat_ids, clock=SystemClock(), base_url=config.base_url
    )
    try:
        name = await notifier.whoami()
    except NotDelivered as error:
        return [Finding("telegram", Level.FAIL, redact(str(error)), "mend TELEGRAM_BOT_TOKEN or the network")]
    finally:
        await notifier.close()
    return [Finding("telegram", Level.OK, f"@{name} writes to {len(config.chat_ids)} chats")]


async def strategies(found: Settings) -> list[Finding]:
    secret = found.intake.webhook_secret
    registry = Registry(
        found.intake.strategies_file,
        paper=found.paper,
        webhook_secret=secret.get_secret_value() if secret else "",
        monotonic=time.monotonic,
        alarm=lambda _: None,
    )
    profiles = registry.profiles()
    count = len(profiles)
    for one in profiles:
        why = why_not(one.runs, found.intake.strategies_dir) if one.runs else None
        if why is not None:
            return [
                Finding("strategies", Level.FAIL, f"{one.strategy} cannot run: {why}", "mend its line, or the file")
            ]
    if not count and secret is None:
        do = "tradingbot strategy add NAME, or set WEBHOOK_SECRET"
        return [Finding("strategies", Level.WARN, "nobody may send alerts", do)]
    return [Finding("strategies", Level.OK, f"{count} in {found.intake.strategies_file}")]


async def disk(found: Settings) -> list[Finding]:
    """Where the bot writes: the database's folder, or this one."""
    file = database_file(found)
    place = (file.parent if file else Path.cwd()).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    level = Level.FAIL if free < FULL_DISK_BYTES else Level.WARN if free < LOW_DISK_BYTES else Level.OK
    return [Finding("disk", level, f"{free / 1e9:,.1f} GB free at {place}", "" if level is Level.OK else "make room")]


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", settings),
    ("database", database),
    ("redis", redis),
    ("exchange", exchange),
    ("seats", seats),
    ("telegram", telegram),
    ("strategies", strategies),
    ("disk", disk),
)
