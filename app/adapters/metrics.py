"""The bot's numbers for Prometheus: counters raised by the pipeline, gauges set by the worker.

Every label comes from a closed set; a value outside it is counted as "other", so no alert, symbol or error text can
grow the number of time series. Each instance has its own registry. Nothing here raises or waits.
"""

import math
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from app.domain.alert import AlertState
from app.domain.decision import DenyReason
from app.domain.money import Money
from app.domain.vote import NoVote, Opinion, Seat

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
        "flattened",
        "naked_position",
        "position_adopted",
        "quarantined",
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
            "How long the longest unprotected position has been without its stop; 0 when all are protected.",
            ["account"],
            registry=registry,
        )
        self._feed = Gauge(
            "tradingbot_feed_age_seconds", "Since the feed last brought something.", ["feed"], registry=registry
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._begin_at_zero()

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

    # --- set by whoever knows ------------------------------------------------------------------------

    def set_backlog(self, alerts: int) -> None:
        self._backlog.set(alerts)

    def set_lanes_held(self, lanes: int) -> None:
        self._lanes.set(lanes)

    def set_open_positions(self, account: str, positions: int) -> None:
        self._positions.labels(_one_of(self._accounts, account)).set(positions)

    def set_equity(self, account: str, equity: Money) -> None:
        self._equity.labels(_one_of(self._accounts, account)).set(float(equity.value))

    def set_naked_seconds(self, account: str, seconds: float) -> None:
        self._naked.labels(_one_of(self._accounts, account)).set(_seconds(seconds))

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


def _one_of(known: frozenset[str], value: str) -> str:
    return value if value in known else OTHER


def _leg(leg: str) -> str:
    """tp1, tp2, … are one leg here: their number is for people to choose."""
    is_take_profit = leg.startswith("tp") and leg[2:].isdigit()
    return "take_profit" if is_take_profit else _one_of(LEGS, leg)


def _seconds(seconds: float) -> float:
    """A clock that stepped back must not make a time negative; one NaN would spoil a sum for ever."""
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
