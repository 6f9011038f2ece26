"""The connection breaks, also inside COMMIT: nothing is stored twice, nothing that was confirmed is missing."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.db.database import Database
from app.adapters.db.verify import verify_chain
from app.domain import events as ev
from app.domain.errors import StorageRefused, StorageUnavailable, VersionConflict
from app.ports import Append, Message
from tests.fakes import FakeClock
from tests.integration.db.cases import ACCOUNT, an_alert, until
from tests.integration.db.proxy import Cut, Proxy

pytestmark = pytest.mark.postgres
APPEND = Append("account:main", 0, (ev.TradingPaused(ACCOUNT, "x", ""), ev.TradingPaused(ACCOUNT, "y", "")))


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(postgres_url)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def behind(proxy: Proxy, clock: FakeClock) -> AsyncIterator[Database]:
    """The durable core, connected through the wire that can be cut."""
    async with Database(proxy.url, clock, busy_timeout_s=30, put_timeout_s=30) as database:
        yield database


async def test_an_append_whose_commit_arrived_is_found_and_not_repeated(behind: Database, proxy: Proxy) -> None:
    proxy.cut = Cut.AFTER_COMMIT
    await behind.events.append(APPEND, messages=[Message("k", "said once")])
    assert len(await behind.events.read(APPEND.stream)) == 2
    assert await behind.outbox.due(10) == [("k", "said once")]
    assert (await verify_chain(behind.engine)).count == 2


async def test_an_append_whose_commit_was_lost_is_refused_and_may_be_repeated(behind: Database, proxy: Proxy) -> None:
    proxy.cut = Cut.BEFORE_COMMIT
    with pytest.raises(StorageUnavailable):
        await behind.events.append(APPEND)
    assert await behind.events.read(APPEND.stream) == []
    await behind.events.append(APPEND)
    assert (await verify_chain(behind.engine)).count == 2


async def test_a_put_whose_commit_arrived_is_accepted(behind: Database, proxy: Proxy) -> None:
    proxy.cut = Cut.AFTER_COMMIT
    result = await behind.inbox.put(an_alert(1))
    assert (result.alert_id, result.duplicate) == (an_alert(1).alert_id, False)
    assert await behind.inbox.backlog() == 1


async def test_a_put_whose_commit_was_lost_is_refused_and_may_be_repeated(behind: Database, proxy: Proxy) -> None:
    proxy.cut = Cut.BEFORE_COMMIT
    with pytest.raises(StorageUnavailable):
        await behind.inbox.put(an_alert(1))
    assert await behind.inbox.backlog() == 0
    assert not (await behind.inbox.put(an_alert(1))).duplicate


async def test_when_nobody_can_look_the_answer_is_no_and_repeating_is_harmless(behind: Database, proxy: Proxy) -> None:
    proxy.cut, proxy.stay_down = Cut.AFTER_COMMIT, True
    with pytest.raises(StorageUnavailable):
        await behind.inbox.put(an_alert(1))
    await proxy.start()
    again = await behind.inbox.put(an_alert(2, dedupe_key=an_alert(1).dedupe_key))
    assert (again.alert_id, again.duplicate) == (an_alert(1).alert_id, True)
    proxy.cut = Cut.AFTER_COMMIT
    with pytest.raises(StorageUnavailable):
        await behind.events.append(APPEND)
    await proxy.start()
    with pytest.raises(VersionConflict):
        await behind.events.append(APPEND)


async def test_an_outage_is_storage_unavailable_everywhere_and_ends_by_itself(behind: Database, proxy: Proxy) -> None:
    await behind.inbox.put(an_alert(1))
    await proxy.stop()
    calls = (
        lambda: behind.inbox.put(an_alert(2)),
        lambda: behind.inbox.claim("w", 5),
        lambda: behind.events.append(APPEND),
        lambda: behind.events.read("s"),
        lambda: behind.records.account_facts(ACCOUNT),
        lambda: behind.outbox.due(1),
        behind.queries.ping,
    )
    for call in calls:
        with pytest.raises(StorageUnavailable):
            await call()
    await proxy.start()
    assert not (await behind.inbox.put(an_alert(2))).duplicate
    assert await behind.inbox.backlog() == 2


async def test_a_restarted_server_is_noticed_without_losing_more_than_one_call(
    behind: Database, postgres_url: str
) -> None:
    await behind.inbox.put(an_alert(1))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )

    async def works() -> bool:
        try:
            return (await behind.inbox.put(an_alert(2))).alert_id == an_alert(2).alert_id
        except StorageUnavailable:
            return False

    await until(works)


async def test_a_server_that_answers_and_knows_no_such_user_or_database_is_no_outage(
    postgres_url: str, clock: FakeClock, proxy: Proxy
) -> None:
    address = sa.make_url(postgres_url)
    for changed in (address.set(database="no_such_database"), address.set(username="no_such_user")):
        database = Database(changed.render_as_string(hide_password=False), clock)
        with pytest.raises(StorageRefused):
            await database.open()
        await database.close()
    await proxy.stop()
    database = Database(proxy.url, clock)
    with pytest.raises(StorageUnavailable) as silent:
        await database.open()
    assert not isinstance(silent.value, StorageRefused)
    await database.close()
