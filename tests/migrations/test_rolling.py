"""A deploy as it happens: the old release trades, the schema changes under it, the new one joins, the old one leaves.

Judged from the exchange's own ledger: every alert that was accepted is worked on once, by whichever release.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import postgres_site  # noqa: F401 - a fixture
from tests.faults.judge import all_is_well, entry_orders
from tests.faults.processes import free_port
from tests.faults.site import SYMBOLS, TOKEN, App, Sent, Site, until
from tests.migrations.rules import breaches
from tests.migrations.trees import NEXT, TreeProgram, next_release, previous_release

KINDS = ("long", "short", "long")


def test_the_next_release_keeps_the_rules() -> None:
    assert not breaches(NEXT)


@pytest.mark.long
@pytest.mark.postgres
async def test_the_schema_changes_while_the_old_release_trades(
    postgres_site: Callable[..., contextlib.AbstractAsyncContextManager[Site]],  # noqa: F811
    tmp_path: Path,
) -> None:
    old_tree, new_tree = await asyncio.gather(
        asyncio.to_thread(previous_release, tmp_path), asyncio.to_thread(next_release, tmp_path)
    )
    async with postgres_site(metered=False) as it, contextlib.AsyncExitStack() as stack:
        old, new = [await _loaded(it, stack, tree) for tree in (old_tree, new_tree)]
        migrate = TreeProgram(new_tree, "migrate", env=it.env, folder=tmp_path)
        stack.callback(migrate.kill)

        await _begun(old)
        alerts = [it.alert(symbol, kind) for kind in KINDS for symbol in SYMBOLS]
        first, second = alerts[:9], alerts[9:]
        sending = asyncio.create_task(it.send_in_turn(old, first))
        await until("the old release is at work", lambda: _events(it, 20))
        migrate.begin()
        assert await migrate.ended(60) == 0, migrate.said()
        assert await it.books.one("SELECT version_num FROM alembic_version") == "9999"
        await sending

        await _begun(new)
        sending = asyncio.create_task(it.send_in_turn(old, second))
        await until("alerts reach the old release", lambda: _stored(it, 11))
        old.program.terminate()
        await sending
        await it.send_in_turn(new, second)  # again: what the old one took is a duplicate, the rest is new
        assert await old.program.ended(30) == 0, old.program.said()

        for alert in alerts:
            assert alert.alert_id, alert.answers
            assert alert.answers.count("accepted") <= 1, alert.answers
        ends = await all_is_well(it, new)  # the code in between, too: it reads a schema that is newer than itself
        assert len(ends) == len(alerts)
        assert len(entry_orders(await it.ledger())) >= len(SYMBOLS)
        assert await it.books.one("SELECT count(*) FROM alerts WHERE origin IS NULL") == len(alerts)
        await _could_go_back(it, stack, old_tree, alerts)


async def _could_go_back(it: Site, stack: contextlib.AsyncExitStack, old_tree: Path, alerts: list[Sent]) -> None:
    """The old release reads all that the new one has written, starts on the newer schema, and knows what was taken."""
    replay = TreeProgram(old_tree, "replay", env=it.env, folder=it.folder)
    stack.callback(replay.kill)
    replay.begin()
    assert await replay.ended(60) == 0, replay.said()
    back = await _loaded(it, stack, old_tree)
    await _begun(back)
    await it.send_in_turn(back, alerts)
    assert {alert.answers[-1] for alert in alerts} == {"duplicate"}


async def _loaded(it: Site, stack: contextlib.AsyncExitStack, tree: Path) -> App:
    port = str(free_port())
    program = TreeProgram(tree, "serve", "--no-migrate", env=it.env | {"PORT": port}, folder=it.folder)
    stack.callback(program.kill)
    url = f"http://127.0.0.1:{port}/api/v1"
    client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10, trust_env=False)
    return App(program, await stack.enter_async_context(client))


async def _begun(app: App) -> None:
    assert isinstance(app.program, TreeProgram)
    app.program.begin()
    await app.ready()


async def _events(it: Site, count: int) -> bool:
    return await it.books.events() >= count


async def _stored(it: Site, count: int) -> bool:
    return await it.books.alerts() >= count
