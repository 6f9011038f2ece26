"""The drain on a real SQS wire: messages leave the queue when they are stored, and only then."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.adapters.aws.spill import SpillReceiver, SpillSender, to_text
from app.adapters.clock import SystemClock
from app.adapters.local import LocalDoorbell
from app.adapters.metrics import PrometheusMetrics
from app.domain.alert import Alert
from app.domain.errors import StorageUnavailable
from app.ports import PutResult
from app.spill import Drain, DrainConfig
from tests.fakes import FakeClock
from tests.intake_world import World, world_on
from tests.integration.aws.conftest import MAX_RECEIVES, Queue
from tests.integration.db.cases import BTC, ETH, SOL, an_alert, until


@dataclass
class Shaky:
    """The database's inbox, which takes nothing while it is away, or while somebody says so."""

    world: World
    away: bool = False
    refuses: Callable[[Alert], Exception | None] = lambda _: None
    tried: int = 0
    order: list[str] = field(default_factory=list)

    async def put(self, alert: Alert) -> PutResult:
        self.tried += 1
        if self.away:
            raise StorageUnavailable("away")
        if error := self.refuses(alert):
            raise error
        self.order.append(alert.alert_id)
        return await self.world.database.inbox.put(alert)


@dataclass
class Draining:
    drain: Drain
    inbox: Shaky
    metrics: PrometheusMetrics
    bell: LocalDoorbell
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.drain.run(self.stop))

    async def end(self) -> None:
        self.stop.set()
        assert self.task is not None
        await self.task

    async def drop(self) -> None:
        """Without waiting for the poll's second."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def draining(receiver: SpillReceiver, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Draining]:
    async with world_on(sqlite_template, tmp_path) as world:
        metrics, bell, inbox = PrometheusMetrics(), LocalDoorbell(), Shaky(world)
        config = DrainConfig(useless_s=0, first_pause_s=0.02, longest_pause_s=0.05, hidden_s=3, depth_every_s=0.1)
        drain = Drain(
            receiver, inbox, bell, metrics, depth=metrics.set_spill_messages, clock=SystemClock(), config=config
        )
        draining = Draining(drain, inbox, metrics, bell)
        yield draining
        await draining.drop()


async def test_alerts_are_stored_in_order_and_the_workers_are_woken(
    draining: Draining, sender: SpillSender, queue: Queue
) -> None:
    for number in range(1, 13):
        await sender.put(an_alert(number, (BTC, ETH)[number % 2]))
    await sender.put(an_alert(20, dedupe_key=an_alert(3).dedupe_key, symbol=SOL))  # taken in twice, spilled twice
    await draining.inbox.world.database.inbox.put(an_alert(5, ETH))  # the commit whose answer was lost
    draining.start()
    await until(lambda: _equals(queue.count, 0))
    stored = [line.alert for line in await draining.inbox.world.database.queries.alerts(limit=50)]
    assert sorted(alert.alert_id for alert in stored) == [an_alert(n).alert_id for n in range(1, 13)]
    for symbol in (BTC, ETH):
        mine = [
            alert_id
            for alert_id in draining.inbox.order
            if alert_id in {a.alert_id for a in stored if a.symbol == symbol}
        ]
        assert mine == sorted(mine)
    assert {alert.received_at for alert in stored} == {an_alert(n).received_at for n in range(1, 13)}
    await asyncio.wait_for(draining.bell.wait(60), timeout=5)


async def test_messages_in_hand_are_kept_while_the_database_is_away(
    draining: Draining, sender: SpillSender, queue: Queue
) -> None:
    """Not handed back and taken again: SQS counts, and puts aside what comes back too often."""
    draining.inbox.away = True
    for number in (1, 2):
        await sender.put(an_alert(number))
    with capture_logs() as logs:
        draining.start()
        await until(lambda: _at_least(lambda: draining.inbox.tried, 5 * MAX_RECEIVES))
        assert draining.value("tradingbot_spill_messages") == 2
        draining.inbox.away = False
        await until(lambda: _equals(queue.count, 0))
    assert queue.dead() == []
    assert await draining.inbox.world.rows() == 2
    told = [line["event"] for line in logs if "spilled alerts" in line["event"]]
    assert told == ["spilled alerts wait for the database", "spilled alerts are stored again"]


async def test_they_stay_hidden_from_the_others_for_as_long_as_it_takes(
    draining: Draining, sender: SpillSender, receiver: SpillReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain's seconds pass faster than the queue's: it asks for more time long before the message's is over."""
    seconds, asked = itertools.count(), []
    draining.drain._clock = FakeClock()
    monkeypatch.setattr(draining.drain._clock, "monotonic", lambda: float(next(seconds)))
    hide = receiver.hide
    monkeypatch.setattr(receiver, "hide", lambda messages, more: asked.append(more) or hide(messages, more))
    draining.inbox.away = True
    await sender.put(an_alert(1))
    draining.start()
    await until(lambda: _at_least(lambda: len(asked), 3))
    assert set(asked) == {3}
    draining.inbox.away = False
    await until(lambda: _at_least(lambda: len(draining.inbox.order), 1))


async def test_told_to_stop_it_hands_back_what_it_could_not_store_and_is_quick(
    draining: Draining, sender: SpillSender, queue: Queue
) -> None:
    draining.inbox.away = True
    await sender.put(an_alert(1))
    draining.start()
    await until(lambda: _at_least(lambda: draining.inbox.tried, 1))
    began = time.monotonic()
    await draining.end()
    assert time.monotonic() - began < 5
    assert [message["Body"] for message in queue.everything()] == [to_text(an_alert(1))]


async def test_a_message_that_cannot_be_read_goes_to_the_dead_letters_with_an_alarm_and_holds_up_nobody(
    draining: Draining, sender: SpillSender, queue: Queue
) -> None:
    queue.send("gibberish", group="main:BTCUSDT")
    await sender.put(an_alert(1, BTC))
    await sender.put(an_alert(2, ETH))
    await sender.put(an_alert(3, SOL))
    draining.inbox.refuses = lambda alert: (
        ValueError("the database has no place for it") if alert.symbol == SOL else None
    )
    draining.start()
    await until(lambda: _equals(queue.count, 0))
    assert sorted(queue.dead()) == sorted(["gibberish", to_text(an_alert(3, SOL))])
    assert await draining.inbox.world.rows() == 2
    assert draining.value("tradingbot_alarms_total", what="spill_unreadable") == 2 * MAX_RECEIVES


async def test_a_queue_that_does_not_answer_is_told_once_and_asked_again(
    draining: Draining, sender: SpillSender, receiver: SpillReceiver, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody
        draining.drain._source = nowhere = SpillReceiver(queue.url)
        await nowhere.open()
    await sender.put(an_alert(1))
    polls, receive = [], nowhere.receive
    monkeypatch.setattr(nowhere, "receive", lambda **wanted: polls.append(1) or receive(**wanted))
    with capture_logs() as logs:
        draining.start()
        await until(lambda: _at_least(lambda: len(polls), 3))
        draining.drain._source = receiver
        await until(lambda: _at_least(lambda: len(draining.inbox.order), 1))
    await nowhere.close()
    told = [line["event"] for line in logs if "queue" in line["event"]]
    assert told == ["the spill queue does not answer", "the spill queue answers again"]


async def _equals(get: Callable[[], int], wanted: int) -> bool:
    return await asyncio.to_thread(get) == wanted


async def _at_least(get: Callable[[], int], wanted: int) -> bool:
    return get() >= wanted
