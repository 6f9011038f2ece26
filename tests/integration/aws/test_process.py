"""`tradingbot serve` with a spill queue, while its database is away: what was answered 202 is worked on afterwards.

Whole processes under a time limit: `make test-long` runs them.
"""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.aws.spill import SpillSender
from tests.aws.server import CREDENTIALS
from tests.faults.site import Sent, Site, site_on, until
from tests.integration.aws.conftest import Queue
from tests.integration.db.cases import an_alert
from tests.integration.db.proxy import Proxy

pytestmark = [pytest.mark.postgres, pytest.mark.long]
HANGS_UP_S = 3.0  # TradingView


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(postgres_url)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def site(proxy: Proxy, queue: Queue, moto: str, tmp_path: Path) -> AsyncIterator[Site]:
    aws = CREDENTIALS | {"AWS_ENDPOINT_URL": moto, "SPILL_QUEUE_URL": queue.url}
    async with site_on(proxy.url, tmp_path, embedded=True, **aws) as site:
        yield site


async def test_alerts_of_an_outage_are_worked_on_by_the_rules_of_when_they_came(
    site: Site, proxy: Proxy, sender: SpillSender
) -> None:
    app = await site.start()
    entry = site.alert("BTCUSDT", "long")
    await app.post(entry)
    assert (await app.finished(entry))["state"] == "filled"

    await proxy.stop()
    later, leaving = site.alert("ETHUSDT", "long"), site.alert("BTCUSDT", "exit")
    for alert in (later, leaving):
        began = time.monotonic()
        await app.post(alert)
        assert alert.answers == ["accepted"]
        assert time.monotonic() - began < HANGS_UP_S
    received_at = datetime.now(UTC) - timedelta(minutes=20)
    fields = {"strategy": "trend", "symbol": "SOLUSDT.P", "interval": "60", "action": "buy", "market_position": "long"}
    body = json.dumps(fields | {"bar_time": f"{received_at:%Y-%m-%dT%H}:00:00Z"}).encode()
    waited = Sent("SOLUSDT", body)
    stored = an_alert(7, waited.symbol, body=body, received_at=received_at, strategy="trend")
    waited.alert_id = stored.alert_id
    await sender.put(stored)
    await proxy.start()

    left = await app.finished(leaving)
    assert left["state"] == "closed", left
    assert (await app.finished(later))["state"] == "filled"
    refused = await app.finished(waited)
    assert (refused["state"], refused["refusal"]["reason"]) == ("refused", "STALE")
    assert await site.books.alerts() == 4

    began = time.monotonic()
    app.program.terminate()
    assert await app.program.ended(25) == 0
    assert time.monotonic() - began < 25


async def test_a_process_that_starts_while_its_database_is_away_takes_alerts_in(site: Site, proxy: Proxy) -> None:
    assert (await site.command("migrate"))[0] == 0
    await proxy.stop()
    app = await site.start(ready=False, migrate=False)

    async def spilling() -> bool:
        assert app.program.running, app.program.said()[-3000:]
        return (await app.get("/health") or {}).get("status") == "spilling"

    await until("it takes alerts in", spilling)
    entry = site.alert("BTCUSDT", "long")
    await app.post(entry)
    assert entry.answers == ["accepted"]
    await proxy.start()
    await app.ready()
    assert (await app.get("/health"))["status"] == "ok"
    assert (await app.finished(entry))["state"] == "filled"
    app.program.terminate()
    assert await app.program.ended(25) == 0
