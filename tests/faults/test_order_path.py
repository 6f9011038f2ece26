"""kill -9 at chosen points of the order path: one order each, a stop on every position, the truth in the records.

Two ways to choose the point. The venue keeps an answer back while the bot is killed: works on every database, and
leaves a request on the wire. PostgreSQL holds the write of one event: works at every step the bot takes.
"""

import asyncio

import pytest

from tests.faults.holding import COMMIT, Point, held_at
from tests.faults.judge import all_is_well, at_most_one_entry_each, entry_orders, until_quiet
from tests.faults.site import SYMBOLS, App, Sent, Site, until

ORDER, CONDITIONAL = "/fapi/v1/order", "/fapi/v1/algoOrder"
DELAY_S = 3  # longer than killing takes

ENTRY_POINTS = (
    Point("AlertAccepted"),  # the sender never heard, and nothing is stored
    Point("AlertAccepted", at=COMMIT),  # the sender never heard, and it is stored
    Point("DecisionMade"),
    Point("OrderIntended", at=COMMIT),  # the entry: intended, not marked as sent
    Point("OrderAccepted"),  # executed and answered, not recorded
    Point("OrderIntended", 1),  # filled, no stop yet
)
PROTECTION_POINTS = (
    Point("OrderSent", 1, COMMIT),  # the stop: marked as sent, never left
    Point("OrderAccepted", 1),  # it rests, and we do not know
    Point("OrderIntended", 2),  # stop in place, targets missing
    Point("AlertFinished"),
)
REVERSAL_POINTS = (
    Point("OrderIntended", at=COMMIT),  # the close: intended, not sent
    Point("OrderAccepted"),  # closed, not recorded
    Point("OrderIntended", 1),  # flat, entry not yet intended
    Point("OrderAccepted", 1),  # turned around, not recorded: the old stop is gone, the new one is not there
)


@pytest.mark.parametrize(
    "rule",
    [
        {"path": ORDER, "when": "after"},  # executed, and nobody heard
        {"path": ORDER, "when": "before"},  # on the wire: executed while the bot is dead, or after it is back
        {"path": CONDITIONAL, "when": "after"},
        {"path": CONDITIONAL, "when": "before"},
    ],
    ids=lambda rule: f"{rule['when']}-{rule['path'].rpartition('/')[2]}",
)
async def test_killed_while_the_venue_keeps_the_answer_back(site, rule):
    async with site(metered=False) as it:
        app = await it.start()
        await it.venue_rules(rule | {"method": "POST", "delay_s": DELAY_S})
        alert = it.alert("BTCUSDT", "long")
        await app.post(alert)
        await it.rule_struck()
        app.program.kill()
        app = await it.start()
        assert await all_is_well(it, app) == {alert.alert_id: "filled"}


@pytest.mark.postgres
async def test_killed_at_every_step_of_an_entry(postgres_site):
    async with postgres_site(metered=False) as it:
        app = await it.start()
        for symbol, point in zip(SYMBOLS, ENTRY_POINTS, strict=True):
            app = await _killed_at(it, app, point, it.alert(symbol, "long"))
        await all_is_well(it, app)
        assert len(entry_orders(await it.ledger())) == len(ENTRY_POINTS)


@pytest.mark.long
@pytest.mark.postgres
async def test_killed_at_every_step_of_protecting_and_of_turning_around(postgres_site):
    async with postgres_site(metered=False) as it:
        app = await it.start()
        for symbol, point in zip(SYMBOLS, PROTECTION_POINTS, strict=False):
            app = await _killed_at(it, app, point, it.alert(symbol, "long"))
        for symbol, point in zip(SYMBOLS, REVERSAL_POINTS, strict=False):
            app = await _killed_at(it, app, point, it.alert(symbol, "short"))
        await all_is_well(it, app)
        assert len(entry_orders(await it.ledger())) == len(PROTECTION_POINTS) + len(REVERSAL_POINTS)


@pytest.mark.long
@pytest.mark.postgres
async def test_an_entry_marked_as_sent_that_never_left_is_not_sent_later(postgres_site):
    async with postgres_site(metered=False) as it:
        app = await it.start()
        app = await _killed_at(it, app, Point("OrderSent", at=COMMIT), it.alert("BTCUSDT", "long"), end="expired")
        await all_is_well(it, app)
        assert entry_orders(await it.ledger()) == []


@pytest.mark.postgres
async def test_an_intent_that_is_found_too_late_is_not_sent(postgres_site):
    async with postgres_site(metered=False) as it:
        alert = it.alert("BTCUSDT", "long")
        app = await it.start()
        intended = Point("OrderIntended", at=COMMIT)
        app = await _killed_at(it, app, intended, alert, end="expired", RISK_ENTRY_MAX_AGE_S="0.1")
        await all_is_well(it, app)
        assert entry_orders(await it.ledger()) == []


async def test_killed_while_the_models_think(site):
    async with site(metered=False) as it:
        app = await it.start()
        it.gate["open"] = False
        alert = it.alert("BTCUSDT", "long")
        await app.post(alert)

        async def asked() -> bool:
            return all(model.requests for model in it.models.values())

        await until("the models are asked", asked)
        app.program.kill()
        it.gate["open"] = True
        app = await it.start()
        assert await all_is_well(it, app) == {alert.alert_id: "filled"}


async def _killed_at(site: Site, app: App, point: Point, alert: Sent, *, end: str = "filled", **env: str) -> App:
    """Send the alert, kill the bot at the point, start another one, and see that the alert ends as it should."""
    try:
        async with held_at(site.books, point) as hold:
            sending = asyncio.create_task(app.post(alert))
            await hold.reached()
            app.program.kill()
            await hold.let_go()
            await sending
        app = await site.start(**env)
        if alert.alert_id is None:
            await app.post(alert)
            stored = point == Point("AlertAccepted", at=COMMIT)
            assert alert.answers == ["none", "duplicate" if stored else "accepted"]
        assert (await app.finished(alert))["state"] == end
        await until_quiet(site, app)
        ends = {one.alert_id: (await app.finished(one))["state"] for one in site.taken}
        at_most_one_entry_each(site, await site.ledger(), ends)
    except AssertionError as error:
        error.add_note(f"killed at {point}")
        raise
    return app
