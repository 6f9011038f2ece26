"""Limits on money at risk, from the alert to the ledger: they hold across restarts, symbols and races."""

import asyncio
from decimal import Decimal

import pytest

LOSING = [50_000, 48_500]  # the stop at 49,000 costs 1 % of equity


def _ether(world, **changes):
    fields = {"symbol": "ETHUSDT", "price": "3000", "stop_loss": "2900"}
    return world.alert(**(fields | {"take_profits": [{"price": "3300", "ratio": "1"}]} | changes))


async def _lose(world):
    await world.enters()
    await world.hours_pass(2)
    await world.position_is(None)


async def test_a_daily_loss_ends_the_day_even_across_a_restart(bot, tmp_path):
    same = {"env": {"RISK_DAILY_LOSS_RATE": "0.005"}, "venue_journal": tmp_path / "venue.db", "future": LOSING}
    async with bot(**same) as world:
        await _lose(world)
        await world.is_told("🛑 daily loss limit")
        refused = await world.story(_ether(world))
        assert (refused["state"], refused["refusal"]["reason"]) == ("refused", "DAILY_LOSS_LIMIT")
        await world.stage.bot.post("/trading/resume")  # not for people to open
        assert (await world.story(_ether(world)))["refusal"]["reason"] == "DAILY_LOSS_LIMIT"
    async with bot(**same) as world:
        assert (await world.story(_ether(world)))["refusal"]["reason"] == "DAILY_LOSS_LIMIT"
        await world.hours_pass(12)  # past midnight, UTC
        await world.stage.bot.post("/trading/resume")  # rings: look at everything now
        story = await world.story(_ether(world))
        assert story["state"] == "filled", story
        assert len(await world.entries()) == 2


async def test_a_drawdown_stops_the_bot_until_a_person_resumes(bot, tmp_path):
    same = {"env": {"RISK_MAX_DRAWDOWN_RATE": "0.005"}, "venue_journal": tmp_path / "venue.db", "future": LOSING}
    async with bot(**same) as world:
        await _lose(world)
        await world.is_told("🛑 drawdown limit")
        refused = await world.story(_ether(world))
        assert refused["refusal"]["reason"] == "DRAWDOWN_LATCHED", refused
    async with bot(**same) as world:
        await world.hours_pass(1)
        refused = await world.story(_ether(world))
        assert refused["refusal"]["reason"] == "DRAWDOWN_LATCHED", refused
        assert (await world.stage.bot.post("/trading/resume")).status_code == 200
        story = await world.story(_ether(world))
        assert story["state"] == "filled", story


async def test_a_limit_lets_exits_through(bot):
    async with bot(env={"RISK_MAX_DRAWDOWN_RATE": "0.005", "WORKER_RECONCILE_S": "0.5"}, future=[49_400]) as world:
        await world.enters(stop_loss="49000")
        await world.hours_pass(1)
        await world.is_told("🛑 drawdown limit")
        assert (await world.story(world.exit()))["state"] == "closed"
        assert await world.held() is None


async def test_a_cooldown_separates_entries_on_one_symbol(bot):
    async with bot(env={"RISK_COOLDOWN_S": "60"}) as world:
        await world.enters()
        await world.story(world.exit())
        assert (await world.story(world.alert()))["refusal"]["reason"] == "COOLDOWN"
        assert (await world.story(_ether(world)))["state"] == "filled"
        await world.hours_pass(61 / 3600)
        assert (await world.story(world.alert()))["state"] == "filled"


async def test_only_so_many_entries_a_minute(bot):
    async with bot(env={"RISK_ORDERS_PER_MINUTE": "1"}) as world:
        await world.enters()
        assert (await world.story(_ether(world)))["refusal"]["reason"] == "RATE_LIMIT"
        assert (await world.story(world.exit()))["state"] == "closed"
        await world.hours_pass(61 / 3600)
        assert (await world.story(_ether(world)))["state"] == "filled"


async def test_a_strategy_that_loses_too_often_is_stopped(bot):
    env = {"RISK_WIN_RATE_MIN_TRADES": "1"}
    async with bot(env=env, future=LOSING) as world:
        await _lose(world)
        refused = await world.story(_ether(world))
        assert refused["refusal"]["reason"] == "WIN_RATE", refused


@pytest.mark.parametrize("most", [1, 2])
async def test_two_symbols_at_once_share_the_number_of_positions(any_bot, most):
    async with any_bot(env={"RISK_MAX_POSITIONS": str(most)}) as world:
        stories = await asyncio.gather(world.story(world.alert()), world.story(_ether(world)))
        states = sorted(story["state"] for story in stories)
        assert states == (["filled", "refused"] if most == 1 else ["filled", "filled"])
        assert {story["refusal"]["reason"] for story in stories if story["refusal"]} <= {"MAX_POSITIONS"}
        assert len(await world.entries()) == most


async def test_two_symbols_at_once_share_the_exposure(any_bot):
    # Each would take 5,000 and 3,000 of notional; together they may hold 6,000.
    async with any_bot(env={"RISK_MAX_EXPOSURE_RATE": "0.6"}) as world:
        stories = await asyncio.gather(world.story(world.alert()), world.story(_ether(world)))
        assert [story["state"] for story in stories] == ["filled", "filled"], [story["summary"] for story in stories]
        positions = (await world.ledger())["positions"]
        worth = sum(Decimal(one["quantity"]) * Decimal(one["mark_price"]) for one in positions)
        assert len(positions) == 2
        assert 5_000 < worth <= 6_000


async def test_an_entry_that_is_still_being_protected_takes_its_room_once(bot):
    async with bot(env={"RISK_MAX_EXPOSURE_RATE": "0.6"}) as world:
        await world.faults({"method": "POST", "path": "/fapi/v1/algoOrder", "when": "before", "delay_s": 3})
        first = (await world.post(world.alert())).json()["alert_id"]  # 5,000 of 6,000
        await world.until("its stop is on the way", lambda: _any_struck(world))
        second = await world.story(_ether(world))
        assert second["state"] == "filled", second["summary"]
        assert (await world.finished(first))["state"] == "filled"


async def _any_struck(world):
    return any(await world.struck())


async def test_the_money_at_risk_is_what_the_policy_says(bot):
    async with bot(env={"RISK_PER_TRADE": "0.002"}) as world:
        story = await world.story(world.alert())
        risk = Decimal(story["decision"]["entry"]["risk"])
        assert risk <= 20
        _, quantity = await world.held()
        assert quantity * 1000 <= 20
