"""A deploy of two roles: the worker, then the API, are told to stop in the middle of a stream of alerts, and come back.

Judged from the exchange's own ledger and from the records: whatever was answered 202 ends once, whoever was down.
"""

import asyncio
import signal
import time

import pytest

from tests.faults.judge import all_is_well
from tests.faults.site import SYMBOLS, App, Site, until

pytestmark = pytest.mark.postgres
GRACE_S = 25.0  # what a deploy allows
KINDS = ("long", "short", "long", "exit")


@pytest.mark.long
async def test_a_rolling_deploy_under_load_loses_nothing(postgres_site):
    async with postgres_site(metered=False) as it:
        api, worker = await _pair(it)
        alerts = [it.alert(symbol, kind) for kind in KINDS for symbol in SYMBOLS]
        sending = asyncio.create_task(it.send_in_turn(api, alerts))
        await until("work is under way", lambda: it.books.one(_FINISHED))
        stopped_s = await _told_to_stop(worker)
        assert not await it.books.one("SELECT count(*) FROM lanes WHERE owner <> ''"), "an alert was dropped half-way"
        worker, answered_s = await asyncio.gather(_back(it, worker, "worker"), _told_to_stop(api))
        await sending
        api = await _back(it, api, "api")
        await it.send_in_turn(api, [alert for alert in alerts if not alert.alert_id])
        assert all(set(alert.answers) <= {"accepted", "duplicate", "none", "503"} for alert in alerts)
        ends = await all_is_well(it, api)
        assert len(ends) == len(alerts)
        assert "filled" in ends.values()
        assert (await api.client.post("/trading/kill")).is_success
        await until("a switch pressed at the API is felt by the worker", lambda: _flat(it))
    said = f"SIGTERM under load: worker out in {stopped_s:.2f} s, API in {answered_s:.2f} s, both with exit code 0"
    print(said)  # noqa: T201 - with -s, the figure for people


@pytest.mark.long
async def test_a_second_signal_ends_at_once_and_loses_nothing_either(postgres_site):
    """`docker stop` with an impatient hand, and with a grace period that runs out."""
    async with postgres_site(metered=False) as it:
        api, worker = await _pair(it)
        for second, symbols in ((signal.SIGTERM, SYMBOLS[:3]), (signal.SIGKILL, SYMBOLS[3:])):
            it.gate["open"] = False  # what is being worked on cannot end
            await it.send_in_turn(api, [it.alert(symbol, "long") for symbol in symbols[:2]])
            await until("the models are asked", lambda: it.books.one(_CLAIMED))
            said = worker.program.said().count("stopping")
            worker.program.terminate()
            await until("it begins to stop", lambda said=said, worker=worker: _says_so(worker, said))
            late = it.alert(symbols[2], "long")
            await api.post(late)
            worker.program.send(second)
            assert await worker.program.ended(GRACE_S) == -second
            taken = await it.books.one(f"SELECT count(*) FROM events WHERE stream = 'alert:{late.alert_id}'")
            assert taken == 1, "a worker that was told to stop has taken work"
            it.gate["open"] = True
            worker = await _back(it, worker, "worker")
        ends = await all_is_well(it, api)
        assert set(ends.values()) == {"filled"}
        assert len(ends) == 6


async def test_a_task_that_starts_before_the_schema_is_there_waits_for_it(postgres_site):
    """As on the first deploy, and while the database is away: the process lives, says 503, and begins by itself."""
    async with postgres_site(metered=False) as it:
        await it.books.do("ALTER TABLE alembic_version RENAME TO alembic_version_aside")
        api = await it.start(role="api", ready=False, migrate=False)
        alert = it.alert(SYMBOLS[0], "long")

        async def turned_away() -> bool:
            await api.post(alert)
            return alert.answers[-1] == "503"

        await until("alerts are sent back", turned_away)
        assert api.program.running
        await it.books.do("ALTER TABLE alembic_version_aside RENAME TO alembic_version")
        await api.ready()
        await api.post(alert)
        assert alert.answers[-1] == "accepted"


_FINISHED = "SELECT count(*) FROM events WHERE type = 'AlertFinished'"
_CLAIMED = "SELECT count(*) FROM lanes WHERE owner <> '' AND owner NOT LIKE '%/guardian'"


async def _pair(it: Site) -> tuple[App, App]:
    api, worker = await asyncio.gather(it.start(role="api"), it.start(role="worker", second=True))
    assert await worker.get("/alerts") is None, "a worker answers nothing but its own health"
    return api, worker


async def _told_to_stop(app: App) -> float:
    """SIGTERM; seconds until it is gone, with exit code 0."""
    began = time.monotonic()
    app.program.terminate()
    assert await app.program.ended(GRACE_S) == 0, app.program.said()[-3000:]
    return time.monotonic() - began


async def _back(it: Site, old: App, role: str) -> App:
    """A new process where the old one was."""
    return await it.start(role=role, PORT=str(old.client.base_url.port))


async def _flat(it: Site) -> bool:
    return not (await it.ledger())["positions"]


async def _says_so(worker: App, before: int) -> bool:
    return worker.program.said().count("stopping") > before
