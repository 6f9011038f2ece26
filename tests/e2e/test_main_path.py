"""From an alert over HTTP to a protected position and back, judged by the venue's own ledger."""

import asyncio
from decimal import Decimal

import pytest

from app.adapters.db.replay import replay
from app.adapters.db.verify import verify_chain
from tests.e2e.world import running_bot
from tests.intake_messages import MALFORMED


@pytest.fixture
def bot(database_url, tmp_path):
    return lambda **options: running_bot(database_url, tmp_path, **options)


async def test_an_entry_is_filled_and_leaves_protected(bot):
    async with bot() as world:
        story = await world.story(world.alert())
        assert story["state"] == "filled", story
        assert [vote["opinion"] for vote in story["votes"][:3]] == ["LONG"] * 3
        assert story["verdict"]["approved"]
        (entry,) = await world.entries()
        quantity = Decimal(entry["executed_quantity"])
        # 1 % of 10,000 is lost between 50,000 and 49,000; the venue's step is 0.001
        assert quantity == pytest.approx(Decimal("0.1"), abs=Decimal("0.001"))
        resting = {one["type"]: one for one in await world.resting()}
        assert resting["STOP_MARKET"]["trigger_price"] == "49000"
        assert resting["STOP_MARKET"]["close_position"]
        targets = [one for one in await world.resting() if one["type"] == "TAKE_PROFIT_MARKET"]
        assert sum(Decimal(one["quantity"]) for one in targets) == quantity
        assert sorted(one["trigger_price"] for one in targets) == ["51500", "53000"]
        (held,) = (await world.get("/positions"))["positions"]
        assert (held["side"], Decimal(held["quantity"]), held["stop_price"]) == ("LONG", quantity, "49000")
        await world.until("the message", lambda: _told(world, "✅ LONG BTCUSDT"))


async def test_the_same_alert_fifty_times_at_once_is_one_entry(bot):
    async with bot() as world:
        body = world.alert()
        answers = await asyncio.gather(*(world.post(body) for _ in range(50)))
        said = [answer.json()["status"] for answer in answers]
        assert {answer.status_code for answer in answers} == {202}
        # A commit that took too long is answered 503 although it happens: then the repeats are all duplicates.
        assert said.count("accepted") == 1 or (world.resent and not said.count("accepted"))
        assert said.count("accepted") + said.count("duplicate") == 50
        assert len({answer.json()["alert_id"] for answer in answers}) == 1
        assert (await world.finished(answers[0].json()["alert_id"]))["state"] == "filled"
        assert len(await world.entries()) == 1


async def test_malformed_bodies_leave_nothing_behind(bot):
    async with bot() as world:
        assert len(MALFORMED) >= 60
        for body, *_ in MALFORMED.values():
            answer = await world.post(body)
            assert 400 <= answer.status_code < 500, (body[:80], answer.text)
        assert (await world.get("/alerts"))["alerts"] == []
        assert await world.database.inbox.backlog() == 0


async def test_an_exit_closes_the_position_and_clears_the_book(bot):
    async with bot() as world:
        await world.enters()
        world.models_say("SHORT")  # nobody asks them about leaving
        story = await world.story(world.exit())
        assert (story["state"], story["votes"]) == ("closed", [])
        assert (await world.ledger())["positions"] == []
        assert await world.resting() == []
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "signal"
        again = await world.story(world.exit())
        assert (again["state"], again["refusal"]["reason"]) == ("refused", "ALREADY_FLAT")


async def test_a_reversal_closes_first_and_opens_the_other_side(bot):
    async with bot() as world:
        await world.enters()
        await world.hours_pass(1)
        world.models_say("SHORT")
        story = await world.story(world.short())
        assert story["state"] == "filled", story["refusal"]
        (held,) = (await world.ledger())["positions"]
        assert held["side"] == "SHORT"
        orders = [one for one in (await world.ledger())["orders"] if one["type"] == "MARKET"]
        assert [(one["side"], one["reduce_only"]) for one in orders] == [
            ("BUY", False),
            ("SELL", True),
            ("SELL", False),
        ]
        assert {one["side"] for one in await world.resting()} == {"BUY"}


async def test_a_refused_reversal_still_leaves_the_old_position(bot):
    async with bot() as world:
        await world.enters()
        await world.hours_pass(1)
        story = await world.story(world.short())  # the models still say LONG
        assert story["state"] == "closed"
        assert "NO_QUORUM" in story["decision"]["why"][0]
        assert (await world.ledger())["positions"] == []


async def test_a_stop_hit_by_the_market_is_noticed_and_told(bot):
    async with bot(future=[50_000, 48_500]) as world:
        opened = await world.enters()
        await world.hours_pass(2)
        await world.position_is(None)
        (trade,) = (await world.get("/trades"))["trades"]
        assert (trade["why"], trade["alert_id"]) == ("stop", opened["alert_id"])
        assert Decimal(trade["realised_pnl"]) == pytest.approx(Decimal(-100), abs=Decimal(5))
        await world.until("targets gone", lambda: _nothing_rests(world))
        await world.until("the message", lambda: _told(world, "closed by stop"))


async def test_a_target_takes_half_and_the_stop_stays_for_the_rest(bot):
    async with bot(future=[50_000, 52_000]) as world:
        await world.enters()
        before = Decimal((await world.get("/positions"))["positions"][0]["quantity"])
        await world.hours_pass(2)
        await world.position_is(str(before / 2).rstrip("0"))
        assert {one["type"] for one in await world.resting()} == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}


async def test_a_reduction_closes_its_share(bot):
    async with bot() as world:
        await world.enters()
        before = Decimal((await world.get("/positions"))["positions"][0]["quantity"])
        part = world.exit(market_position="long", market_position_size="1", prev_market_position_size="4")
        story = await world.story(part)
        assert story["state"] == "closed", story
        after = Decimal((await world.ledger())["positions"][0]["quantity"])
        assert after == pytest.approx(before / 4, abs=Decimal("0.001"))
        targets = [one for one in await world.resting() if one["type"] == "TAKE_PROFIT_MARKET"]
        assert sum(Decimal(one["quantity"]) for one in targets) == after
        assert [one["type"] for one in await world.resting()].count("STOP_MARKET") == 1


async def test_an_alert_without_a_stop_gets_one_from_the_volatility(bot):
    async with bot() as world:
        story = await world.story(world.alert(stop_loss=None, take_profits=None))
        assert story["state"] == "filled", story
        (stop,) = [one for one in await world.resting() if one["type"] == "STOP_MARKET"]
        assert Decimal(stop["trigger_price"]) < 50_000


async def test_pause_refuses_entries_and_lets_exits_through(bot):
    async with bot() as world:
        await world.enters()
        await world.stage.bot.post("/trading/pause", json={"why": "lunch"})
        refused = await world.story(world.alert(symbol="ETHUSDT", stop_loss="2900", take_profits=None))
        assert refused["refusal"]["reason"] == "PAUSED"
        assert (await world.story(world.exit()))["state"] == "closed"
        await world.stage.bot.post("/trading/resume")
        assert (await world.story(world.alert()))["state"] == "filled"


async def test_the_kill_switch_closes_everything(bot):
    async with bot() as world:
        await world.enters()
        await world.stage.bot.post("/trading/kill", json={"why": "enough"})
        await world.position_is(None)
        assert (await world.ledger())["positions"] == []
        refused = await world.story(world.alert())
        assert refused["refusal"]["reason"] == "KILLED"


async def test_the_record_verifies_and_rebuilds_itself(bot):
    async with bot(future=[50_000, 52_000]) as world:
        await world.enters()
        await world.hours_pass(2)
        await world.story(world.exit())
        await world.story(world.alert(confirmed=False))
        await world.position_is(None)
        engine = world.database.engine
        report = await verify_chain(engine)
        assert report.ok, report.why
        assert (await replay(engine)).ok


async def _told(world, text):
    return text in world.told()


async def _nothing_rests(world):
    return await world.resting() == []
