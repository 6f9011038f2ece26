"""Joins ports to adapters: the only file that knows both sides. Settings in, a bot that can be started out.

Building connects to nothing. `Application.open` does.
"""

import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from ai.ensemble.wire import BACKSTOP_S
from ai.seats import Seats, SeatsConfig, fill_seats
from app.adapters.alert_ids import new_alert_id
from app.adapters.clock import SystemClock
from app.adapters.console import ConsoleNotifier
from app.adapters.db.database import Database
from app.adapters.exchanges.binance.config import BinanceConfig
from app.adapters.exchanges.binance.exchange import BinanceExchange
from app.adapters.exchanges.binance.limits import Limits
from app.adapters.local import LocalDoorbell, LocalRateLimiter
from app.adapters.market_data.binance import BinanceHistory, BinanceKlines
from app.adapters.market_data.live import LiveCandles
from app.adapters.metrics import GaugeSampler, Vitals
from app.adapters.redis.client import connect
from app.adapters.redis.doorbell import RedisDoorbell
from app.adapters.redis.limiter import RedisRateLimiter
from app.adapters.telegram.notifier import TelegramNotifier
from app.api.deps import Api, IntakeRules, Probe
from app.application import ACCOUNT, Application, Loop, Role, Venue
from app.caretaker import Caretaker, CaretakerConfig
from app.domain.errors import VenueUnavailable
from app.live.definitions import definitions_in
from app.live.engine import LiveEngine
from app.live.intake import OwnAlerts
from app.pipeline.bot import Bot, Health, Timing
from app.pipeline.controls import Controls
from app.pipeline.verdict import Jury
from app.ports import AlertInbox, Bell, Clock, Notifier, RateLimiter
from app.registry import Registry
from app.settings import Settings
from app.spill import Drain, SpillingInbox
from app.watch import Watch, follow, watch
from app.worker import Worker, WorkerConfig

log = structlog.get_logger(__name__)
DRAIN_S = 20.0  # at shutdown, for alerts that are being worked on: a deploy kills after 25 s, and HTTP ends too
_Calls = list[Callable[[], Awaitable[None]]]


class ClosableNotifier(Notifier, Protocol):
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Rings:
    """A bell that is several."""

    calls: tuple[Callable[[], None], ...]

    def ring(self) -> None:
        for call in self.calls:
            call()


@dataclass(frozen=True, slots=True)
class _Common:
    """What every process has, whatever its role."""

    settings: Settings
    clock: Clock
    name: str  # who holds the leases: unique per process
    watch: Watch
    database: Database
    exchange: BinanceExchange
    registry: Registry
    doorbell: LocalDoorbell | RedisDoorbell


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process that trades has, beside the common; an API process has none of it."""

    bot: Bot | None = None
    live: LiveEngine | None = None
    loops: tuple[Loop, ...] = ()
    notes: tuple[str, ...] = ()
    begin: tuple[Callable[[], Awaitable[None]], ...] = ()
    end: tuple[Callable[[], Awaitable[None]], ...] = ()
    look_now: tuple[Callable[[], None], ...] = ()
    probes: Mapping[str, Probe] = field(default_factory=dict)


def build(
    settings: Settings,
    *,
    role: Role = Role.ALL,
    clock: Clock | None = None,
    name: str | None = None,
    notifier: ClosableNotifier | None = None,
    timing: Timing | None = None,
    probes: Mapping[str, Probe] | None = None,
    on_refused: Callable[[], None] | None = None,
    limits: Limits | None = None,
) -> Application:
    """Wire one process. Raises OperatorError.

    `clock` is the local exchange's own when it runs in this process; `notifier` replaces the one the settings name;
    `timing` says how long the order path waits, where the usual does not fit; `probes` are further readiness checks;
    `on_refused` is called when the database refuses its password; `limits` are what the venue has told this process
    about its pace and bans, where that is known from before.
    """
    clock = clock or SystemClock()
    name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    doorbell, limiter, opening, closing = _between_processes(settings, clock, name)
    database = Database(settings.database.url.get_secret_value(), clock, on_refused=on_refused)
    inbox, spill_begin, spill_end = _inbox(settings, database)
    common = _Common(
        settings,
        clock,
        name,
        watch(settings, database, (ACCOUNT,), name, works=role.works, inbox=inbox),
        database,
        _exchange(settings, clock, limits),
        _registry(settings, clock),
        doorbell,
    )
    venue = Venue(common.exchange, settings.mode, common.database.records)
    work = _work(common, notifier, timing) if role.works else _Work()
    checks = {"venue": venue.answers, **work.probes, **(probes or {})}
    api = _api(common, venue, limiter, probes=checks, pressed=_Rings((*work.look_now, doorbell.press)))
    begin = (*common.watch.begin, *opening, *spill_begin, *work.begin)
    end = (*work.end, *spill_end, *closing, *common.watch.end)
    return Application(
        settings, role, common.database, venue, api, work.bot, work.live, work.loops, work.notes, begin, end
    )


def _work(common: _Common, notifier: ClosableNotifier | None, timing: Timing | None) -> _Work:
    settings, database, clock = common.settings, common.database, common.clock
    seats = fill_seats(_seats(settings), common.watch.metrics)
    bot = _bot(common, seats, timing)
    notifier = notifier or _notifier(settings, clock)
    sampler = GaugeSampler(
        common.watch.metrics,
        database.inbox,
        database.queries,
        {ACCOUNT: common.exchange},
        clock,
        vitals=Vitals(
            lambda account: bot.health.reconciled(account, clock.monotonic()),
            facts=database.records.account_facts,
            messages=database.outbox.counts,
        ),
    )
    caretaker = _caretaker(settings, bot, common.name)
    common.doorbell.heed(caretaker.look_now)  # a switch that was pressed in another process
    worker = Worker(
        bot,
        common.watch.inbox,
        common.doorbell,
        notifier,
        caretaker=caretaker,
        config=_worker_config(settings, common.name),
    )
    live, feed, leave_candles = _live(common, bell=worker)
    drains, drain_begin, drain_end = _drain(common, bell=worker)
    follow(common.watch.metrics, bot, common.name, candles=feed.silent_s, user_stream=common.exchange.stream_silent_s)
    return _Work(
        bot,
        live,
        loops=(worker.run, live.run, *drains),
        notes=seats.notes,
        begin=(sampler.start, *drain_begin),
        end=(sampler.close, seats.close, notifier.close, leave_candles, *drain_end),
        look_now=(caretaker.look_now,),
        probes={"reconciled": lambda: _reconciled_probe(bot)},
    )


def _api(common: _Common, venue: Venue, limiter: RateLimiter, *, probes: Mapping[str, Probe], pressed: Bell) -> Api:
    settings, database = common.settings, common.database
    switches = Controls(
        common.watch.events, database.records, (ACCOUNT,), clock=common.clock, doorbell=pressed, equity=venue.equity
    )
    return Api(
        inbox=common.watch.inbox,
        queries=database.queries,
        doorbell=common.doorbell,
        limiter=limiter,
        strategies=common.registry,
        controls=switches,
        clock=common.clock,
        new_alert_id=new_alert_id,
        listed=venue.listed,
        accounts=venue.accounts,
        probes=probes,
        metrics=common.watch.metrics.registry,
        requested=common.watch.metrics.requested,
        api_token=settings.server.api_token.get_secret_value() if settings.server.api_token else "",
        paper=settings.paper,
        release=settings.watch.release,
        intake=IntakeRules(settings.server.allowed_senders, settings.server.trusted_proxies),
    )


def _live(common: _Common, *, bell: Bell) -> tuple[LiveEngine, LiveCandles, Callable[[], Awaitable[None]]]:
    """The engine of the registry's own strategies, the candles it runs on, and what closes their connections."""
    settings, database, clock = common.settings, common.database, common.clock
    candles = BinanceHistory(clock=clock, base_url=settings.venue.rest_url)
    feed = LiveCandles(candles, BinanceKlines(settings.venue.ws_url), clock)
    engine = LiveEngine(
        feed=feed,
        profiles=common.registry.profiles,
        definition=definitions_in(settings.intake.strategies_dir),
        take=OwnAlerts(common.watch.inbox, bell, clock, new_alert_id),
        records=database.records,
        outbox=database.outbox,
        metrics=common.watch.metrics,
        clock=clock,
    )
    return engine, feed, candles.close


def _inbox(settings: Settings, database: Database) -> tuple[AlertInbox, _Calls, _Calls]:
    """Where alerts are put, with a queue behind it where there is one; what opens and closes that."""
    url = settings.cloud.spill_queue_url
    if url is None:
        return database.inbox, [], []
    from app.adapters.aws.spill import SpillSender  # noqa: PLC0415 - boto3 is loaded where there is AWS

    sender = SpillSender(url)
    return SpillingInbox(database.inbox, sender), [sender.open], [sender.close]


def _drain(common: _Common, *, bell: Bell) -> tuple[list[Loop], _Calls, _Calls]:
    """What takes alerts out of that queue; what opens and closes it."""
    url = common.settings.cloud.spill_queue_url
    if url is None:
        return [], [], []
    from app.adapters.aws.spill import SpillReceiver  # noqa: PLC0415 - as above

    receiver, metrics = SpillReceiver(url), common.watch.metrics
    drain = Drain(receiver, common.database.inbox, bell, metrics, depth=metrics.set_spill_messages, clock=common.clock)
    return [drain.run], [receiver.open], [receiver.close]


def _caretaker(settings: Settings, bot: Bot, name: str) -> Caretaker:
    work = settings.work
    return Caretaker(bot, CaretakerConfig(name, lease_s=work.lease_s, every_s=work.reconcile_s))


def _worker_config(settings: Settings, name: str) -> WorkerConfig:
    work = settings.work
    return WorkerConfig(
        name=name,
        concurrency=work.concurrency,
        lease_s=work.lease_s,
        idle_poll_s=work.idle_poll_s,
        drain_s=DRAIN_S,
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


def _bot(common: _Common, seats: Seats, timing: Timing | None) -> Bot:
    settings, database = common.settings, common.database
    return Bot(
        log=common.watch.events,
        records=database.records,
        lanes=common.watch.lanes,
        exchanges={ACCOUNT: common.exchange},
        market={ACCOUNT: common.exchange},
        jury=Jury(seats.prompter, seats.voters),
        clock=common.clock,
        outbox=database.outbox,
        metrics=common.watch.metrics,
        profile_of=common.registry.profile,
        risk_policy=settings.risk,
        verdict_policy=settings.verdict,
        health=Health(fresh_s=max(30.0, 6 * settings.work.reconcile_s)),
        timing=timing or Timing(lease_s=settings.work.lease_s),
    )


def _exchange(settings: Settings, clock: Clock, limits: Limits | None) -> BinanceExchange:
    venue = settings.venue
    config = BinanceConfig(
        api_key=venue.api_key.get_secret_value(),
        api_secret=venue.api_secret.get_secret_value(),
        base_url=venue.rest_url,
        ws_url=venue.ws_url,
        spot_url=venue.spot_url,
    )
    return BinanceExchange(config, clock, limits=limits)


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
        timeout_s=settings.verdict.deadline_s + BACKSTOP_S,
    )


def _between_processes(
    settings: Settings, clock: Clock, name: str
) -> tuple[LocalDoorbell | RedisDoorbell, RateLimiter, _Calls, _Calls]:
    """The doorbell and the rate limiter, and what opens and closes them."""
    if settings.redis_url is None:
        return LocalDoorbell(), LocalRateLimiter(clock), [], []
    client = connect(settings.redis_url.get_secret_value(), sign_in=_redis_sign_in(settings))
    doorbell = RedisDoorbell(client, clock, name=name)
    return doorbell, RedisRateLimiter(client, clock), [doorbell.start], [doorbell.close, client.aclose]


def _redis_sign_in(settings: Settings) -> Callable[[], tuple[str, str]] | None:
    user, cache = settings.cloud.redis_user, settings.cloud.redis_cache
    if not (user and cache):
        return None
    from app.adapters.aws.cache_token import CacheToken  # noqa: PLC0415 - boto3 is loaded where there is AWS

    return CacheToken(user, cache)


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


__all__ = ["ACCOUNT", "Application", "Role", "build", "new_alert_id"]
