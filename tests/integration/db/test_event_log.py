"""The event log: all or nothing, in versions, under a fence, with numbers that have no gaps."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.replay import replay
from app.adapters.db.tables import events
from app.adapters.db.verify import verify_chain
from app.domain import events as ev
from app.domain.errors import LaneLost, VersionConflict
from app.domain.ids import account_stream
from app.domain.money import Money
from app.domain.order import OrderState
from app.ports import Append, Fence, Message
from tests.fakes import FakeClock
from tests.integration.db.cases import ACCOUNT, BTC, NOW, a_fill, an_intent

MAIN = account_stream(ACCOUNT)
PAUSED = ev.TradingPaused(ACCOUNT, "someone", "a reason")
MARKED = ev.EquityMarked(ACCOUNT, Money.of("10000.00000001"), Money.of("9999.5"))


async def test_events_come_back_as_they_were_written(database: Database, clock: FakeClock) -> None:
    intent = an_intent()
    filled = ev.OrderFilled(intent.request.client_id, a_fill("t1", "0.000000000000000001"), complete=True)
    await database.events.append(Append("alert:A", 0, (ev.OrderIntended(intent), filled)))
    clock.advance(1.5)
    await database.events.append(Append("alert:A", 2, (PAUSED,)))
    story = await database.events.read("alert:A")
    assert [item.event for item in story] == [ev.OrderIntended(intent), filled, PAUSED]
    assert [item.version for item in story] == [1, 2, 3]
    assert [item.seq for item in story] == [1, 2, 3]
    assert [item.at for item in story] == [NOW, NOW, clock.now()]
    assert await database.events.read("alert:B") == []


async def test_a_writer_that_is_behind_is_refused_and_nothing_of_it_is_stored(database: Database) -> None:
    await database.events.append(Append(MAIN, 0, (PAUSED,)))
    for version in (0, 2):
        with pytest.raises(VersionConflict):
            await database.events.append(Append("alert:A", 0, (PAUSED,)), Append(MAIN, version, (MARKED,)))
    assert await database.events.read("alert:A") == []
    assert len(await database.events.read(MAIN)) == 1
    assert (await database.records.account_facts(ACCOUNT)).peak_equity is None


async def test_of_two_writers_at_the_same_version_one_wins(database: Database, database_url: str) -> None:
    async with Database(database_url, FakeClock(), busy_timeout_s=30) as other:
        outcomes = await asyncio.gather(
            *((database, other)[i % 2].events.append(Append(MAIN, 0, (PAUSED,))) for i in range(20)),
            return_exceptions=True,
        )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19


async def test_numbers_have_no_gaps_whoever_writes_and_whoever_is_refused(
    database: Database, database_url: str, engine: AsyncEngine
) -> None:
    async with Database(database_url, FakeClock(), busy_timeout_s=30) as other:
        await asyncio.gather(
            *((database, other)[i % 2].events.append(Append(f"s{i // 2}", 0, (PAUSED, MARKED))) for i in range(100)),
            return_exceptions=True,
        )
    async with engine.connect() as connection:
        numbers = (await connection.scalars(sa.select(events.c.seq).order_by(events.c.seq))).all()
    assert numbers == list(range(1, 101))  # 50 streams, the second writer of each refused


async def test_several_appends_may_follow_each_other_on_one_stream(database: Database) -> None:
    await database.events.append(Append(MAIN, 0, (PAUSED,)), Append("x", 0, (MARKED,)), Append(MAIN, 1, (MARKED,)))
    assert [item.seq for item in await database.events.read(MAIN)] == [1, 3]


async def test_without_the_lane_nothing_is_written(database: Database) -> None:
    stranger = Fence(ACCOUNT, BTC, 1)
    for held in (stranger, Fence(ACCOUNT, BTC, 0)):
        with pytest.raises(LaneLost):
            await database.events.append(Append(MAIN, 0, (PAUSED,)), fence=held, messages=[Message("k", "t")])
    fence = await database.lanes.take(ACCOUNT, BTC, "w", 60)
    assert fence is not None
    await database.events.append(Append(MAIN, 0, (PAUSED,)), fence=fence)
    await database.lanes.give_back(fence)
    with pytest.raises(LaneLost):
        await database.events.append(Append(MAIN, 1, (PAUSED,)), fence=fence)
    assert len(await database.events.read(MAIN)) == 1
    assert await database.outbox.due(10) == []


async def test_messages_are_queued_with_their_events_and_once(database: Database) -> None:
    hello = Message("alert:A/1", "Half of \ud83d and a \x00 survive as what can be shown")
    await database.events.append(Append("alert:A", 0, (PAUSED,)), messages=[hello])
    with pytest.raises(VersionConflict):
        await database.events.append(Append("alert:A", 0, (PAUSED,)), messages=[Message("k", "never said")])
    await database.events.append(Append("alert:A", 1, (PAUSED,)), messages=[hello])
    assert await database.outbox.due(10) == [("alert:A/1", "Half of ? and a  survive as what can be shown")]


async def test_text_no_database_can_hold_still_makes_a_readable_event(database: Database) -> None:
    intent = an_intent()
    odd = "NUL \x00, half a pair \ud800, \U0001f600, quote \" and '"
    rejected = ev.OrderRejected(intent.request.client_id, -1, odd)
    sent = ev.OrderSent(intent.request.client_id, NOW, NOW)
    await database.events.append(Append("alert:A", 0, (ev.OrderIntended(intent), sent, rejected)))
    assert (await database.events.read("alert:A"))[2].event == rejected
    row = await database.records.order(intent.request.client_id)
    assert row is not None
    assert row.state is OrderState.REJECTED


async def test_the_hash_can_be_checked_with_nothing_but_json_and_sha256(
    database: Database, engine: AsyncEngine, clock: FakeClock
) -> None:
    clock._now = datetime(2026, 1, 5, 12, 0, 0, 120, tzinfo=UTC)
    await database.events.append(Append(MAIN, 0, (PAUSED, MARKED)))
    async with engine.connect() as connection:
        first, second = (await connection.execute(sa.select(events).order_by(events.c.seq))).all()
    data = '{"account":"main","equity":"10000.00000001","wallet":"9999.5"}'
    assert second.data == data
    assert first.prev_hash == "0" * 64
    row = [first.hash, 2, "account:main", 2, "EquityMarked", "2026-01-05T12:00:00.000120+00:00", data]
    assert second.hash == hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()


async def test_writers_that_are_cancelled_anywhere_leave_nothing_half_done(
    database_url: str, clock: FakeClock, engine: AsyncEngine
) -> None:
    async with Database(database_url, clock, busy_timeout_s=30, pool_size=2) as database:
        for patience in range(40):
            writer = asyncio.create_task(database.events.append(Append(f"s{patience}", 0, (PAUSED, MARKED))))
            for _ in range(patience):
                await asyncio.sleep(0)
            writer.cancel()
            await asyncio.wait([writer])
        await asyncio.gather(*(database.events.append(Append(f"t{i}", 0, (PAUSED,))) for i in range(10)))
        for patience in range(40):
            assert len(await database.events.read(f"s{patience}")) in (0, 2)
    assert (await verify_chain(engine)).ok
    assert (await replay(engine)).ok
