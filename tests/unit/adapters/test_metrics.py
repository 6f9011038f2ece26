import math
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.adapters.metrics import CONTENT_TYPE, PrometheusMetrics
from app.domain.decision import DenyReason
from app.domain.money import Money
from app.domain.vote import Opinion, Seat
from app.ports import Metrics


def scraped(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    """The value a Prometheus server would store for this series."""
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def series(metrics: PrometheusMetrics) -> int:
    families = text_string_to_metric_families(metrics.render().decode())
    return sum(len(family.samples) for family in families if family.name.startswith("tradingbot_"))


def test_what_the_pipeline_raises_is_scraped() -> None:
    metrics = PrometheusMetrics()
    port: Metrics = metrics
    port.refused(DenyReason.STALE)
    port.refused(DenyReason.STALE)
    port.finished("filled", 1.5)
    port.voted(Seat.GPT, Opinion.LONG, 0.25)
    port.ordered("entry", "accepted")
    port.ordered("tp12", "unknown")
    port.alarm("naked_position")
    assert scraped(metrics, "tradingbot_alerts_refused_total", reason="STALE") == 2
    assert scraped(metrics, "tradingbot_alert_seconds_count", state="filled") == 1
    assert scraped(metrics, "tradingbot_alert_seconds_sum", state="filled") == 1.5
    assert scraped(metrics, "tradingbot_vote_seconds_count", seat="gpt", outcome="LONG") == 1
    assert scraped(metrics, "tradingbot_orders_total", leg="entry", outcome="accepted") == 1
    assert scraped(metrics, "tradingbot_orders_total", leg="take_profit", outcome="unknown") == 1
    assert scraped(metrics, "tradingbot_alarms_total", what="naked_position") == 1


def test_what_the_worker_knows_is_scraped() -> None:
    metrics = PrometheusMetrics(accounts=["main", "second"])
    metrics.set_backlog(7)
    metrics.holds(+1)
    metrics.holds(+1)
    metrics.holds(-1)
    metrics.set_open_positions("main", 3)
    metrics.set_equity("second", Money(Decimal("10123.45")))
    metrics.set_naked_seconds("main", 1.25)
    metrics.follow_feed("user_stream", lambda: 4)
    metrics.follow_feed("candles", lambda: None)
    assert scraped(metrics, "tradingbot_backlog_alerts") == 7
    assert scraped(metrics, "tradingbot_lanes_held") == 1
    assert scraped(metrics, "tradingbot_lanes_taken_total") == 2
    assert scraped(metrics, "tradingbot_open_positions", account="main") == 3
    assert scraped(metrics, "tradingbot_equity_usdt", account="second") == 10123.45
    assert scraped(metrics, "tradingbot_naked_seconds", account="main") == 1.25
    assert scraped(metrics, "tradingbot_feed_age_seconds", feed="user_stream") == 4


def test_rare_events_begin_at_zero_so_that_the_first_one_shows_in_a_rate() -> None:
    metrics = PrometheusMetrics()
    assert all(scraped(metrics, "tradingbot_alerts_refused_total", reason=reason.value) == 0 for reason in DenyReason)
    assert scraped(metrics, "tradingbot_alarms_total", what="flattened") == 0
    assert scraped(metrics, "tradingbot_orders_total", leg="stop", outcome="rejected") == 0


def test_invented_labels_do_not_grow_the_number_of_series() -> None:
    metrics = PrometheusMetrics()

    def invent(number: int) -> None:
        metrics.finished(f"state {number}", 1)
        metrics.voted(Seat.CLAUDE, f"outcome {number}", 1)
        metrics.ordered(f"leg {number}", f"outcome {number}")
        metrics.alarm(f"Traceback {number}")
        metrics.set_equity(f"account {number}", Money(Decimal(1)))
        metrics.set_open_positions(f"account {number}", 1)
        metrics.set_naked_seconds(f"account {number}", 1)
        metrics.follow_feed(f"feed {number}", lambda: 1)
        metrics.follow_clock_skew(f"account {number}", lambda: 1)
        metrics.set_entries_off(f"account {number}", {f"why {number}": True})
        metrics.taken(f"outcome {number}")
        metrics.decided(f"move {number}")
        metrics.order_is(f"state {number}")
        metrics.probed(f"what {number}", 1)
        metrics.traced(f"outcome {number}")

    invent(0)
    before = series(metrics)
    for number in range(1, 200):
        invent(number)
    assert series(metrics) == before
    assert scraped(metrics, "tradingbot_alarms_total", what="other") == 200


@pytest.mark.parametrize("seconds", [-3600.0, math.nan, math.inf, -math.inf])
def test_a_clock_that_stepped_does_not_spoil_the_sums(seconds: float) -> None:
    metrics = PrometheusMetrics()
    metrics.finished("closed", seconds)
    metrics.finished("closed", 2)
    assert scraped(metrics, "tradingbot_alert_seconds_sum", state="closed") == 2


def test_two_instances_share_nothing() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.alarm("flattened")
    assert scraped(other, "tradingbot_alarms_total", what="flattened") == 0


def test_the_content_type_is_the_text_format() -> None:
    assert CONTENT_TYPE.startswith("text/plain")
    assert b"process_resident_memory_bytes" in PrometheusMetrics().render()
