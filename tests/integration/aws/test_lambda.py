"""The Lambda intake: real events in, alerts in the queue, the server's answers out."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.adapters.aws.spill import from_text
from app.domain.errors import BadSettings, OperatorError
from app.lambda_handler import Intake
from app.registry import add_strategy
from tests.intake_messages import MALFORMED, PRESETS, SECRET, native
from tests.integration.aws.conftest import Queue
from tests.integration.aws.events import TRADINGVIEW, balancer, function_url, gateway

Event = Callable[..., dict[str, Any]]
FRONT_ENDS: dict[str, Event] = {
    "gateway": gateway,
    "function URL": function_url,
    "balancer": balancer,
    "balancer, single values": lambda body, **how: balancer(body, many=False, **how),
}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for added in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(added)
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def env(queue: Queue, tmp_path: Path) -> dict[str, str]:
    return {
        "TRADING_MODE": "paper",
        "ALLOWED_SENDERS": "tradingview",
        "WEBHOOK_SECRET": SECRET,
        "STRATEGIES_FILE": str(tmp_path / "strategies.yaml"),
        "SPILL_QUEUE_URL": queue.url,
        "DEPLOYMENT": "staging",
        "RELEASE": "abc1234",
        "METRICS_EMF": "true",
        "LOG_JSON": "true",
    }


@pytest.fixture
def handler(env: dict[str, str]) -> Iterator[Intake]:
    made = Intake(env)
    yield made
    made.close()


def answered(answer: dict[str, Any]) -> tuple[int, Any]:
    assert not answer.get("isBase64Encoded")
    return answer["statusCode"], json.loads(answer["body"])


def test_an_alert_is_in_the_queue_when_it_is_answered(handler: Intake, queue: Queue) -> None:
    answers: dict[str, str] = {}
    for front_end, event in FRONT_ENDS.items():
        for number, (preset, message) in enumerate(PRESETS.items()):
            status, body = answered(handler(event(message(), encoded=bool(number % 2)), None))
            assert (status, body["status"], body["preset"]) == (202, "accepted", preset), front_end
            answers[body["alert_id"]] = preset
        shape = handler(event(b"{}"), None)
        assert ("multiValueHeaders" in shape, "headers" in shape) == (front_end == "balancer", front_end != "balancer")
    alerts = [from_text(message["Body"]) for message in queue.everything()]
    assert len(alerts) == len(PRESETS), "the same from everywhere is the same"
    assert {(alert.alert_id, alert.preset) for alert in alerts} <= answers.items()
    assert {alert.sender for alert in alerts} == {TRADINGVIEW}


def test_no_secret_gets_into_the_queue(handler: Intake, queue: Queue) -> None:
    for message in PRESETS.values():
        assert answered(handler(gateway(message()), None))[0] == 202
    everything = json.dumps(queue.everything())
    assert "***" in everything
    assert SECRET not in everything


def test_the_caller_is_who_the_front_end_saw(handler: Intake, queue: Queue) -> None:
    """X-Forwarded-For as a stranger would send it, to pass for TradingView."""
    for front_end, event in FRONT_ENDS.items():
        for claimed in (TRADINGVIEW, f"{TRADINGVIEW}, {TRADINGVIEW}", f"{TRADINGVIEW},", ","):
            strange = event(native(), caller="203.0.113.9", headers={"x-forwarded-for": claimed})
            status, body = answered(handler(strange, None))
            assert (status, body["error"]["code"]) == (403, "forbidden"), (front_end, claimed)
    assert queue.count() == 0
    for event in FRONT_ENDS.values():
        through_a_proxy = event(native(), headers={"x-forwarded-for": "203.0.113.9"})
        assert answered(handler(through_a_proxy, None))[0] == 202


def test_the_servers_refusals(handler: Intake, queue: Queue) -> None:
    for name, (body, status, field) in MALFORMED.items():
        got, answer = answered(handler(gateway(body, encoded=True), None))
        assert (got, answer["error"]["field"]) == (status, field), name
    status, answer = answered(handler(gateway(native(secret="x" * 43)), None))
    assert (status, answer["error"]["field"]) == (401, "secret")
    assert queue.count() == 0


def test_health_and_nothing_else(handler: Intake) -> None:
    for event in FRONT_ENDS.values():
        status, body = answered(handler(event(None, method="GET", path="/api/v1/health"), None))
        assert (status, body["status"], body["release"]) == (200, "ok", "abc1234")
        for path in ("/api/v1/alerts", "/metrics", "/docs", "/api/v1/openapi.json", "/api/v1/ready", "/"):
            assert handler(event(None, method="GET", path=path), None)["statusCode"] == 404
        assert handler(event(None, path="/api/v1/trading/kill"), None)["statusCode"] == 404


def test_without_the_queue_it_is_503_and_the_resend_is_taken(handler: Intake, queue: Queue) -> None:
    queue.client.delete_queue(QueueUrl=queue.url)
    status, body = answered(handler(gateway(native()), None))
    assert (status, body["error"]["code"]) == (503, "unavailable")
    queue.client.create_queue(QueueName="spill.fifo", Attributes={"FifoQueue": "true"})
    assert answered(handler(gateway(native()), None))[0] == 202


def test_an_event_that_is_none_gets_an_answer(handler: Intake) -> None:
    broken = gateway(native())
    del broken["requestContext"]["http"]
    for event in ({}, broken, gateway(native(), headers={"host": "a:b:c"})):
        status, body = answered(handler(event, None))
        assert (status, body["error"]["code"]) == (503, "unexpected")


def test_what_it_says_is_json_without_secrets_and_counts_what_was_accepted(
    env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    handler = Intake(env)
    capfd.readouterr()
    handler(gateway(native()), None)
    handler(gateway(native(secret="Y" * 43)), None)
    printed = capfd.readouterr().out
    handler.close()
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["event"] for line in lines if "event" in line] == ["alert taken", "alert not taken"]
    counted = [line for line in lines if "_aws" in line]
    assert [(line["Deployment"], line["AlertsAccepted"]) for line in counted] == [("staging", 1), ("staging", 0)]
    assert SECRET not in printed
    assert "Y" * 43 not in printed


# --- settings --------------------------------------------------------------------------------------------


def test_live_needs_no_keys_of_the_exchange_and_no_database(env: dict[str, str], tmp_path: Path) -> None:
    secret = add_strategy(tmp_path / "strategies.yaml", "mine", ["BTCUSDT"])
    handler = Intake(env | {"TRADING_MODE": "live", "WEBHOOK_SECRET": ""})
    assert answered(handler(gateway(native(secret=secret, strategy="mine")), None))[0] == 202
    assert answered(handler(gateway(native(secret=secret, strategy="mine", symbol="ETHUSDT.P")), None))[0] == 422
    handler.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"SPILL_QUEUE_URL": ""}, "SPILL_QUEUE_URL is missing"),
        ({"SECRETS_FROM_AWS": "WEBHOOK_SECRET=not-there"}, "cannot be read: WEBHOOK_SECRET"),
        ({"STRATEGIES_SECRET": "not-there"}, "cannot be read: STRATEGIES_FILE"),
    ],
)
def test_what_would_refuse_good_alerts_does_not_start(env: dict[str, str], changes: dict[str, str], why: str) -> None:
    with pytest.raises(BadSettings, match=why):
        Intake(env | changes)


def test_a_queue_that_is_not_there_does_not_start(env: dict[str, str], queue: Queue) -> None:
    queue.client.delete_queue(QueueUrl=queue.url)
    with pytest.raises(OperatorError, match="names no queue"):
        Intake(env)


def test_rotated_secrets_and_strategies_are_followed_and_a_store_that_hangs_costs_no_alert(
    env: dict[str, str], queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secretsmanager: Any
) -> None:
    text = tmp_path / "text.yaml"
    old = add_strategy(text, "mine", ["BTCUSDT"])
    secretsmanager.create_secret(Name="strategies", SecretString=text.read_text())
    secretsmanager.create_secret(Name="webhook", SecretString=SECRET)
    del env["WEBHOOK_SECRET"]
    handler = Intake(
        env
        | {"SECRETS_FROM_AWS": "WEBHOOK_SECRET=webhook", "STRATEGIES_SECRET": "strategies", "SECRETS_REFRESH_S": "1"}
    )

    def status(secret: str, strategy: str | None) -> int:
        return int(handler(gateway(native(secret=secret, strategy=strategy)), None)["statusCode"])

    assert (status(old, "mine"), status(SECRET, "other")) == (202, 202)
    text.unlink()
    new, rotated = add_strategy(text, "mine", ["BTCUSDT"]), SECRET[::-1]
    secretsmanager.put_secret_value(SecretId="strategies", SecretString=text.read_text())
    secretsmanager.put_secret_value(SecretId="webhook", SecretString=rotated)
    handler._looked_at -= 2
    assert (status(rotated, "other"), status(SECRET, "other")) == (202, 401)
    handler._looked_at -= 2
    assert (status(new, "mine"), status(old, "mine")) == (202, 401)

    hangs = threading.Event()
    monkeypatch.setattr(handler._source, "changed", hangs.wait)
    handler._looked_at -= 2
    assert status(new, "mine") == 202
    hangs.set()
    handler.close()
