"""Which of the two an alert ends up in, and how long that may take."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from app.api.deps import IntakeRules
from app.domain.alert import Alert
from app.domain.errors import StorageUnavailable
from app.ports import PutResult
from app.spill import QueuedAlerts, SpillingInbox
from app.spill.inbox import BACKLOG_S, DATABASE_S
from tests.integration.db.cases import an_alert

FIRST = an_alert(9).alert_id


async def takes() -> None:
    """At once."""


async def away() -> None:
    raise StorageUnavailable("away")


async def broken() -> None:
    raise ZeroDivisionError


async def hangs() -> None:
    """And does not even notice that nobody waits any more, for a while: a dead connection."""
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.sleep(0.2)


@dataclass
class Place:
    """Plays the database's inbox, and the queue."""

    does: Callable[[], Awaitable[None]] = takes
    has: list[Alert] = field(default_factory=list)

    async def put(self, alert: Alert) -> PutResult:
        await self.does()
        self.has.append(alert)
        return PutResult(FIRST, duplicate=True)

    async def backlog(self) -> int:
        await self.does()
        return 7


def inbox(database: Place, queue: Place) -> SpillingInbox:
    return SpillingInbox(database, queue, database_s=0.05, backlog_s=0.05)  # type: ignore[arg-type]


async def test_the_database_has_it_and_the_queue_is_not_asked() -> None:
    database, queue = Place(), Place()
    assert await inbox(database, queue).put(an_alert(1)) == PutResult(FIRST, duplicate=True)
    assert (len(database.has), len(queue.has)) == (1, 0)


@pytest.mark.parametrize("does", [away, hangs])
async def test_the_queue_has_it_when_the_database_does_not_take_it(does: Callable[[], Awaitable[None]]) -> None:
    queue = Place()
    async with asyncio.timeout(5):
        stored = await inbox(Place(does), queue).put(an_alert(1))
    assert stored == PutResult(an_alert(1).alert_id, duplicate=False)
    assert queue.has == [an_alert(1)]


async def test_a_database_that_wakes_up_answers_for_a_queue_that_hangs() -> None:
    woken = asyncio.Event()

    async def late() -> None:
        await woken.wait()

    database = Place(late)
    put = asyncio.create_task(inbox(database, Place(hangs)).put(an_alert(1)))
    await asyncio.sleep(0.1)
    assert not put.done()
    woken.set()
    assert await put == PutResult(FIRST, duplicate=True)


@pytest.mark.parametrize(("database", "queue"), [(away, away), (away, broken)])
async def test_neither_has_it(database: Callable[[], Awaitable[None]], queue: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(StorageUnavailable, match="database: away; queue:"):
        await inbox(Place(database), Place(queue)).put(an_alert(1))


async def test_an_alert_the_database_will_never_take_is_not_put_into_the_queue() -> None:
    queue = Place()
    with pytest.raises(ZeroDivisionError):
        await inbox(Place(broken), queue).put(an_alert(1))
    assert not queue.has


async def test_nobody_is_turned_away_for_a_backlog_that_is_not_known() -> None:
    assert await inbox(Place(), Place()).backlog() == 7
    for does in (away, hangs):
        assert await inbox(Place(does), Place()).backlog() == 0
    assert await QueuedAlerts(Place()).backlog() == 0  # type: ignore[arg-type]


def test_what_may_be_waited_for_leaves_the_queue_time_to_answer() -> None:
    assert IntakeRules().storage_timeout_s - BACKLOG_S - DATABASE_S >= 0.9
