import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema

from app.adapters.emf import FIGURES, NAKED, OF_AN_API, EmfPrinter
from app.adapters.metrics import PrometheusMetrics
from app.domain.decision import DenyReason
from app.domain.money import Money
from tests.architecture.skeleton import ROOT
from tests.fakes import FakeClock

SCHEMA = json.loads((ROOT / "tests" / "monitoring" / "emf_schema.json").read_text())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTRACT = {  # what alarms on CloudWatch are made of
    "WorkerHeartbeat",
    "NakedSeconds",
    "AlertsAccepted",
    "AlertsRefused",
    "AlertsFailed",
    "OrdersSent",
    "OrdersRejected",
    "OrdersUnknown",
    "BacklogAlerts",
    "SpillMessages",
    "OpenPositions",
    "EquityUsdt",
    "FeedAgeSeconds",
    "Alarms",
}


def printer(metrics: PrometheusMetrics, lines: list[str], clock: FakeClock, **changes: Any) -> EmfPrinter:
    return EmfPrinter(
        metrics.samples,
        metrics.take_naked_peak,
        lines.append,
        **({"deployment": "prod", "now": lambda: NOW, "sleep": clock.sleep} | changes),
    )


def busy() -> PrometheusMetrics:
    metrics = PrometheusMetrics(accounts=("main", "second"))
    metrics.taken("accepted")
    metrics.taken("duplicate")
    metrics.refused(DenyReason.STALE)
    metrics.refused(DenyReason.PAUSED)
    metrics.finished("failed", 1)
    metrics.finished("filled", 1)
    metrics.ordered("entry", "rejected")
    metrics.ordered("stop", "unknown")
    metrics.ordered("stop", "accepted")
    metrics.alarm("flattened")
    metrics.set_backlog(4)
    metrics.set_spill_messages(2)
    metrics.set_open_positions("main", 1)
    metrics.set_open_positions("second", 2)
    metrics.set_equity("main", Money(Decimal("100.5")))
    metrics.set_equity("second", Money(Decimal(200)))
    metrics.set_naked_seconds("main", 7)
    metrics.set_naked_seconds("main", 0)
    metrics.follow_feed("candles", lambda: 3.0)
    metrics.follow_feed("user_stream", lambda: None)
    metrics.follow_heartbeat("w1", lambda: True)
    return metrics


def test_a_line_is_what_cloudwatch_reads_and_has_every_metric_of_the_alarms() -> None:
    lines: list[str] = []
    printer(busy(), lines, FakeClock()).print()
    (line,) = lines
    assert "\n" not in line
    told = json.loads(line)
    jsonschema.validate(told, SCHEMA)
    directive = told["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "TradingBot"
    assert directive["Dimensions"] == [["Deployment"]]
    assert told["_aws"]["Timestamp"] == int(NOW.timestamp() * 1000)
    named = {metric["Name"] for metric in directive["Metrics"]}
    assert named == CONTRACT == {figure.name for figure in FIGURES} | {NAKED}
    assert {name: told[name] for name in named} == {
        "WorkerHeartbeat": 1,
        "NakedSeconds": 7,
        "AlertsAccepted": 1,
        "AlertsRefused": 2,
        "AlertsFailed": 1,
        "OrdersSent": 3,
        "OrdersRejected": 1,
        "OrdersUnknown": 1,
        "BacklogAlerts": 4,
        "SpillMessages": 2,
        "OpenPositions": 3,
        "EquityUsdt": 300.5,
        "FeedAgeSeconds": 3,
        "Alarms": 1,
    }


def test_counts_are_those_since_the_line_before() -> None:
    lines: list[str] = []
    metrics = busy()
    line = printer(metrics, lines, FakeClock())
    line.print()
    metrics.alarm("worker_loop")
    metrics.alarm("worker_loop")
    line.print()
    line.print()
    assert [json.loads(text)["Alarms"] for text in lines] == [1, 2, 0]


def test_what_is_not_known_is_left_out() -> None:
    lines: list[str] = []
    metrics = PrometheusMetrics()
    metrics.set_equity("main", None)
    printer(metrics, lines, FakeClock()).print()
    told = json.loads(lines[0])
    assert not told.keys() & {"EquityUsdt", "BacklogAlerts", "SpillMessages", "NakedSeconds", "WorkerHeartbeat"}
    assert told["AlertsAccepted"] == 0
    jsonschema.validate(told, SCHEMA)


def test_a_process_without_a_worker_speaks_only_of_what_it_took_in() -> None:
    lines: list[str] = []
    printer(busy(), lines, FakeClock(), only=OF_AN_API).print()
    assert json.loads(lines[0]).keys() == {"_aws", "Deployment", "AlertsAccepted"}


async def test_one_line_a_minute_and_one_more_at_the_end() -> None:
    lines: list[str] = []
    minutes: asyncio.Queue[float] = asyncio.Queue()
    passed: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        minutes.put_nowait(seconds)
        await passed.get()

    line = printer(busy(), lines, FakeClock(), sleep=sleep)
    await line.start()
    for count in range(3):
        assert await minutes.get() == 60
        assert len(lines) == count
        passed.put_nowait(None)
    assert await minutes.get() == 60
    await line.close()
    assert len(lines) == 4
    await line.close()
    assert len(lines) == 4
