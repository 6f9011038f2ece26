"""The numbers themselves: what there is, what it is called, and how it is counted.

Failure here means a wrong figure on a dashboard, never a wrong trade: counting never raises and never waits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from app.adapters.metrics import labels
from app.adapters.metrics.labels import elapsed, known, leg_of, one_of
from app.domain.decision import DenyReason
from app.domain.events import PositionClosed
from app.domain.money import Money
from app.domain.vote import Seat

CONTENT_TYPE = CONTENT_TYPE_LATEST
disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began: a third of the page, and nobody asks

# Seconds. The first two seconds are where a healthy alert ends, the last buckets where a lease or an outage shows.
_ALERT_SECONDS = (0.25, 0.5, 1, 2, 4, 10, 30, 120)
_VOTE_SECONDS = (0.25, 0.5, 1, 2, 4)
_PROBE_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2, 10)
_HTTP_SECONDS = (0.025, 0.1, 0.5, 1, 2)


class PrometheusMetrics:
    """`accounts` are the venue accounts of the registry; gauges about any other account say "other"."""

    def __init__(
        self, *, accounts: Iterable[str] = ("main",), version: str = "", release: str = "", deployment: str = ""
    ) -> None:
        self._accounts = frozenset(accounts)
        self._naked_peak: float | None = None
        self.registry = CollectorRegistry()
        self._make_counters(self.registry)
        self._make_gauges(self.registry)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._build.labels(version, release, deployment).set(1)
        self._begin_at_zero()
        for unread in (self._backlog, self._spill):
            unread.set(known(None))
        self._lanes.set(0)

    def _make_counters(self, to: CollectorRegistry) -> None:
        self._taken = Counter("tradingbot_alerts_accepted", "Alerts stored, and repeats.", ["outcome"], registry=to)
        self._refused = Counter("tradingbot_alerts_refused", "Alerts refused, by reason.", ["reason"], registry=to)
        self._finished = Histogram(
            "tradingbot_alert_seconds",
            "From the arrival of an alert to its final state.",
            ["state"],
            buckets=_ALERT_SECONDS,
            registry=to,
        )
        self._voted = Histogram(
            "tradingbot_vote_seconds",
            "From a seat being asked to its vote or no-vote.",
            ["seat", "outcome"],
            buckets=_VOTE_SECONDS,
            registry=to,
        )
        self._tokens = Counter("tradingbot_ai_tokens", "Tokens of language models.", ["seat", "kind"], registry=to)
        self._cost = Counter("tradingbot_ai_cost_usd", "List price of their answers.", ["seat"], registry=to)
        self._unpriced = Counter(
            "tradingbot_ai_answers_without_price",
            "Answers whose cost is not known, and not in the cost.",
            ["seat"],
            registry=to,
        )
        self._decided = Counter("tradingbot_decisions", "Plans the risk stage approved.", ["move"], registry=to)
        self._ordered = Counter(
            "tradingbot_orders", "Orders sent, by what came of the request.", ["leg", "outcome"], registry=to
        )
        self._moved = Counter("tradingbot_order_states", "Orders that came into a state.", ["state"], registry=to)
        self._closed = Counter("tradingbot_positions_closed", "Closed positions, by what closed.", ["why"], registry=to)
        self._realised = Counter(
            "tradingbot_realised_usdt",
            "Of closed positions: gains before fees, losses before fees, fees.",
            ["account", "kind"],
            registry=to,
        )
        self._alarms = Counter("tradingbot_alarms", "Events a person should look at.", ["what"], registry=to)
        self._taken_lanes = Counter("tradingbot_lanes_taken", "Lanes this process has come to hold.", registry=to)
        self._traces = Counter("tradingbot_traces", "Alerts' traces, by what came of them.", ["outcome"], registry=to)
        self._probed = Histogram(
            "tradingbot_probe_seconds",
            "Time of a small question, asked every few seconds.",
            ["what"],
            buckets=_PROBE_SECONDS,
            registry=to,
        )
        self._requests = Histogram(
            "tradingbot_http_seconds",
            "HTTP requests answered.",
            ["route", "status"],
            buckets=_HTTP_SECONDS,
            registry=to,
        )

    def _make_gauges(self, to: CollectorRegistry) -> None:
        self._build = Gauge("tradingbot_build_info", "1.", ["version", "release", "deployment"], registry=to)
        self._heartbeat = Gauge(
            "tradingbot_worker_heartbeat",
            "1 while this worker's last complete look at every account is fresh.",
            ["worker"],
            registry=to,
        )
        self._backlog = Gauge("tradingbot_backlog_alerts", "Alerts that are not final.", registry=to)
        self._spill = Gauge("tradingbot_spill_messages", "Alerts in the spill queue.", registry=to)
        self._lanes = Gauge("tradingbot_lanes_held", "Lanes this process holds.", registry=to)
        self._positions = Gauge("tradingbot_open_positions", "Open positions.", ["account"], registry=to)
        self._equity = Gauge("tradingbot_equity_usdt", "Wallet and unrealised PnL.", ["account"], registry=to)
        self._naked = Gauge(
            "tradingbot_naked_seconds",
            "Age of the oldest position that has no stop on record; 0 when all have one.",
            ["account"],
            registry=to,
        )
        self._skew = Gauge("tradingbot_clock_skew_seconds", "Our clock off the venue's.", ["account"], registry=to)
        self._off = Gauge("tradingbot_entries_off", "1 while this keeps entries away.", ["account", "why"], registry=to)
        self._feed = Gauge(
            "tradingbot_feed_age_seconds", "Since the feed was last known to be alive.", ["feed"], registry=to
        )
        self._messages = Gauge("tradingbot_messages", "Messages to people not delivered.", ["state"], registry=to)
        self._up = Gauge("tradingbot_up", "1 when the last small question was answered.", ["what"], registry=to)

    # --- raised by the pipeline (ports.Metrics) and the language models' seats -----------------------------

    def refused(self, reason: DenyReason) -> None:
        self._refused.labels(reason.value).inc()

    def finished(self, state: str, seconds: float) -> None:
        self._finished.labels(one_of(labels.STATES, state)).observe(elapsed(seconds))

    def voted(self, seat: Seat, outcome: str, seconds: float) -> None:
        self._voted.labels(seat.value, one_of(labels.VOTES, outcome)).observe(elapsed(seconds))

    def ordered(self, leg: str, outcome: str) -> None:
        self._ordered.labels(leg_of(leg), one_of(labels.OUTCOMES, outcome)).inc()

    def alarm(self, what: str) -> None:
        self._alarms.labels(one_of(labels.ALARMS, what)).inc()

    def holds(self, lanes: int) -> None:
        self._lanes.inc(lanes)
        self._taken_lanes.inc(max(lanes, 0))

    def spent(self, seat: Seat, *, input_tokens: int, output_tokens: int, usd: Decimal | None) -> None:
        self._tokens.labels(seat.value, "input").inc(max(input_tokens, 0))
        self._tokens.labels(seat.value, "output").inc(max(output_tokens, 0))
        if usd is None:
            self._unpriced.labels(seat.value).inc()
        else:
            self._cost.labels(seat.value).inc(max(float(usd), 0.0))

    # --- raised by whoever watches storage, the API and the traces ---------------------------------------

    def taken(self, outcome: str) -> None:
        self._taken.labels(one_of(labels.TAKEN, outcome)).inc()

    def decided(self, move: str) -> None:
        self._decided.labels(one_of(labels.MOVES, move)).inc()

    def order_is(self, state: str) -> None:
        self._moved.labels(one_of(labels.ORDER_STATES, state)).inc()

    def closed(self, trade: PositionClosed) -> None:
        account = one_of(self._accounts, trade.account)
        self._closed.labels(one_of(labels.ENDS, trade.why)).inc()
        made, fees = float(trade.realised_pnl.value), float(trade.fees.value)
        self._realised.labels(account, "gain" if made >= 0 else "loss").inc(abs(made))
        self._realised.labels(account, "fees").inc(max(fees, 0.0))
        if fees < 0:  # a rebate
            self._realised.labels(account, "gain").inc(-fees)

    def requested(self, route: str, status: int, seconds: float) -> None:
        """`route` is the template of one of our own routes, or "other"; never an address somebody typed."""
        self._requests.labels(route, str(status)).observe(elapsed(seconds))

    def traced(self, outcome: str, count: int = 1) -> None:
        self._traces.labels(one_of(labels.TRACES, outcome)).inc(count)

    def probed(self, what: str, seconds: float | None) -> None:
        """None = no answer."""
        what = one_of(labels.PROBED, what)
        self._up.labels(what).set(0 if seconds is None else 1)
        if seconds is not None:
            self._probed.labels(what).observe(elapsed(seconds))

    # --- set by whoever knows; None = could not be read ------------------------------------------------

    def set_backlog(self, alerts: int | None) -> None:
        self._backlog.set(known(alerts))

    def set_spill_messages(self, messages: int | None) -> None:
        self._spill.set(known(messages))

    def set_open_positions(self, account: str, positions: int | None) -> None:
        self._positions.labels(one_of(self._accounts, account)).set(known(positions))

    def set_equity(self, account: str, equity: Money | None) -> None:
        value = None if equity is None else float(equity.value)
        self._equity.labels(one_of(self._accounts, account)).set(known(value))

    def set_naked_seconds(self, account: str, seconds: float | None) -> None:
        value = None if seconds is None else elapsed(seconds)
        self._naked.labels(one_of(self._accounts, account)).set(known(value))
        if value is not None:
            self._naked_peak = max(value, self._naked_peak or 0.0)

    def take_naked_peak(self) -> float | None:
        """The most since this was last asked; None when nothing was read."""
        peak, self._naked_peak = self._naked_peak, None
        return peak

    def set_entries_off(self, account: str, switches: Mapping[str, bool | None]) -> None:
        for why, off in switches.items():
            self._off.labels(one_of(self._accounts, account), one_of(labels.SWITCHES, why)).set(known(off))

    def set_messages(self, counts: Mapping[str, int] | None) -> None:
        for state in labels.MESSAGES:
            self._messages.labels(state).set(known(None if counts is None else counts.get(state, 0)))

    # --- asked whenever somebody reads: true even while everything else hangs ---------------------------

    def follow_heartbeat(self, worker: str, beats: Callable[[], bool]) -> None:
        """`worker` is this process's own name, the owner of its leases."""
        self._heartbeat.labels(worker).set_function(beats)

    def follow_clock_skew(self, account: str, seconds: Callable[[], float | None]) -> None:
        self._skew.labels(one_of(self._accounts, account)).set_function(lambda: known(seconds()))

    def follow_feed(self, feed: str, silent_s: Callable[[], float | None]) -> None:
        """`silent_s` since the feed was last known to be alive; None while nobody wants it."""
        self._feed.labels(one_of(labels.FEEDS, feed)).set_function(lambda: known(silent_s()))

    # --- read ----------------------------------------------------------------------------------------

    def render(self) -> bytes:
        """Everything, in the text format that `CONTENT_TYPE` names."""
        return generate_latest(self.registry)

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of every series of ours."""
        for family in self.registry.collect():
            if family.name.startswith("tradingbot_"):
                yield from ((sample.name, sample.labels, sample.value) for sample in family.samples)

    def _begin_at_zero(self) -> None:
        """A counter that appears with its first event hides that event from `rate()`; rare ones begin at zero."""
        for counter, values in (
            (self._refused, DenyReason),
            (self._alarms, labels.ALARMS),
            (self._taken, labels.TAKEN),
            (self._decided, labels.MOVES),
            (self._moved, labels.ORDER_STATES),
            (self._closed, labels.ENDS),
            (self._traces, labels.TRACES),
            (self._finished, labels.STATES),
        ):
            for value in sorted(values):
                counter.labels(str(value))
        models = [seat for seat in Seat if seat.language_model]
        for seat in models:
            self._cost.labels(seat.value)
            self._unpriced.labels(seat.value)
        for pairs, firsts, seconds in (
            (self._voted, Seat, labels.VOTES),
            (self._tokens, models, labels.TOKENS),
            (self._ordered, labels.LEGS, labels.OUTCOMES),
            (self._realised, self._accounts, labels.REALISED),
            (self._requests, (labels.DOOR,), labels.FAILED),
        ):
            for first, second in product(sorted(firsts), sorted(seconds)):
                pairs.labels(str(first), second)
