"""Requests whose answer is lost, late or a lie. The venue's ledger says whether anything was done twice or not."""

from decimal import Decimal

import pytest

from app.pipeline.bot import Timing

ORDER = {"method": "POST", "path": "/fapi/v1/order"}
ALGO = {"method": "POST", "path": "/fapi/v1/algoOrder"}
UNKNOWN = {
    "status": 503,
    "body": {"code": -1000, "msg": "Unknown error, please check your request or try again later."},
}


async def _is_one_protected_long(world, *, stop="49000"):
    (entry,) = await world.entries()
    quantity = Decimal(entry["executed_quantity"])
    assert await world.held() == ("LONG", quantity)
    assert await world.stops() == [stop]
    targets = [one for one in await world.resting() if one["type"] == "TAKE_PROFIT_MARKET"]
    assert sum(Decimal(one["quantity"]) for one in targets) == quantity
    (ours,) = (await world.get("/positions"))["positions"]
    assert (Decimal(ours["quantity"]), ours["strategy"], ours["stop_price"]) == (quantity, "trend", stop)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({**ORDER, **UNKNOWN, "when": "after"}, id="503 after it was executed"),
        pytest.param({**ORDER, "drop": True, "when": "after"}, id="connection cut after it was executed"),
        pytest.param({**ORDER, "status": 200, "body": "", "when": "after"}, id="empty answer"),
        pytest.param({**ORDER, "status": 502, "body": "<html>", "when": "after"}, id="a page for a browser"),
        pytest.param({**ORDER, **UNKNOWN, "when": "after", "hide_s": 2}, id="and not found for two seconds"),
        pytest.param({**ORDER, "hide_s": 3}, id="accepted, and not found for three seconds"),
    ],
)
async def test_an_entry_that_was_executed_is_found_and_is_the_only_one(bot, trouble):
    async with bot() as world, world.time_flows():
        await world.faults(trouble)
        story = await world.story(world.alert())
        assert story["state"] == "filled", story
        await _is_one_protected_long(world)


async def test_an_executed_entry_is_protected_before_its_order_is_found(bot):
    async with bot() as world:  # the clock stands still: the order stays hidden
        await world.faults({**ORDER, **UNKNOWN, "when": "after", "hide_s": 5})
        await world.post(world.alert())
        await world.until("the stop", lambda: _has_stop(world))
        async with world.time_flows(20):
            await world.until("it is over", lambda: _all_final(world))
        await _is_one_protected_long(world)


@pytest.mark.parametrize(
    "trouble", [pytest.param(UNKNOWN, id="503"), pytest.param({"drop": True}, id="connection cut before it was read")]
)
async def test_an_entry_that_was_not_executed_is_proven_absent_and_not_sent_again(bot, trouble):
    async with bot() as world:
        await world.faults({**ORDER, **trouble})
        async with world.time_flows(20):
            story = await world.story(world.alert())
        assert (story["state"], story["refusal"]["reason"]) == ("expired", "NOT_EXECUTED")
        ledger = await world.ledger()
        assert (ledger["orders"], ledger["positions"]) == ([], [])
        assert [order["state"] for order in story["orders"]] == ["EXPIRED"]
        await world.is_told("nothing was traded")
        # And the next signal is free to trade.
        assert (await world.story(world.alert()))["state"] == "filled"
        await _is_one_protected_long(world)


async def test_a_venue_that_falls_silent_after_the_entry_does_not_make_it_untraded(bot):
    async with bot(timing=Timing(fill_wait_s=0.3)) as world:
        unanswered = {"method": "GET", "path": "/fapi/v1/order", "drop": True, "count": None}
        await world.faults(unanswered)
        alert_id = (await world.post(world.alert())).json()["alert_id"]
        await world.until("it is tried again", lambda: _is_tried(world, alert_id, 2))
        assert (await world.get(f"/alerts/{alert_id}"))["state"] == "working"
        assert "nothing was traded" not in world.told()
        await world.faults()
        assert (await world.finished(alert_id))["state"] == "filled"
        await _is_one_protected_long(world)


async def test_a_position_listed_later_than_its_order_still_gets_its_own_stop(bot):
    async with bot() as world:
        await world.faults({"method": "GET", "path": "/fapi/v3/positionRisk", "status": 200, "body": [], "count": 4})
        story = await world.story(world.alert())
        assert await world.struck() == [4]
        assert story["state"] == "filled", story
        await _is_one_protected_long(world)


async def test_a_lost_stop_is_found_or_placed_again(bot):
    async with bot() as world, world.time_flows():
        for trouble in ({"when": "after"}, {"when": "before"}, {"when": "after", "hide_s": 1.5}):
            await world.faults({**ALGO, **UNKNOWN, "params": {"type": "STOP_MARKET"}, **trouble})
            story = await world.story(world.alert())
            assert story["state"] == "filled", (trouble, story)
            assert await world.stops() == ["49000"], trouble
            assert (await world.story(world.exit()))["state"] == "closed"
            assert await world.resting() == []


async def test_a_stop_that_is_listed_late_is_not_taken_for_missing(bot):
    async with bot() as world, world.time_flows():
        await world.faults({**ALGO, "params": {"type": "STOP_MARKET"}, "hide_s": 2})
        story = await world.story(world.alert())
        assert story["state"] == "filled", story
        await world.hours_pass(3 / 3600)
        await _is_one_protected_long(world)
        assert "STOP_IMPOSSIBLE" not in world.told()


async def test_a_lost_target_is_placed_once(bot):
    async with bot() as world:
        for trouble in ({"when": "after"}, {"when": "before"}):
            await world.faults({**ALGO, **UNKNOWN, "params": {"type": "TAKE_PROFIT_MARKET"}, **trouble})
            async with world.time_flows(20):
                story = await world.story(world.alert())
            assert story["state"] == "filled", (trouble, story)
            targets = [one["trigger_price"] for one in await world.resting() if not one["close_position"]]
            assert sorted(targets) == ["51500", "53000"], trouble
            await world.story(world.exit())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_exit_whose_answer_is_lost_leaves_the_market_once(bot, when):
    async with bot() as world:
        await world.enters()
        await world.faults({**ORDER, **UNKNOWN, "when": when, "hide_s": 2})
        async with world.time_flows():
            story = await world.story(world.exit())
        assert story["state"] == "closed", story
        assert await world.held() is None
        assert await world.resting() == []
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "signal"
        assert Decimal(trade["exit_price"]) < Decimal(trade["entry_price"])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reduction_whose_answer_is_lost_is_made_once(bot, when):
    async with bot() as world:
        await world.enters()
        _, before = await world.held()
        await world.faults({**ORDER, **UNKNOWN, "when": when})
        async with world.time_flows(20):
            part = world.exit(market_position="long", market_position_size="1", prev_market_position_size="2")
            story = await world.story(part)
        assert story["state"] == "closed", story
        assert await world.held() == ("LONG", before / 2)
        assert await world.stops() == ["49000"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reversal_whose_close_is_unknown_ends_on_the_other_side(bot, when):
    async with bot() as world:
        await world.enters()
        await world.hours_pass(1)
        world.models_say("SHORT")
        await world.faults({**ORDER, **UNKNOWN, "when": when, "params": {"reduceOnly": "true"}, "hide_s": 2})
        async with world.time_flows():
            story = await world.story(world.short())
        assert story["state"] == "filled", story
        assert (await world.held())[0] == "SHORT"
        assert await world.stops() == ["51000"]
        (ours,) = (await world.get("/positions"))["positions"]
        assert (ours["side"], ours["alert_id"]) == ("SHORT", story["alert_id"])
        targets = [one for one in await world.resting() if not one["close_position"]]
        assert [one["trigger_price"] for one in targets] == ["48000"]
        (trade,) = (await world.get("/trades"))["trades"]
        assert (trade["side"], trade["why"]) == ("LONG", "signal")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": -2019, "msg": "Margin is insufficient."}),
        (400, {"code": -2010, "msg": "NEW_ORDER_REJECTED"}),
        (503, {"code": -1008, "msg": "Server is currently overloaded with other requests."}),
        (429, {"code": -1003, "msg": "Too many requests."}),
    ],
    ids=lambda value: value.get("code") if isinstance(value, dict) else None,
)
async def test_a_refused_entry_is_told_with_the_venues_reason(bot, status, body):
    async with bot() as world:
        await world.faults({**ORDER, "status": status, "body": body, "headers": {"Retry-After": "1"}})
        story = await world.story(world.alert())
        assert (story["state"], story["refusal"]["reason"]) == ("failed", "VENUE_REJECTED")
        assert body["msg"] in story["refusal"]["detail"]
        assert (await world.ledger())["orders"] == []
        await world.is_told(body["msg"][:20])


async def _has_stop(world):
    return await world.stops() == ["49000"]


async def _all_final(world):
    return await world.database.inbox.backlog() == 0


async def _is_tried(world, alert_id, times):
    return await world.tries(alert_id) >= times
