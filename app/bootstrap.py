"""Joins ports to adapters: the only file that knows both sides. Settings in, a bot that can be started out.

Building connects to nothing. `Application.open` does, and raises OperatorError when a person must change something;
a venue or Redis that does not answer yet is no reason not to start, for alerts must be taken in all the same.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ai.seats import Seats, SeatsConfig, fill_seats
from app.adapters.clock import SystemClock
from app.adapters.console import ConsoleNotifier
from app.adapters.db.database import Database
from app.adapters.exchanges.binance.config import BinanceConfig
from app.adapters.exchanges.binance.exchange import BinanceExchange
from app.adapters.local import LocalDoorbell, LocalRateLimiter
from app.adapters.market_data.binance import BinanceHistory, BinanceKlines
from app.adapters.market_data.live import LiveCandles
from app.adapters.metrics import GaugeSampler, PrometheusMetrics
from app.adapters.redis.client import connect
from app.adapters.redis.doorbell import RedisDoorbell
from app.adapters.redis.limiter import RedisRateLimiter
from app.adapters.telegram.notifier import TelegramNotifier
from app.api.deps import AccountView, Api, IntakeRules
from app.caretaker import Caretaker, CaretakerConfig
from app.domain.errors import OperatorError, VenueUnavailable
from app.domain.ids import AccountId, AlertId, Symbol
from app.domain.money import Money
from app.live.definitions import definitions_in
from app.live.engine import LiveEngine
from app.live.intake import OwnAlerts
from app.pipeline.bot import Bot, Health, Timing
from app.pipeline.controls import Controls
from app.pipeline.verdict import Jury
from app.ports import Bell, Clock, Doorbell, Notifier, RateLimiter, Records
from app.registry import Registry
from app.settings import Mode, Settings
from app.worker import Worker, WorkerConfig

log = structlog.get_logger(__name__)
ACCOUNT = AccountId("main")  # the one venue account there is so far
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


INSTRUMENTS_EVERY_S = 600.0
INSTRUMENTS_RETRY_S = 1.0  # while the venue has not told yet
_Calls = list[Callable[[], Awaitable[None]]]


class ClosableNotifier(Notifier, Protocol):
    async def close(self) -> None: ...


@dataclass(slots=True)
class Venue:
    """The venue as the API sees it: what it lists, and what its account holds."""

    exchange: BinanceExchange
    mode: Mode
    records: Records
    _instruments: frozenset[Symbol] = frozenset()

    def listed(self) -> Collection[Symbol]:
        return self._instruments

    async def refresh_instruments(self) -> None:
        """Ask what is listed now. Keeps the old list when the venue is silent."""
        try:
            found = await self.exchange.instruments()
        except VenueUnavailable as error:
            log.warning("the venue does not list its instruments yet", error=str(error))
            return
        self._instruments = frozenset(found)

    async def equity(self, _: AccountId) -> Money:
        return (await self.exchange.balance()).equity

    async def accounts(self) -> Sequence[AccountView]:
        try:
            balance = await self.exchange.balance()
        except VenueUnavailable:
            balance = None
        facts = await self.records.account_facts(ACCOUNT)
        return [AccountView(ACCOUNT, self.exchange.name, self.mode.value, balance, facts)]

    async def answers(self) -> str:
        """A readiness check."""
        return f"{self.exchange.name}, its time is {(await self.exchange.server_time()).isoformat(timespec='seconds')}"

    async def refuse_dangerous_key(self) -> None:
        """Real money is not trusted to a key that could do more than trade. Raises OperatorError."""
        try:
            dangers = await self.exchange.key_dangers()
        except VenueUnavailable as error:
            if self.mode is Mode.LIVE:
                raise OperatorError(f"what this API key may do could not be checked: {error}; try again") from error
            log.warning("what the API key may do could not be checked", error=str(error))
            return
        if dangers and self.mode is Mode.LIVE:
            raise OperatorError("this API key must not trade real money: " + "; ".join(dangers))
        for danger in dangers:
            log.warning("the API key should be tightened before live use", danger=danger)


@dataclass(slots=True)
class Application:
    """Everything that runs in one process, built and not yet started."""

    settings: Settings
    database: Database
    venue: Venue
    bot: Bot
    api: Api
    worker: Worker
    live: LiveEngine
    notes: tuple[str, ...]  # who sits in which seat
    _opening: Sequence[Callable[[], Awaitable[None]]]
    _closing: Sequence[Callable[[], Awaitable[None]]]

    async def open(self, *, migrate: bool) -> None:
        """Connect. Raises OperatorError or StorageUnavailable when the database cannot be used."""
        await self.database.open(migrate=migrate)
        await self.venue.exchange.open()
        for begin in self._opening:
            await begin()
        if not self.settings.paper:
            await self.venue.refuse_dangerous_key()
        await self.venue.refresh_instruments()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.worker.run(stop))
            tasks.create_task(self.live.run(stop))
            tasks.create_task(self._follow_instruments(stop))

    async def _follow_instruments(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            wait_s = INSTRUMENTS_EVERY_S if self.venue.listed() else INSTRUMENTS_RETRY_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
            if not stop.is_set():
                await self.venue.refresh_instruments()

    async def close(self) -> None:
        """Let go of everything; one that fails does not keep the others open."""
        for close in (self.venue.exchange.close, *self._closing, self.database.close):
            try:
                await close()
            except Exception:
                log.exception("while closing")


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    name: str | None = None,
    notifier: ClosableNotifier | None = None,
    timing: Timing | None = None,
) -> Application:
    """Wire one process. Raises OperatorError.

    `clock` is the local exchange's own when it runs in this process; `notifier` replaces the one the settings name;
    `timing` says how long the order path waits, where the usual does not fit.
    """
    clock = clock or SystemClock()
    name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    metrics = PrometheusMetrics(accounts=(ACCOUNT,))
    database = Database(settings.database.url.get_secret_value(), clock)
    exchange = _exchange(settings, clock)
    seats = fill_seats(_seats(settings))
    doorbell, limiter, opening, closing = _between_processes(settings, clock, name)
    registry = _registry(settings, clock)
    bot = _bot(
        settings, database, exchange, seats=seats, metrics=metrics, registry=registry, clock=clock, timing=timing
    )
    notifier = notifier or _notifier(settings, clock)
    sampler = GaugeSampler(metrics, database.inbox, database.queries, {ACCOUNT: exchange}, clock)
    venue = Venue(exchange, settings.mode, database.records)
    caretaker = _caretaker(settings, bot, name)
    worker = Worker(bot, database.inbox, doorbell, notifier, caretaker=caretaker, config=_work(settings, name))
    switches = Controls(
        database.events, database.records, (ACCOUNT,), clock=clock, doorbell=worker, equity=venue.equity
    )
    live, leave_candles = _live(settings, database, registry, metrics, bell=worker, clock=clock)
    api = Api(
        inbox=database.inbox,
        queries=database.queries,
        doorbell=doorbell,
        limiter=limiter,
        strategies=registry,
        controls=switches,
        clock=clock,
        new_alert_id=new_alert_id,
        listed=venue.listed,
        accounts=venue.accounts,
        probes={"venue": venue.answers, "reconciled": lambda: _reconciled_probe(bot)},
        metrics=metrics.registry,
        api_token=settings.server.api_token.get_secret_value() if settings.server.api_token else "",
        paper=settings.paper,
        intake=IntakeRules(settings.server.allowed_senders, settings.server.trusted_proxies),
    )
    begin = (*opening, sampler.start)
    end = (sampler.close, seats.close, notifier.close, leave_candles, *closing)
    return Application(settings, database, venue, bot, api, worker, live, seats.notes, begin, end)


def _live(
    settings: Settings,
    database: Database,
    registry: Registry,
    metrics: PrometheusMetrics,
    *,
    bell: Bell,
    clock: Clock,
) -> tuple[LiveEngine, Callable[[], Awaitable[None]]]:
    """The engine of the registry's own strategies, on the venue's candles; and what closes its connections."""
    candles = BinanceHistory(clock=clock, base_url=settings.venue.rest_url)
    engine = LiveEngine(
        feed=LiveCandles(candles, BinanceKlines(settings.venue.ws_url), clock),
        profiles=registry.profiles,
        definition=definitions_in(settings.intake.strategies_dir),
        take=OwnAlerts(database.inbox, bell, clock, new_alert_id),
        records=database.records,
        outbox=database.outbox,
        metrics=metrics,
        clock=clock,
    )
    return engine, candles.close


def _caretaker(settings: Settings, bot: Bot, name: str) -> Caretaker:
    work = settings.work
    return Caretaker(bot, CaretakerConfig(name, lease_s=work.lease_s, every_s=work.reconcile_s))


def _work(settings: Settings, name: str) -> WorkerConfig:
    work = settings.work
    return WorkerConfig(
        name=name,
        concurrency=work.concurrency,
        lease_s=work.lease_s,
        idle_poll_s=work.idle_poll_s,
    )


def _registry(settings: Settings, clock: Clock) -> Registry:
    secret = settings.intake.webhook_secret
    return Registry(
        settings.intake.strategies_file,
        paper=settings.paper,
        webhook_secret=secret.get_secret_value() if secret else "",
        monotonic=clock.monotonic,
        alarm=log.error,
        accounts=(ACCOUNT,),
    )


def _bot(
    settings: Settings,
    database: Database,
    exchange: BinanceExchange,
    *,
    seats: Seats,
    metrics: PrometheusMetrics,
    registry: Registry,
    clock: Clock,
    timing: Timing | None,
) -> Bot:
    return Bot(
        log=database.events,
        records=database.records,
        lanes=database.lanes,
        exchanges={ACCOUNT: exchange},
        market={ACCOUNT: exchange},
        jury=Jury(seats.prompter, seats.voters),
        clock=clock,
        outbox=database.outbox,
        metrics=metrics,
        profile_of=registry.profile,
        risk_policy=settings.risk,
        verdict_policy=settings.verdict,
        health=Health(fresh_s=max(30.0, 6 * settings.work.reconcile_s)),
        timing=timing or Timing(lease_s=settings.work.lease_s),
    )


def new_alert_id() -> AlertId:
    """26 characters that sort by time of creation: 48 bits of milliseconds and 80 random bits (the ULID layout)."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return AlertId("".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


def _exchange(settings: Settings, clock: Clock) -> BinanceExchange:
    venue = settings.venue
    config = BinanceConfig(
        api_key=venue.api_key.get_secret_value(),
        api_secret=venue.api_secret.get_secret_value(),
        base_url=venue.rest_url,
        ws_url=venue.ws_url,
        spot_url=venue.spot_url,
    )
    return BinanceExchange(config, clock)


def _seats(settings: Settings) -> SeatsConfig:
    gpt, claude, llama = settings.seats.gpt, settings.seats.claude, settings.seats.llama
    return SeatsConfig(
        openai_api_key=gpt.api_key.get_secret_value() if gpt.filled and gpt.api_key else "",
        openai_base_url=gpt.base_url,
        gpt_model=gpt.model,
        anthropic_api_key=claude.api_key.get_secret_value() if claude.filled and claude.api_key else "",
        anthropic_base_url=claude.base_url,
        claude_model=claude.model,
        ollama_host=llama.base_url or "" if llama.filled else "",
        llama_model=llama.model,
        stand_ins=settings.seats.stand_ins,
        timeout_s=settings.verdict.deadline_s,
    )


def _between_processes(settings: Settings, clock: Clock, name: str) -> tuple[Doorbell, RateLimiter, _Calls, _Calls]:
    """The doorbell and the rate limiter, and what opens and closes them."""
    if settings.redis_url is None:
        return LocalDoorbell(), LocalRateLimiter(clock), [], []
    client = connect(settings.redis_url.get_secret_value())
    doorbell = RedisDoorbell(client, clock, name=name)
    return doorbell, RedisRateLimiter(client, clock), [doorbell.start], [doorbell.close, client.aclose]


def _notifier(settings: Settings, clock: Clock) -> ClosableNotifier:
    telegram = settings.telegram
    if telegram is None:
        return ConsoleNotifier(label=settings.label)
    return TelegramNotifier(
        telegram.bot_token.get_secret_value(),
        telegram.chat_ids,
        clock=clock,
        base_url=telegram.base_url,
        label=settings.label,
    )


async def _reconciled_probe(bot: Bot) -> str:
    now = bot.clock.monotonic()
    missing = [account for account in bot.exchanges if not bot.health.reconciled(account, now)]
    if missing:
        raise VenueUnavailable(f"not reconciled yet: {', '.join(sorted(missing))}")
    return "positions and orders agree with the venue"


__all__ = ["ACCOUNT", "Application", "build", "new_alert_id"]
