"""What a server answers while it waits for its database, where there is a spill queue."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.adapters.aws.spill import from_text
from app.commands.serve import queue_intake
from app.domain.errors import OperatorError
from app.settings import load_settings
from tests.intake_messages import SECRET, native
from tests.integration.aws.conftest import Queue

TRADINGVIEW = "52.89.214.238"


def settings(folder: Path, **env: str):
    known = {
        "STRATEGIES_FILE": str(folder / "strategies.yaml"),
        "WEBHOOK_SECRET": SECRET,
        "RELEASE": "r7",
        "ALLOWED_SENDERS": "tradingview",
        "TRUSTED_PROXIES": "1",
    }
    return load_settings(known | env, None)


@pytest.fixture
async def client(queue: Queue, tmp_path: Path, capfd) -> AsyncIterator[httpx.AsyncClient]:
    del capfd  # EMF lines go to standard output
    waiting = queue_intake(settings(tmp_path, SPILL_QUEUE_URL=queue.url, METRICS_EMF="true"))
    assert waiting is not None
    await waiting.open()
    transport = httpx.ASGITransport(waiting.web)
    headers = {"X-Forwarded-For": f"203.0.113.9, {TRADINGVIEW}"}  # as the balancer appends it
    async with httpx.AsyncClient(transport=transport, base_url="http://bot/api/v1", headers=headers) as client:
        yield client
    await waiting.close()


async def test_an_alert_is_in_the_queue_when_it_is_answered(client: httpx.AsyncClient, queue: Queue) -> None:
    answer = await client.post("/webhooks/tradingview", content=native())
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    (message,) = queue.everything()
    stored = from_text(message["Body"])
    assert (stored.alert_id, stored.sender) == (answer.json()["alert_id"], TRADINGVIEW)
    assert SECRET not in message["Body"]


async def test_strangers_are_refused_as_ever(client: httpx.AsyncClient, queue: Queue) -> None:
    assert (await client.post("/webhooks/tradingview", content=native(secret="x" * 43))).status_code == 401
    elsewhere = await client.post(
        "/webhooks/tradingview", content=native(), headers={"X-Forwarded-For": f"{TRADINGVIEW}, 203.0.113.9"}
    )
    assert elsewhere.status_code == 403
    assert queue.count() == 0


async def test_it_is_healthy_for_alerts_must_come_here_and_says_that_it_is_not_as_it_should_be(
    client: httpx.AsyncClient,
) -> None:
    health = await client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["release"]) == (200, "spilling", "r7")
    for elsewhere in ("/ready", "/positions", "http://bot/ready", "http://bot/metrics"):
        answer = await client.get(elsewhere)
        assert (answer.status_code, answer.json()) == (503, {"status": "starting"}), elsewhere


async def test_whom_the_database_refuses_is_not_healthy_and_takes_alerts_in_all_the_same(
    queue: Queue, tmp_path: Path
) -> None:
    """Tasks of the release before must not make room for it; a balancer with nobody healthy asks everybody."""
    waiting = queue_intake(settings(tmp_path, SPILL_QUEUE_URL=queue.url, ALLOWED_SENDERS="any"))
    assert waiting is not None
    waiting.passing = False
    await waiting.open()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(waiting.web), base_url="http://bot/api/v1") as client:
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "spilling")
        headers = {"X-Forwarded-For": TRADINGVIEW}
        assert (await client.post("/webhooks/tradingview", content=native(), headers=headers)).status_code == 202
    await waiting.close()
    assert queue.count() == 1


async def test_accepted_alerts_are_counted_for_cloudwatch(queue: Queue, tmp_path: Path, capfd) -> None:
    waiting = queue_intake(settings(tmp_path, SPILL_QUEUE_URL=queue.url, METRICS_EMF="true", ALLOWED_SENDERS="any"))
    assert waiting is not None
    await waiting.open()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(waiting.web), base_url="http://bot/api/v1") as client:
        headers = {"X-Forwarded-For": TRADINGVIEW}
        assert (await client.post("/webhooks/tradingview", content=native(), headers=headers)).status_code == 202
    await waiting.close()
    assert '"AlertsAccepted": 1.0' in capfd.readouterr().out


async def test_without_a_queue_there_is_nobody_to_answer(tmp_path: Path) -> None:
    assert queue_intake(settings(tmp_path)) is None


async def test_a_queue_that_is_not_there_is_said(queue: Queue, tmp_path: Path) -> None:
    waiting = queue_intake(settings(tmp_path, SPILL_QUEUE_URL=queue.url.replace("spill", "none")))
    assert waiting is not None
    with pytest.raises(OperatorError, match="names no queue"):
        await waiting.open()
    await waiting.close()
