"""No position without a stop, whatever the venue does to the stop, to the entry, or to the position."""

from decimal import Decimal

import pytest

from app.adapters.db.event_log import SqlEventLog
from app.domain.errors import StorageUnavailable
from app.pipeline.bot import Timing
from tests.intake_messages import SECRET

ALGO = {"method": "POST", "path": "/fapi/v1/algoOrder"}
STOP = {"params": {"type": "STOP_MARKET"}}
REGISTRY = """\
version: 1
strategies:
  trend:
    secret: {secret}
    max_entries: 2
    symbols: [BTCUSDT, ETHUSDT]
"""
SOON = Timing(stop_pause_s=0.05)
ALWAYS = {"count": None}


def _refuses(code, text, **more):
    return {**ALGO, **STOP, "status": 400, "body": {"code": code, "msg": text}, **more}


async def test_a_partly_filled_entry_is_protected_for_what_is_held(bot):
    async with bot() as world:
        await world.faults({"fill_ratio": "0.3", "params": {"type": "MARKET"}})
        story = await world.story(world.alert())
        assert story["state"] == "filled", story
        (entry,) = await world.entries()
        quantity = Decimal(entry["executed_quantity"])
        assert quantity < Decimal(entry["quantity"])
        assert await world.held() == ("LONG", quantity)
        assert await world.stops() == ["49000"]
        targets = [one for one in await world.resting() if one["type"] == "TAKE_PROFIT_MARKET"]
        assert sum(Decimal(one["quantity"]) for one in targets) == quantity
        await world.is_told(f"✅ LONG BTCUSDT {quantity} (of {Decimal(entry['quantity'])} asked)")


@pytest.mark.parametrize("times", [1, 2])
async def test_a_stop_refused_for_a_moment_is_placed_all_the_same(bot, times):
    async with bot(timing=SOON) as world:
        await world.faults(_refuses(-1008, "Server is currently overloaded.", count=times))
        assert (await world.story(world.alert()))["state"] == "filled"
        assert await world.stops() == ["49000"]
        assert "🚨" not in world.told()


@pytest.mark.parametrize(
    ("code", "text"), [(-1008, "Server is currently overloaded."), (-2021, "Order would immediately trigger.")]
)
async def test_a_position_that_no_stop_can_be_placed_for_is_closed_and_people_are_alarmed(bot, code, text):
    async with bot(timing=SOON) as world:
        await world.faults(_refuses(code, text, **ALWAYS))
        story = await world.story(world.alert())
        assert (story["state"], story["refusal"]["reason"]) == ("failed", "STOP_IMPOSSIBLE")
        assert await world.held() is None
        assert await world.resting() == []
        (tried,) = await world.struck()
        assert tried <= 3
        await world.is_told("🚨 NO STOP on BTCUSDT")
        await world.is_told("❌ LONG BTCUSDT failed: STOP_IMPOSSIBLE")
        (trade,) = (await world.get("/trades"))["trades"]
        assert (trade["why"], trade["strategy"]) == ("flattened", "trend")


async def test_a_market_already_past_the_stop_is_left_at_once(bot):
    async with bot(future=[50_000, 48_000]) as world:
        # The order is executed, but its answer comes after the market has moved: the stop is behind the price.
        await world.faults(
            {"method": "POST", "path": "/fapi/v1/order", "drop": True, "when": "after", "hide_s": 5},
            {"path": "/fapi/v1/algoOrder", "status": 503, "body": {"code": -1008, "msg": "busy"}, **ALWAYS},
        )
        alert_id = (await world.post(world.alert())).json()["alert_id"]
        await world.until("the entry", lambda: _holds(world))
        await world.hours_pass(2)
        story = await world.finished(alert_id)
        assert (story["state"], story["refusal"]["reason"]) == ("failed", "STOP_IMPOSSIBLE")
        assert await world.held() is None
        await world.is_told("past the stop at 49000")


async def test_a_stop_rejected_at_its_trigger_is_followed_by_a_market_close(bot):
    async with bot(future=[50_000, 48_500]) as world:
        await world.enters()
        await world.faults({"reject_trigger": "Margin is insufficient", "params": {"type": "STOP_MARKET"}})
        await world.hours_pass(2)
        await world.until("flat", lambda: _flat(world))
        await world.is_told("🚨 NO STOP on BTCUSDT")
        await world.until("targets gone", lambda: _nothing_rests(world))
        await world.position_is(None)
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "flattened"
        assert Decimal(trade["realised_pnl"]) < 0


async def test_a_trailing_stop_of_the_alert_rests_and_takes_the_profit(bot):
    async with bot(future=[50_000, 52_000, 53_000, 52_000]) as world:
        alert = world.alert(
            take_profits=[{"price": "60000", "ratio": "1"}],
            trailing_stop={"callback_rate": "0.01", "activation": "51500"},
        )
        story = await world.story(alert)
        assert story["state"] == "filled", story
        resting = {one["type"]: one for one in await world.resting()}
        (_, quantity) = await world.held()
        assert Decimal(resting["TRAILING_STOP_MARKET"]["quantity"]) == quantity
        assert resting["STOP_MARKET"]["trigger_price"] == "49000"
        await world.hours_pass(4)
        await world.position_is(None)
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "trailing stop"
        assert Decimal(trade["realised_pnl"]) > 0
        await world.until("the stop is gone", lambda: _nothing_rests(world))


async def test_an_addition_tightens_the_stop_for_the_whole_position(bot, tmp_path):
    _may_add(tmp_path)
    async with bot(future=[50_000, 50_500]) as world:
        await world.enters(take_profits=[{"price": "53000", "ratio": "1"}])
        _, first = await world.held()
        await world.hours_pass(1)
        added = await world.story(world.alert(stop_loss="49500", take_profits=[{"price": "54000", "ratio": "1"}]))
        assert added["state"] == "filled", added
        assert added["decision"]["move"] == "ADD"
        (side, total) = await world.held()
        assert (side, total > first) == ("LONG", True)
        assert await world.stops() == ["49500"]
        targets = [one for one in await world.resting() if one["type"] == "TAKE_PROFIT_MARKET"]
        assert {one["trigger_price"]: Decimal(one["quantity"]) for one in targets} == {
            "53000": first,
            "54000": total - first,
        }
        (ours,) = (await world.get("/positions"))["positions"]
        assert (Decimal(ours["quantity"]), ours["stop_price"]) == (total, "49500")
        third = await world.story(world.alert(stop_loss="49500"))
        assert third["refusal"]["reason"] == "ALREADY_IN_POSITION"


async def test_an_addition_never_loosens_the_stop(bot, tmp_path):
    _may_add(tmp_path)
    async with bot(future=[50_000, 50_500]) as world:
        await world.enters()
        await world.hours_pass(1)
        added = await world.story(world.alert(stop_loss="48000", take_profits=[{"price": "54000", "ratio": "1"}]))
        assert added["state"] == "filled", added
        assert await world.stops() == ["49000"]


async def test_an_addition_whose_stop_is_refused_leaves_nothing_naked(bot, tmp_path):
    _may_add(tmp_path)
    async with bot(timing=SOON, future=[50_000, 50_500]) as world:
        await world.enters()
        await world.hours_pass(1)
        await world.faults(_refuses(-1008, "Server is currently overloaded.", **ALWAYS))
        added = await world.story(world.alert(stop_loss="49500", take_profits=None))
        assert (added["state"], added["refusal"]["reason"]) == ("failed", "STOP_IMPOSSIBLE")
        await world.until("flat", lambda: _flat(world))
        await world.until("nothing rests", lambda: _nothing_rests(world))


async def test_a_reduced_position_is_still_stopped(bot):
    async with bot(future=[50_000, 48_500]) as world:
        opened = await world.story(world.alert())
        part = world.exit(market_position="long", market_position_size="1", prev_market_position_size="2")
        assert (await world.story(part))["state"] == "closed"
        await world.hours_pass(2)
        await world.position_is(None)
        assert await world.held() is None
        (trade,) = (await world.get("/trades"))["trades"]
        assert (trade["why"], trade["alert_id"]) == ("stop", opened["alert_id"])
        await world.until("nothing rests", lambda: _nothing_rests(world))


async def test_a_stop_taken_off_by_hand_is_put_back_where_it_was(bot):
    async with bot(env={"WORKER_RECONCILE_S": "0.3"}) as world:
        await world.enters()
        (stop,) = [one for one in await world.resting() if one["close_position"]]
        await world.outsider("DELETE", "/fapi/v1/algoOrder", clientAlgoId=stop["client_id"])
        await world.until("a stop", lambda: _stop_at(world, "49000"))
        assert len((await world.get("/positions"))["positions"]) == 1


async def test_an_exit_gets_through_although_others_have_spoken_for_the_position(bot):
    async with bot() as world:
        await world.enters()
        _, quantity = await world.held()
        await world.outsider(
            "POST",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="SELL",
            type="LIMIT",
            timeInForce="GTC",
            price="52000",
            quantity=str(quantity),
            reduceOnly="true",
        )
        story = await world.story(world.exit())  # the venue answers -4118 to the first try
        assert story["state"] == "closed", story
        assert await world.held() is None


async def test_an_exit_gets_through_although_its_targets_cannot_be_cancelled(bot):
    async with bot() as world:
        await world.enters()
        await world.faults({"method": "DELETE", "path": "/fapi/v1/algoOrder", "drop": True, "count": 4})
        story = await world.story(world.exit())
        assert story["state"] == "closed", story
        assert await world.held() is None
        await world.faults()
        await world.until("nothing rests", lambda: _nothing_rests(world))


async def test_a_refused_reduction_is_tried_again(bot):
    async with bot() as world:
        await world.enters()
        _, before = await world.held()
        busy = {"status": 503, "body": {"code": -1008, "msg": "overloaded"}}
        await world.faults({"method": "POST", "path": "/fapi/v1/order", **busy, "count": 2})
        part = world.exit(market_position="long", market_position_size="1", prev_market_position_size="2")
        story = await world.story(part)
        assert story["state"] == "closed", story
        assert await world.held() == ("LONG", before / 2)


async def test_a_stop_is_placed_although_nothing_can_be_written_down(bot, monkeypatch):
    append, database = SqlEventLog.append, {"fails_after": "OrderAccepted", "down": False}

    async def appending(self, *appends, **how):
        if database["down"]:
            raise StorageUnavailable("the database is away")
        await append(self, *appends, **how)
        if database["fails_after"] in {event.type for one in appends for event in one.events}:
            database["down"] = True

    monkeypatch.setattr(SqlEventLog, "append", appending)
    async with bot() as world:
        alert_id = (await world.post(world.alert())).json()["alert_id"]
        await world.until("a stop", lambda: _stop_at(world, "49000"))
        assert database["down"]
        database.update(fails_after="nothing", down=False)
        story = await world.finished(alert_id)
        assert story["state"] == "filled", story
        assert await world.stops() == ["49000"]
        assert len(await world.entries()) == 1
        (position,) = (await world.get("/positions"))["positions"]
        assert position["stop_price"] == "49000"


def _may_add(folder):
    (folder / "strategies.yaml").write_text(REGISTRY.format(secret=SECRET))


async def _holds(world):
    return await world.held() is not None


async def _flat(world):
    return await world.held() is None


async def _stop_at(world, price):
    return await world.stops() == [price]


async def _nothing_rests(world):
    return await world.resting() == []
