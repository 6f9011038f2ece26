"""The bot's numbers for Prometheus: counters raised by the pipeline, gauges sampled every few seconds.

A gauge nobody could read is NaN or absent, never a comfortable zero. Every label comes from a closed set; a value
outside it is counted as "other", so no alert, symbol or error text can grow the number of time series. Each instance
has its own registry. Counting never raises or waits, and sampling stops for nothing.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from app.domain.alert import AlertState
from app.domain.decision import DenyReason
from app.domain.errors import Retryable
from app.domain.ids import AccountId
from app.domain.money import Money
from app.domain.vote import NoVote, Opinion, Seat
from app.ports import AlertInbox, Clock, Exchange, Queries

log = structlog.get_logger(__name__)
CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"

STATES = frozenset(state.value for state in AlertState if state.final)
VOTES = frozenset(item.value for kind in (Opinion, NoVote) for item in kind)
LEGS = frozenset({"entry", "close", "stop", "take_profit", "trail", "flatten"})
OUTCOMES = frozenset({"accepted", "rejected", "unknown"})
FEEDS = frozenset({"candles", "user_stream"})
ALARMS = frozenset(
    {
        "conditional_rejected_at_trigger",
        "entries_halted",
        "feed_silent",
        "flattened",
        "naked_position",
        "position_adopted",
        "quarantined",
        "stop_unrecorded",
        "venue_silent",
        "worker_loop",
    }
)

# Seconds. The first two seconds are where a healthy alert ends, the last buckets where a lease or an outage shows.
_ALERT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 6, 10, 30, 60, 120)
_VOTE_SECONDS = (0.005, 0.05, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5)


class PrometheusMetrics:
    """`accounts` are the venue accounts of the registry; gauges about any other account say "other"."""

    def __init__(self, *, accounts: Iterable[str] = ("main",)) -> None:
        self._accounts = frozenset(accounts)
        self.registry = registry = CollectorRegistry()
        self._refused = Counter(
            "tradingbot_alerts_refused", "Alerts refused, by reason.", ["reason"], registry=registry
        )
        self._finished = Histogram(
            "tradingbot_alert_seconds",
            "From the arrival of an alert to its final state.",
            ["state"],
            buckets=_ALERT_SECONDS,
            registry=registry,
        )
        self._voted = Histogram(
            "tradingbot_vote_seconds",
            "From a seat being asked to its vote or no-vote.",
            ["seat", "outcome"],
            buckets=_VOTE_SECONDS,
            registry=registry,
        )
        self._ordered = Counter(
            "tradingbot_orders",
            "Orders sent, by leg and what came of the request.",
            ["leg", "outcome"],
            registry=registry,
        )
        self._alarms = Counter("tradingbot_alarms", "Events a person should look at.", ["what"], registry=registry)
        self._backlog = Gauge("tradingbot_backlog_alerts", "Alerts that are not final.", registry=registry)
        self._lanes = Gauge("tradingbot_lanes_held", "Lanes this process holds.", registry=registry)
        self._positions = Gauge("tradingbot_open_positions", "Open positions.", ["account"], registry=registry)
        self._equity = Gauge("tradingbot_equity_usdt", "Wallet and unrealised PnL.", ["account"], registry=registry)
        self._naked = Gauge(
            "tradingbot_naked_seconds",
            "Age of the oldest position that has no stop on record; 0 when all have one.",
            ["account"],
            registry=registry,
        )
        self._feed = Gauge(
            "tradingbot_feed_age_seconds", "Since the feed last brought something.", ["feed"], registry=registry
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._begin_at_zero()
        self.set_backlog(None)
        self.set_lanes_held(None)

    # --- raised by the pipeline (ports.Metrics) ------------------------------------------------------

    def refused(self, reason: DenyReason) -> None:
        self._refused.labels(reason.value).inc()

    def finished(self, state: str, seconds: float) -> None:
        self._finished.labels(_one_of(STATES, state)).observe(_seconds(seconds))

    def voted(self, seat: Seat, outcome: str, seconds: float) -> None:
        self._voted.labels(seat.value, _one_of(VOTES, outcome)).observe(_seconds(seconds))

    def ordered(self, leg: str, outcome: str) -> None:
        self._ordered.labels(_leg(leg), _one_of(OUTCOMES, outcome)).inc()

    def alarm(self, what: str) -> None:
        self._alarms.labels(_one_of(ALARMS, what)).inc()

    # --- set by whoever knows; None = could not be read ------------------------------------------------

    def set_backlog(self, alerts: int | None) -> None:
        self._backlog.set(_known(alerts))

    def set_lanes_held(self, lanes: int | None) -> None:
        self._lanes.set(_known(lanes))

    def set_open_positions(self, account: str, positions: int | None) -> None:
        self._positions.labels(_one_of(self._accounts, account)).set(_known(positions))

    def set_equity(self, account: str, equity: Money | None) -> None:
        value = None if equity is None else float(equity.value)
        self._equity.labels(_one_of(self._accounts, account)).set(_known(value))

    def set_naked_seconds(self, account: str, seconds: float | None) -> None:
        value = None if seconds is None else _seconds(seconds)
        self._naked.labels(_one_of(self._accounts, account)).set(_known(value))

    def set_feed_age(self, feed: str, seconds: float) -> None:
        self._feed.labels(_one_of(FEEDS, feed)).set(_seconds(seconds))

    # --- read by the API -----------------------------------------------------------------------------

    def render(self) -> bytes:
        """Everything, in the text format that `CONTENT_TYPE` names."""
        return generate_latest(self.registry)

    def _begin_at_zero(self) -> None:
        """A counter that appears with its first event hides that event from `rate()`; rare ones begin at zero."""
        for reason in DenyReason:
            self._refused.labels(reason.value)
        for what in sorted(ALARMS):
            self._alarms.labels(what)
        for leg in sorted(LEGS):
            for outcome in sorted(OUTCOMES):
                self._ordered.labels(leg, outcome)


class GaugeSampler:
    """Reads what the gauges show, every `every_s` real seconds. Trading never waits for it, nor stops with it."""

    def __init__(
        self,
        metrics: PrometheusMetrics,
        inbox: AlertInbox,
        queries: Queries,
        exchanges: Mapping[AccountId, Exchange],
        clock: Clock,
        *,
        every_s: float = 15.0,
    ) -> None:
        self._metrics = metrics
        self._inbox = inbox
        self._queries = queries
        self._exchanges = exchanges
        self._clock = clock
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sample, in the background."""
        self._task = self._task or asyncio.create_task(self._run())

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def sample(self) -> None:
        """Read everything once. What does not answer is shown as unknown."""
        await self._sample_storage()
        for account, exchange in self._exchanges.items():
            try:
                equity = (await exchange.balance()).equity
            except Retryable:
                equity = None
            self._metrics.set_equity(account, equity)

    async def _sample_storage(self) -> None:
        try:
            backlog, positions = await self._inbox.backlog(), await self._queries.positions()
        except Retryable:
            self._metrics.set_backlog(None)
            for account in self._exchanges:
                self._metrics.set_open_positions(account, None)
                self._metrics.set_naked_seconds(account, None)
            return
        self._metrics.set_backlog(backlog)
        now = self._clock.now()
        for account in self._exchanges:
            held = [position for position in positions if position.account == account]
            naked = [(now - position.opened_at).total_seconds() for position in held if position.stop_price is None]
            self._metrics.set_open_positions(account, len(held))
            self._metrics.set_naked_seconds(account, max(naked, default=0.0))

    async def _run(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:
                log.exception("gauges_not_sampled")
            await self._clock.sleep(self._every_s)


def _one_of(known: frozenset[str], value: str) -> str:
    return value if value in known else OTHER


def _leg(leg: str) -> str:
    """tp1, tp2, … are one leg here: their number is for people to choose."""
    is_take_profit = leg.startswith("tp") and leg[2:].isdigit()
    return "take_profit" if is_take_profit else _one_of(LEGS, leg)


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _seconds(seconds: float) -> float:
    """A clock that stepped back must not make a time negative; one NaN would spoil a sum for ever."""
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
