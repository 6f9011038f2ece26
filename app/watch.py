"""Who is told how the bot does: metrics always, CloudWatch's lines, traces and error reports where they are asked for.

None of it can fail a trade: everything here counts, queues or prints, and drops what nobody takes.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.emf import OF_AN_API, EmfPrinter
from app.adapters.metrics import CountedInbox, CountedLanes, PrometheusMetrics, WatchedEventLog, counting
from app.domain.ids import AccountId
from app.log import LineWriter
from app.pipeline.bot import Bot
from app.ports import AlertInbox, EventLog, Lanes
from app.settings import Settings

_Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Watch:
    """The numbers, and the storage that feeds them. `begin` and `end` belong to opening and closing."""

    metrics: PrometheusMetrics
    events: EventLog
    inbox: AlertInbox
    lanes: Lanes
    begin: tuple[_Call, ...] = field(default=())
    end: tuple[_Call, ...] = field(default=())


def watch(
    settings: Settings,
    database: Database,
    accounts: tuple[AccountId, ...],
    name: str,
    *,
    works: bool,
    inbox: AlertInbox | None = None,
) -> Watch:
    """`name` is the process's own; `works`: it has a worker; `inbox`: alerts go there first. Raises BadSettings."""
    config = settings.watch
    metrics = PrometheusMetrics(
        accounts=accounts, version=_version(), release=config.release, deployment=config.deployment
    )
    listeners, begin, end = [counting(metrics)], list[_Call](), list[_Call]()
    if config.otlp_endpoint is not None and works:
        from app.adapters.tracing import Tracer, headers_of  # noqa: PLC0415 - heavy, and only where traces go somewhere

        tracer = Tracer(
            database.events,
            endpoint=config.otlp_endpoint,
            headers=headers_of(config.otlp_headers.get_secret_value() if config.otlp_headers else ""),
            resource={
                "service.name": "tradingbot",
                "service.version": config.release,
                "service.instance.id": name,
                "deployment.environment.name": config.deployment,
            },
            count=metrics.traced,
        )
        listeners.append(tracer.heard)
        begin, end = [*begin, tracer.start], [*end, tracer.close]
    if config.emf:
        printer, close = _printer(metrics, config.deployment, works=works)
        begin, end = [*begin, printer.start], [*end, printer.close, close]
    if config.sentry_dsn is not None:
        from app.adapters.sentry import ErrorReports  # noqa: PLC0415 - as above

        reports = ErrorReports(
            config.sentry_dsn.get_secret_value(), deployment=config.deployment, release=config.release
        )
        begin, end = [reports.start, *begin], [*end, reports.close]
    return Watch(
        metrics,
        WatchedEventLog(database.events, listeners),
        CountedInbox(inbox or database.inbox, metrics),
        CountedLanes(database.lanes, metrics),
        tuple(begin),
        tuple(end),
    )


def follow(metrics: PrometheusMetrics, bot: Bot, name: str, **feeds: Callable[[], float | None]) -> None:
    """Show what a running bot knows about itself, asked whenever somebody reads it."""
    health, clock = bot.health, bot.clock

    def beats() -> bool:
        return all(health.reconciled(account, clock.monotonic()) for account in bot.exchanges)

    metrics.follow_heartbeat(name, beats)
    for account in bot.exchanges:
        metrics.follow_clock_skew(account, partial(health.clock_skew_s.get, account))
    for feed, silent_s in feeds.items():
        metrics.follow_feed(feed, silent_s)


def _printer(metrics: PrometheusMetrics, deployment: str, *, works: bool) -> tuple[EmfPrinter, _Call]:
    """The printer of CloudWatch's lines, and what lets go of standard output after the last one."""
    lines, real = (
        LineWriter(sys.stdout),
        SystemClock(),
    )  # CloudWatch lives in real time, whatever clock the bot trades by
    printer = EmfPrinter(
        metrics.samples,
        metrics.take_naked_peak,
        lines.write,
        deployment=deployment,
        now=real.now,
        sleep=real.sleep,
        only=None if works else OF_AN_API,
    )

    async def close() -> None:
        lines.close()

    return printer, close


def _version() -> str:
    try:
        return version("tradingbot-ai")
    except PackageNotFoundError:
        return ""
