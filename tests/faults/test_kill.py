"""kill -9 while alerts are in flight, again and again, at moments drawn by lot from a seed."""

import asyncio
import os
import random

import pytest

from tests.faults.judge import all_is_well
from tests.faults.site import FINAL, SYMBOLS, Sent, Site, site_on, until

KILLS = 3
SOAK_SEEDS = range(1000, 1000 + int(os.environ.get("SOAK", "50")))


@pytest.mark.parametrize(
    "embedded", [False, pytest.param(True, marks=pytest.mark.long)], ids=["venue-apart", "venue-embedded"]
)
async def test_killed_with_twenty_alerts_in_flight(site, embedded):
    async with site(embedded=embedded, metered=embedded) as it:
        await _killed_and_judged(it, random.Random(f"{embedded}"))


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
@pytest.mark.parametrize("embedded", [False, True], ids=["venue-apart", "venue-embedded"])
async def test_killed_at_many_more_moments(database_url, tmp_path, embedded, seed):
    async with site_on(database_url, tmp_path, embedded=embedded, metered=embedded) as it:
        await _killed_and_judged(it, random.Random(seed))


async def _killed_and_judged(site: Site, luck: random.Random) -> None:
    alerts = [site.alert(luck.choice(SYMBOLS), luck.choice(("long", "long", "short", "exit"))) for _ in range(20)]
    app = await site.start()
    for _ in range(KILLS):
        sending = asyncio.create_task(site.send_in_turn(app, [alert for alert in alerts if not alert.alert_id]))
        await _some_of_it_is_done(site, luck)
        app.program.kill()
        await sending
        app = await site.start(ready=False)
    await app.ready()
    await site.send_in_turn(app, alerts)  # all of them again: what was taken is a duplicate, the rest is new
    _each_was_accepted_once(alerts)
    ends = await all_is_well(site, app)
    assert len(ends) == len(alerts)
    assert "filled" in ends.values()


async def _some_of_it_is_done(site: Site, luck: random.Random) -> None:
    """Wait until the log has grown by a number drawn by lot, or nothing is left to do; then a moment more."""
    goal = await site.books.events() + luck.randrange(1, 90)
    nothing_left = f"SELECT count(*) FROM alerts WHERE state NOT IN {FINAL}"

    async def far_enough() -> bool:
        return await site.books.events() >= goal or not (
            await site.books.alerts() < len(site.sent) or await site.books.one(nothing_left)
        )

    await until("the log grows", far_enough)
    await asyncio.sleep(luck.random() / 50)  # not to wait for anything: it spreads the kills between two events


def _each_was_accepted_once(alerts: list[Sent]) -> None:
    for alert in alerts:
        assert alert.alert_id, alert.answers
        assert alert.answers.count("accepted") <= 1, alert.answers
        assert set(alert.answers) <= {"accepted", "duplicate", "none", "503"}, alert.answers
        if "accepted" not in alert.answers:
            assert alert.answers[0] in ("none", "503"), "a duplicate of what was never sent"
