"""Fault 26: the database goes away under a stream of alerts. Every 202 ends in exactly one row, spilled or not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest

from app.adapters.aws.spill import SpillReceiver, SpillSender
from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.verify import verify_chain
from app.adapters.local import LocalDoorbell
from app.adapters.metrics import PrometheusMetrics
from app.main import create_app
from app.spill import Drain, DrainConfig, SpillingInbox
from tests.fakes import FakeClock
from tests.intake_messages import SECRET, native
from tests.intake_world import WEBHOOK, World
from tests.integration.aws.conftest import Queue
from tests.integration.db.cases import until
from tests.integration.db.proxy import Cut, Proxy

pytestmark = pytest.mark.postgres
SYMBOLS = ("BTCUSDT.P", "ETHUSDT.P")


@dataclass
class Bot:
    """Webhook and drain on one database behind a wire that can be cut."""

    world: World
    database: Database
    proxy: Proxy
    client: httpx.AsyncClient
    queue: Queue
    answers: dict[str, str] = field(default_factory=dict)  # order id -> alert id, of everything answered 202

    async def send(self, number: int) -> str:
        """ "accepted", "duplicate" or the status."""
        order_id = f"order-{number}"
        body = native(symbol=SYMBOLS[number % 2], order_id=order_id)
        response = await self.client.post(WEBHOOK, content=body)
        if response.status_code != 202:
            return str(response.status_code)
        self.answers[order_id] = response.json()["alert_id"]
        return str(response.json()["status"])

    async def drained(self) -> None:
        async def empty() -> bool:
            return await asyncio.to_thread(self.queue.count) == 0

        await until(empty)


@pytest.fixture
async def bot(
    postgres_url: str, tmp_path: Path, queue: Queue, sender: SpillSender, receiver: SpillReceiver
) -> AsyncIterator[Bot]:
    proxy = Proxy(postgres_url)
    await proxy.start()
    metrics = PrometheusMetrics()
    async with Database(proxy.url, FakeClock(), busy_timeout_s=30, put_timeout_s=30) as database:
        world = World(database, FakeClock(), tmp_path / "strategies.yaml")
        world.inbox = SpillingInbox(database.inbox, sender, database_s=0.3)
        drain = Drain(
            receiver,
            database.inbox,
            LocalDoorbell(),
            metrics,
            depth=metrics.set_spill_messages,
            clock=SystemClock(),
            config=DrainConfig(first_pause_s=0.05, longest_pause_s=0.1),
        )
        running = asyncio.create_task(drain.run(asyncio.Event()))
        async with world.client(create_app(world.api())) as client:
            yield Bot(world, database, proxy, client, queue)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await proxy.stop()


async def test_every_202_ends_in_one_row_however_the_database_comes_and_goes(bot: Bot, postgres_url: str) -> None:
    said: list[str] = []
    for number in range(30):
        if number == 5:
            bot.proxy.cut = Cut.AFTER_COMMIT  # stored, and nobody hears of it; then it is gone
            bot.proxy.stay_down = True
        elif number == 15:
            await bot.proxy.start()
        elif number == 18:
            await bot.proxy.stop()
        elif number == 25:
            await bot.proxy.start()
        said.append(await bot.send(number))
        if number in (12, 20):
            said.append(await bot.send(number))  # TradingView's resend, while the first one lies in the queue
    assert set(said) <= {"accepted", "duplicate"}
    assert len(bot.answers) == 30
    await bot.drained()
    rows = {line.alert.alert_id: line.alert for line in await bot.database.queries.alerts(limit=500)}
    assert len(rows) == 30
    assert len({alert.dedupe_key for alert in rows.values()}) == 30
    assert (await verify_chain(bot.database.engine)).count == 30
    lost = {order for order, alert_id in bot.answers.items() if alert_id not in rows}
    assert lost <= {"order-12", "order-20"}, "only a repeat may have been answered with a name that was not kept"
    for alert in rows.values():
        assert SECRET.encode() not in alert.body


async def test_a_database_that_hangs_is_not_waited_for(bot: Bot, postgres_url: str) -> None:
    """Somebody holds the table: nothing is refused, nothing answers."""
    with psycopg.connect(postgres_url) as holder:
        holder.execute("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        assert await bot.send(1) == "accepted"
        assert bot.queue.count() == 1
        holder.rollback()
    await bot.drained()
    assert await bot.world.rows() == 1
