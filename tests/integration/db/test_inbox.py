"""The inbox: durable, deduplicated, one alert at a time per lane, oldest first."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.tables import alerts, events
from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.errors import LaneLost, StorageUnavailable
from app.domain.ids import alert_stream
from app.ports import Append, Claim
from tests.fakes import FakeClock
from tests.integration.db.cases import ACCOUNT, BTC, ETH, SOL, WallClock, an_alert


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture
async def leased(database_url: str, clock: FakeClock, wall: WallClock) -> AsyncIterator[Database]:
    """A database whose leases the test lets run out."""
    async with Database(database_url, clock, wall_clock=wall, busy_timeout_s=30, put_timeout_s=30) as opened:
        yield opened


async def finish(database: Database, claim: Claim, state: AlertState = AlertState.REFUSED) -> None:
    stream = alert_stream(claim.alert.alert_id)
    version = len(await database.events.read(stream))
    done = ev.AlertFinished(state, "done")
    await database.events.append(Append(stream, version, (done,)), fence=claim.fence)


async def test_put_stores_the_alert_and_records_that_it_was_accepted(database: Database) -> None:
    alert = an_alert(1, body=b"\xff\x00 any bytes")
    result = await database.inbox.put(alert)
    assert (result.alert_id, result.duplicate) == (alert.alert_id, False)
    found = await database.queries.alert(alert.alert_id)
    assert found is not None
    stored, story = found
    assert stored == alert
    assert [type(item.event) for item in story] == [ev.AlertAccepted]
    assert await database.inbox.backlog() == 1


async def test_fifty_equal_alerts_at_once_make_one_row(database: Database, engine: AsyncEngine) -> None:
    copies = [an_alert(i, dedupe_key="same") for i in range(50)]
    results = await asyncio.gather(*(database.inbox.put(copy) for copy in copies))
    assert Counter(result.duplicate for result in results) == {False: 1, True: 49}
    (first,) = [result.alert_id for result in results if not result.duplicate]
    assert {result.alert_id for result in results} == {first}
    async with engine.connect() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(alerts)) == 1
        assert await connection.scalar(sa.select(sa.func.count()).select_from(events)) == 1


async def test_equal_alerts_through_two_processes_make_one_row(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    async with Database(database_url, clock, busy_timeout_s=30, put_timeout_s=30) as other:
        copies = [an_alert(i, dedupe_key=f"key {i % 10}") for i in range(200)]
        results = await asyncio.gather(
            *((database if i % 2 else other).inbox.put(copy) for i, copy in enumerate(copies))
        )
    assert Counter(result.duplicate for result in results) == {False: 10, True: 190}
    assert len({result.alert_id for result in results}) == 10
    assert await database.inbox.backlog() == 10


async def test_one_alert_that_cannot_be_stored_does_not_take_its_neighbours_along(database: Database) -> None:
    await database.inbox.put(an_alert(1))
    impossible = an_alert(1, dedupe_key="another key under an id that is taken")
    good = [an_alert(number) for number in range(2, 22)]
    results = await asyncio.gather(
        *(database.inbox.put(alert) for alert in [*good[:10], impossible, *good[10:]]), return_exceptions=True
    )
    assert isinstance(results[10], sa.exc.IntegrityError)
    assert not any(isinstance(result, Exception) for i, result in enumerate(results) if i != 10)
    assert await database.inbox.backlog() == 21


async def test_nothing_to_do_is_none(database: Database) -> None:
    assert await database.inbox.claim("w1", 5) is None


async def test_a_claim_holds_the_lane_of_its_alert(database: Database) -> None:
    for alert in (an_alert(2), an_alert(1), an_alert(3, ETH)):
        await database.inbox.put(alert)
    first = await database.inbox.claim("w1", 60)
    second = await database.inbox.claim("w2", 60)
    assert first is not None
    assert second is not None
    assert {first.alert, second.alert} == {an_alert(1), an_alert(3, ETH)}  # oldest of each lane
    assert await database.inbox.claim("w3", 60) is None
    assert first.attempt == 1


async def test_an_alert_that_is_not_final_comes_back_with_a_higher_attempt_and_token(database: Database) -> None:
    await database.inbox.put(an_alert(1))
    first = await database.inbox.claim("w1", 60)
    assert first is not None
    await database.inbox.release(first)
    again = await database.inbox.claim("w2", 60)
    assert again is not None
    assert (again.alert, again.attempt) == (an_alert(1), 2)
    assert again.fence.token > first.fence.token


async def test_a_final_alert_never_comes_back(database: Database) -> None:
    await database.inbox.put(an_alert(1))
    claim = await database.inbox.claim("w1", 60)
    assert claim is not None
    await finish(database, claim)
    await database.inbox.release(claim)
    assert await database.inbox.claim("w1", 60) is None
    assert await database.inbox.backlog() == 0
    (line,) = await database.queries.alerts(limit=10)
    assert (line.state, line.summary) == (AlertState.REFUSED, "done")


async def test_a_released_alert_lets_other_lanes_go_first(database: Database) -> None:
    for alert in (an_alert(1), an_alert(2, ETH), an_alert(3, SOL)):
        await database.inbox.put(alert)
    turns = []
    for _ in range(6):
        claim = await database.inbox.claim("w1", 60)
        assert claim is not None
        turns.append(claim.alert.symbol)
        await database.inbox.release(claim)
    assert turns == [BTC, ETH, SOL, BTC, ETH, SOL]


async def test_a_failed_alert_rests_a_little_longer_each_time_and_keeps_its_place(
    leased: Database, wall: WallClock
) -> None:
    await leased.inbox.put(an_alert(1))
    await leased.inbox.put(an_alert(2))
    pauses = []
    claim = await leased.inbox.claim("w1", 60)
    for attempt in (1, 2, 3):
        assert claim is not None
        assert (claim.alert, claim.attempt) == (an_alert(1), attempt)
        failed = Append(alert_stream(claim.alert.alert_id), attempt, (ev.HandlerFailed(attempt, "boom"),))
        await leased.events.append(failed, fence=claim.fence)
        await leased.inbox.release(claim)
        began = wall.now
        while (claim := await leased.inbox.claim("w1", 60)) is None:
            wall.advance(0.125)
        pauses.append((wall.now - began).total_seconds())
    assert pauses == [0.25, 0.5, 1.0]


async def test_a_clock_that_is_set_back_keeps_no_alert_and_no_lane_waiting(leased: Database, wall: WallClock) -> None:
    await leased.inbox.put(an_alert(1))
    resting = await leased.inbox.claim("w1", 5)
    assert resting is not None
    await leased.inbox.release(resting, rest_s=5)
    await leased.inbox.put(an_alert(2, symbol=ETH))
    dead = await leased.inbox.claim("dead", 5)
    assert dead is not None
    assert await leased.inbox.claim("w2", 5) is None
    wall.advance(-3_600)
    freed = [await leased.inbox.claim("w2", 5) for _ in range(2)]
    assert {claim.alert.symbol for claim in freed if claim} == {BTC, ETH}


async def test_a_dead_workers_lane_is_taken_over_and_its_token_is_worthless(leased: Database, wall: WallClock) -> None:
    await leased.inbox.put(an_alert(1))
    dead = await leased.inbox.claim("dead", 5)
    assert dead is not None
    assert await leased.inbox.claim("alive", 5) is None
    wall.advance(5)
    alive = await leased.inbox.claim("alive", 5)
    assert alive is not None
    assert alive.fence.token > dead.fence.token
    stream = alert_stream(dead.alert.alert_id)
    note = ev.HandlerFailed(1, "too late")
    with pytest.raises(LaneLost):
        await leased.events.append(Append(stream, 1, (note,)), fence=dead.fence)
    with pytest.raises(LaneLost):
        await leased.lanes.renew(dead.fence, 5)
    await leased.inbox.release(dead)  # changes nothing
    assert await leased.inbox.claim("third", 5) is None
    await leased.events.append(Append(stream, 1, (note,)), fence=alive.fence)


async def test_an_expired_lease_is_refused_even_when_nobody_took_it(leased: Database, wall: WallClock) -> None:
    fence = await leased.lanes.take(ACCOUNT, BTC, "w1", 5)
    assert fence is not None
    wall.advance(5)
    with pytest.raises(LaneLost):
        await leased.events.append(Append("position:main:BTCUSDT", 0, (ev.HandlerFailed(1, ""),)), fence=fence)
    await leased.lanes.renew(fence, 5)
    await leased.events.append(Append("position:main:BTCUSDT", 0, (ev.HandlerFailed(1, ""),)), fence=fence)


async def test_a_lane_has_one_holder(database: Database) -> None:
    fences = await asyncio.gather(*(database.lanes.take(ACCOUNT, BTC, f"w{i}", 60) for i in range(20)))
    (fence,) = [fence for fence in fences if fence is not None]
    await database.inbox.put(an_alert(1))
    assert await database.inbox.claim("w", 60) is None
    await database.lanes.give_back(fence)
    assert await database.inbox.claim("w", 60) is not None


@pytest.mark.parametrize("workers", [6])
async def test_claimers_of_two_processes_share_the_work(
    database: Database, database_url: str, clock: FakeClock, workers: int
) -> None:
    symbols = [BTC, ETH, SOL]
    total = 45
    await asyncio.gather(*(database.inbox.put(an_alert(i, symbols[i % 3])) for i in range(total)))
    busy: Counter[str] = Counter()
    most = 0
    order: dict[str, list[str]] = defaultdict(list)
    all_lanes_busy = asyncio.Event()

    async def work(owner: str, inbox_of: Database) -> None:
        nonlocal most
        while await inbox_of.inbox.backlog():
            claim = await inbox_of.inbox.claim(owner, 60)
            if claim is None:
                await asyncio.sleep(0.001)
                continue
            symbol = claim.alert.symbol
            busy[symbol] += 1
            assert busy[symbol] == 1, "two workers in one lane"
            most = max(most, sum(busy.values()))
            if most == len(symbols):
                all_lanes_busy.set()
            await asyncio.wait_for(all_lanes_busy.wait(), 30)  # lanes run in parallel
            order[symbol].append(claim.alert.alert_id)
            await finish(inbox_of, claim)
            busy[symbol] -= 1
            await inbox_of.inbox.release(claim)

    async with Database(database_url, clock, busy_timeout_s=30, put_timeout_s=30) as other:
        await asyncio.gather(*(work(f"w{i}", (database, other)[i % 2]) for i in range(workers)))
    assert most == len(symbols)
    for symbol in symbols:
        assert order[symbol] == [an_alert(i).alert_id for i in range(total) if symbols[i % 3] == symbol]


async def test_a_sender_is_not_kept_waiting_when_the_database_is_stuck(
    database_url: str, clock: FakeClock, engine: AsyncEngine
) -> None:
    async with Database(database_url, clock, busy_timeout_s=30, put_timeout_s=0.2) as database:
        async with engine.execution_options(writes=True).begin() as stuck:
            await stuck.execute(sa.text("UPDATE chain_head SET seq = seq"))
            with pytest.raises(StorageUnavailable):
                await database.inbox.put(an_alert(1))
        await database.inbox.close()
        assert (await database.inbox.put(an_alert(1))).duplicate  # it went in after all
