"""SIGTERM under load, as every deploy sends it: out in time, nothing lost, nothing doubled."""

import asyncio

from tests.faults.judge import all_is_well
from tests.faults.site import SYMBOLS, until

GRACE_S = 25.0  # what a deploy waits before it kills


async def test_sigterm_under_load_ends_cleanly_and_a_restart_does_the_rest(site):
    async with site(metered=False) as it:
        app = await it.start()
        kinds = ("long", "short", "long", "exit")
        alerts = [it.alert(symbol, kind) for kind in kinds for symbol in SYMBOLS]
        sending = asyncio.create_task(it.send_in_turn(app, alerts))
        await until("work is under way", lambda: _some_finished(it))
        app.program.terminate()
        assert await app.program.ended(GRACE_S) == 0, app.program.said()[-3000:]
        await sending
        held = await it.books.one("SELECT count(*) FROM lanes WHERE owner <> ''")
        assert held == 0, "an alert was dropped half-way: its symbol is still held"

        app = await it.start()
        await it.send_in_turn(app, [alert for alert in alerts if not alert.alert_id])
        assert all(set(alert.answers) <= {"accepted", "duplicate", "none", "503"} for alert in alerts)
        ends = await all_is_well(it, app)
        assert len(ends) == len(alerts)


async def _some_finished(it):
    return await it.books.one("SELECT count(*) FROM events WHERE type = 'AlertFinished'")
