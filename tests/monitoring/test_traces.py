"""Traces as a receiver gets them: real stories from a real database, decoded from the protobuf on the wire."""

import asyncio
import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.adapters.metrics import PrometheusMetrics
from app.adapters.tracing import Tracer, headers_of
from app.domain import events as ev
from app.domain.alert import AlertState, Preset
from app.domain.errors import BadSettings, StorageUnavailable
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol, trace_id
from tests.e2e.world import running_bot
from tests.monitoring.receiver import Receiver, receiving
from tests.unit.adapters.test_metrics import scraped

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def spans(receiver: Receiver) -> list[Any]:
    found: list[Any] = []
    for body in receiver.bodies():
        request = ExportTraceServiceRequest.FromString(body)
        found += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    return found


def attributes(thing: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in thing.attributes}


async def test_an_alert_is_one_trace_from_its_arrival_to_the_stop(sqlite_template: Path, tmp_path: Path) -> None:
    database = tmp_path / "bot.db"
    shutil.copy(sqlite_template, database)
    with receiving() as receiver:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc,x-team=desk",
            "DEPLOYMENT": "test",
        }
        async with running_bot(f"sqlite:///{database}", tmp_path, env=env) as world:
            entered = await world.enters()
            left = await world.story(world.exit())
            metrics = world.stage.application.bot.metrics
        path, headers, body = receiver.received[0]
        assert path == "/v1/traces"
        assert headers["authorization"] == "Bearer abc"
        assert headers["x-team"] == "desk"
        resource = attributes(ExportTraceServiceRequest.FromString(body).resource_spans[0].resource)
        assert resource["service.name"] == "tradingbot"
        assert resource["deployment.environment.name"] == "test"
        found = spans(receiver)
    assert metrics.registry.get_sample_value("tradingbot_traces_total", {"outcome": "exported"}) == 3
    mine = [span for span in found if span.trace_id.hex() == trace_id(entered["alert_id"])]
    assert {span.trace_id.hex() for span in found} == {trace_id(entered["alert_id"]), trace_id(left["alert_id"])}
    by_name = {span.name: span for span in mine}
    assert by_name.keys() >= {
        "alert BTCUSDT", "accept", "read", "verdict", "vote gpt", "vote claude", "vote llama", "vote lstm",
        "decision", "order entry", "order stop", "order tp1", "order tp2", "stop placed", "position BTCUSDT",
    }  # fmt: skip
    root = by_name["alert BTCUSDT"]
    assert root.parent_span_id == b""
    for span in mine:
        parent = by_name["verdict"] if span.name.startswith("vote ") else root
        assert span is root or span.parent_span_id == parent.span_id, span.name
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span.name
    assert len({span.span_id for span in mine}) == len(mine)
    assert attributes(root)["alert.state"] == "filled"
    assert attributes(by_name["vote gpt"])["vote.outcome"] == "LONG"
    assert [event.name for event in by_name["order entry"].events][:2] == ["sent", "accepted"]
    assert "filled" in [event.name for event in by_name["order entry"].events]
    assert attributes(by_name["position BTCUSDT"])["position.closed_by"] == "signal"


# --- a receiver in trouble ---------------------------------------------------------------------------------


class Stories:
    """An event log that holds one finished alert under any id."""

    def __init__(self) -> None:
        self.down = False
        self.asked = 0

    async def append(self, *_: Any, **__: Any) -> None:
        raise AssertionError("traces never write")

    async def read(self, stream: str) -> list[ev.Recorded]:
        self.asked += 1
        if self.down:
            raise StorageUnavailable("gone")
        alert_id = AlertId(stream.removeprefix("alert:"))
        accepted = ev.AlertAccepted(
            alert_id, StrategyId("s"), AccountId("main"), Symbol("BTCUSDT"), Preset.NATIVE, "k", "h", "127.0.0.1"
        )
        finished = ev.AlertFinished(AlertState.FAILED, "no")
        return [ev.Recorded(1, stream, 1, AT, accepted), ev.Recorded(2, stream, 2, AT + timedelta(seconds=2), finished)]


FINISHED = ev.AlertFinished(AlertState.FAILED, "no")


def a_tracer(url: str, stories: Stories, metrics: PrometheusMetrics) -> Tracer:
    return Tracer(stories, endpoint=url, headers={}, resource={"service.name": "t"}, count=metrics.traced)


def outcomes(metrics: PrometheusMetrics) -> dict[str, float | None]:
    return {
        outcome: scraped(metrics, "tradingbot_traces_total", outcome=outcome)
        for outcome in ("exported", "failed", "dropped")
    }


async def test_many_are_sent_in_few_requests() -> None:
    metrics = PrometheusMetrics()
    with receiving() as receiver:
        tracer = a_tracer(receiver.url, Stories(), metrics)
        for number in range(150):
            tracer.heard(f"alert:{number}", FINISHED)
        tracer.heard("account:main", FINISHED)
        tracer.heard("alert:0", ev.AlertFinished)  # type: ignore[arg-type]  # not an event that ends anything
        await tracer.start()
        await tracer.close()
        assert len({span.trace_id for span in spans(receiver)}) == 150
        assert len(receiver.received) < 75
    assert outcomes(metrics) == {"exported": 150, "failed": 0, "dropped": 0}


async def test_what_is_too_much_is_dropped_and_counted_at_once() -> None:
    metrics = PrometheusMetrics()
    tracer = a_tracer("http://127.0.0.1:9", Stories(), metrics)
    for number in range(1_200):
        tracer.heard(f"alert:{number}", FINISHED)
    assert outcomes(metrics)["dropped"] == 200


async def test_a_receiver_that_refuses_and_a_database_that_is_away_cost_traces_only(caplog) -> None:
    metrics, stories = PrometheusMetrics(), Stories()
    with receiving() as receiver, caplog.at_level(logging.INFO):
        receiver.status = 400
        tracer = a_tracer(receiver.url, stories, metrics)
        await tracer.start()
        tracer.heard("alert:1", FINISHED)
        await asyncio.to_thread(receiver.wait_for, lambda: receiver.received)
        stories.down = True
        tracer.heard("alert:2", FINISHED)
        await tracer.close()
    assert outcomes(metrics) == {"exported": 0, "failed": 2, "dropped": 0}
    assert receiver.url not in caplog.text


def test_headers_are_read_as_they_are_written_everywhere() -> None:
    assert headers_of("Authorization=Basic%20abc%3D, x-key = 1=2") == {"authorization": "Basic abc=", "x-key": "1=2"}
    assert headers_of("") == {}
    with pytest.raises(BadSettings, match="OTEL_EXPORTER_OTLP_HEADERS"):
        headers_of("just-a-token")
