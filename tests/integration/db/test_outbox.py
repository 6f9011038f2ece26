"""The outbox: queued once, handed to one sender at a time, tried again with growing pauses, kept when given up."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.outbox import MAX_PAUSE_S, MAX_TRIES
from app.adapters.db.tables import outbox
from tests.fakes import FakeClock
from tests.integration.db.cases import WallClock


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture
async def leased(database_url: str, clock: FakeClock, wall: WallClock) -> AsyncIterator[Database]:
    async with Database(database_url, clock, wall_clock=wall, busy_timeout_s=30) as opened:
        yield opened


async def test_oldest_first_once_and_gone_when_delivered(leased: Database, wall: WallClock) -> None:
    for key in ("b", "a", "b"):
        await leased.outbox.put(key, f"text of {key}")
        wall.advance(1)
    assert await leased.outbox.due(10) == [("b", "text of b"), ("a", "text of a")]
    assert await leased.outbox.due(10) == []  # in somebody's hands
    await leased.outbox.delivered("b")
    wall.advance(60)
    assert await leased.outbox.due(1) == [("a", "text of a")]  # whoever had it must have died
    await leased.outbox.put("b", "again")
    assert await leased.outbox.due(10) == []


async def test_a_failure_is_tried_again_later_and_given_up_after_a_day(
    leased: Database, wall: WallClock, engine: AsyncEngine
) -> None:
    await leased.outbox.put("k", "text")
    began = wall.now
    pauses = []
    for _ in range(12):
        tried = wall.now
        while not await leased.outbox.due(1):
            wall.advance(1)
        pauses.append((wall.now - tried).total_seconds())
        await leased.outbox.failed("k", "HTTP 502")
    assert pauses == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    for _ in range(12, MAX_TRIES):
        wall.advance(MAX_PAUSE_S)
        assert await leased.outbox.due(1)
        await leased.outbox.failed("k", "HTTP 502")
    assert wall.now - began > timedelta(hours=23)
    wall.advance(86_400)
    assert await leased.outbox.due(1) == []
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(outbox))).one()
    assert (row.state, row.tries, row.error) == ("undelivered", MAX_TRIES, "HTTP 502")
