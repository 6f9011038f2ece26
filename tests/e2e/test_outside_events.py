"""What happens around the bot: a silent stream, a person on the phone, a liquidation, an exchange that is gone."""

from decimal import Decimal

import pytest

GONE = {"path": "/fapi/*", "drop": True, "count": None}
DEAF = {"WORKER_RECONCILE_S": "0.5"}


# --- the user stream -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [{"silence_s": 600}, {"expire_listen_key": True}, {"disconnect": True}])
async def test_a_stop_hit_is_noticed_whatever_becomes_of_the_stream(bot, trouble):
    async with bot(future=[50_000, 48_500], env=DEAF) as world:
        await world.enters()
        await world.streams(**trouble)
        await world.hours_pass(2)
        await world.position_is(None)
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "stop"
        await world.until("targets gone", lambda: _nothing_rests(world))


async def test_an_entry_needs_no_stream(bot):
    async with bot() as world:
        await world.streams(silence_s=600)
        assert (await world.story(world.alert()))["state"] == "filled"
        assert await world.stops() == ["49000"]
        assert (await world.story(world.exit()))["state"] == "closed"
        assert await world.resting() == []


# --- the venue's own hand, and other people's ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["liquidation", "adl"])
async def test_a_position_the_venue_closed_is_gone_from_the_records_and_its_orders_from_the_book(bot, kind):
    async with bot() as world:
        opened = await world.enters()
        answer = await world.stage.venue.post("/_sim/force", json={"symbol": "BTCUSDT", "kind": kind})
        assert answer.json()["closed"]
        await world.position_is(None)
        await world.until("nothing rests", lambda: _nothing_rests(world))
        (trade,) = (await world.get("/trades"))["trades"]
        assert (trade["why"], trade["alert_id"]) == ("outside", opened["alert_id"])
        await world.is_told("closed outside the bot")
        assert len(await world.entries()) == 1  # nothing was opened again


async def test_a_position_closed_on_the_phone_is_not_opened_again(bot):
    async with bot() as world:
        await world.enters()
        _, quantity = await world.held()
        await world.trade_by_hand("SELL", str(quantity))
        await world.position_is(None)
        await world.until("nothing rests", lambda: _nothing_rests(world))
        (trade,) = (await world.get("/trades"))["trades"]
        assert trade["why"] == "outside"
        assert Decimal(trade["exit_price"]) < 50_000
        refused = await world.story(world.exit())
        assert refused["refusal"]["reason"] == "ALREADY_FLAT"
        assert await world.held() is None


async def test_half_a_position_sold_on_the_phone_leaves_the_rest_protected(bot):
    async with bot() as world:
        await world.enters()
        _, quantity = await world.held()
        await world.trade_by_hand("SELL", str(quantity / 2))
        await world.position_is(str(quantity / 2))
        assert await world.stops() == ["49000"]
        assert (await world.story(world.exit()))["state"] == "closed"
        assert await world.held() is None


async def test_a_position_turned_round_on_the_phone_is_adopted_and_protected(bot):
    async with bot() as world:
        await world.enters()
        _, quantity = await world.held()
        await world.trade_by_hand("SELL", str(quantity * 2))
        await world.is_told("👀 found on the venue: SHORT BTCUSDT")
        await world.until("a stop above", lambda: _stopped_above(world, 50_000))
        (ours,) = (await world.get("/positions"))["positions"]
        assert (ours["side"], ours["strategy"]) == ("SHORT", "")
        # An exit of the long that is no more leaves the short alone.
        left = world.exit(prev_market_position="long")
        assert (await world.story(left))["refusal"]["reason"] == "ALREADY_FLAT"
        assert await world.held() == ("SHORT", quantity)


async def test_a_position_opened_on_the_phone_is_adopted_protected_and_reported(bot):
    async with bot() as world:
        await world.trade_by_hand("BUY", "0.05")
        await world.is_told("👀 found on the venue: LONG BTCUSDT 0.05")
        await world.until("a stop", lambda: _stopped_below(world, 50_000))
        (ours,) = (await world.get("/positions"))["positions"]
        assert (ours["side"], ours["quantity"], ours["alert_id"]) == ("LONG", "0.05", None)


async def test_a_stop_set_on_the_phone_counts(bot):
    async with bot() as world:
        by_hand = {"type": "STOP_MARKET", "algoType": "CONDITIONAL", "triggerPrice": "48000", "closePosition": "true"}
        await world.streams(silence_s=600)
        await world.trade_by_hand("BUY", "0.05")
        await world.outsider("POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", side="SELL", **by_hand)
        await world.streams(silence_s=0)
        await world.stage.bot.post("/trading/resume")  # rings: look at everything now
        await world.is_told("👀 found on the venue")
        assert await world.stops() == ["48000"]


async def test_an_empty_database_and_a_live_position(bot, tmp_path):
    market = {"venue_journal": tmp_path / "venue.db", "future": [50_000]}
    async with bot(**market) as world:
        await world.enters()
        held = await world.held()
        for one in await world.resting():  # the new bot shall not find it protected
            await world.outsider("DELETE", "/fapi/v1/algoOrder", clientAlgoId=one["client_id"])
            if one["close_position"]:
                break
        await world.streams(silence_s=600)
    async with bot(database="new", **market) as world:
        await world.is_told("👀 found on the venue: LONG BTCUSDT")
        await world.until("a stop", lambda: _stopped_below(world, 50_000))
        assert await world.held() == held
        (ours,) = (await world.get("/positions"))["positions"]
        assert (ours["strategy"], ours["side"]) == ("", "LONG")
        assert (await world.story(world.alert()))["refusal"]["reason"] == "ALREADY_IN_POSITION"
        assert (await world.story(world.exit()))["state"] == "closed"
        assert await world.held() is None


async def test_no_entries_while_records_and_venue_cannot_be_compared(bot):
    async with bot(env=DEAF) as world:
        await world.until("ready", lambda: _is_ready(world))
        await world.faults({"path": "/fapi/v3/account", "drop": True, "count": None})
        await world.until("not ready", lambda: _is_unready(world))
        story = await _while_it_grows_stale(world)
        assert (story["state"], story["refusal"]["reason"]) == ("refused", "NOT_RECONCILED")
        assert "could not be compared" in story["refusal"]["detail"]
        await world.faults()
        await world.until("ready", lambda: _is_ready(world))
        assert (await world.story(world.alert()))["state"] == "filled"


# --- an exchange that is not there -----------------------------------------------------------------------


async def test_an_exit_waits_for_an_unreachable_venue_and_is_done(bot):
    async with bot(env=DEAF) as world:
        await world.enters()
        await world.faults(GONE)
        alert_id = (await world.post(world.exit())).json()["alert_id"]
        await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
        assert (await world.get(f"/alerts/{alert_id}"))["state"] in ("pending", "working")
        assert await world.stops() == ["49000"]  # which rests at the venue all the while
        await world.faults()
        assert (await world.finished(alert_id))["state"] == "closed"
        assert await world.held() is None
        assert await world.resting() == []


async def test_a_reduction_waits_for_an_unreachable_venue_too(bot):
    async with bot(env=DEAF) as world:
        await world.enters()
        _, before = await world.held()
        await world.faults(GONE)
        part = world.exit(market_position="long", market_position_size="1", prev_market_position_size="2")
        alert_id = (await world.post(part)).json()["alert_id"]
        await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
        await world.faults()
        assert (await world.finished(alert_id))["state"] == "closed"
        assert await world.held() == ("LONG", before / 2)


async def test_a_reversal_that_comes_too_late_still_leaves(bot):
    async with bot(env=DEAF) as world:
        await world.enters()
        await world.hours_pass(1)
        world.models_say("SHORT")
        await world.faults(GONE)
        alert_id = (await world.post(world.short())).json()["alert_id"]
        await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
        await world.hours_pass(0.1)  # older than an entry may be
        await world.faults()
        story = await world.finished(alert_id)
        assert story["state"] == "closed", story
        assert "STALE" in story["decision"]["why"][0]
        assert await world.held() is None


async def test_an_entry_is_refused_while_the_venue_is_unreachable(bot):
    async with bot() as world:
        await world.faults(GONE)
        story = await _while_it_grows_stale(world)
        assert (story["state"], story["refusal"]["reason"]) == ("refused", "NOT_RECONCILED")
        await world.is_told("NOT_RECONCILED")
        await world.faults()
        assert (await world.ledger())["orders"] == []


@pytest.mark.parametrize("path", ["/fapi/*", "/fapi/v1/klines", "/fapi/v1/premiumIndex", "/fapi/v3/account"])
async def test_an_entry_waits_out_a_moment_without_answers(bot, path):
    async with bot(env=DEAF) as world:
        await world.until("ready", lambda: _is_ready(world))
        await world.faults({"path": path, "drop": True, "count": None})
        alert_id = (await world.post(world.alert())).json()["alert_id"]
        await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
        await world.faults()
        assert (await world.finished(alert_id))["state"] == "filled"
        assert len(await world.entries()) == 1


async def test_an_entry_that_waits_keeps_no_exit_waiting(bot):
    async with bot(env=DEAF) as world:
        await world.enters()
        await world.until("ready", lambda: _is_ready(world))
        await world.faults({"path": "/fapi/v3/account", "drop": True, "count": None})
        await world.until("not ready", lambda: _is_unready(world))
        entry = (await world.post(world.alert(symbol="ETHUSDT", stop_loss="2900", take_profits=None))).json()[
            "alert_id"
        ]
        await world.until("it is tried", lambda: _is_tried(world, entry, 2))
        leave = world.exit(symbol="ETHUSDT")
        assert (await world.story(leave))["refusal"]["reason"] == "ALREADY_FLAT"
        assert (await world.finished(entry))["refusal"]["reason"] == "NOT_RECONCILED"
        assert (await world.story(world.exit()))["state"] == "closed"


async def _while_it_grows_stale(world):
    """Send an entry that has to wait, and let its freshness pass once it does."""
    alert_id = (await world.post(world.alert())).json()["alert_id"]
    await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
    await world.hours_pass(61 / 3600)
    return await world.finished(alert_id)


async def test_an_entry_interrupted_by_the_venue_is_not_sent_when_it_is_old(bot):
    async with bot(env=DEAF) as world:
        await world.faults({"method": "POST", "path": "/fapi/v1/leverage", "drop": True, "count": None})
        alert_id = (await world.post(world.alert())).json()["alert_id"]
        await world.until("it is tried", lambda: _is_tried(world, alert_id, 2))
        await world.hours_pass(0.1)
        await world.faults()
        assert (await world.finished(alert_id))["state"] == "expired"
        assert (await world.ledger())["orders"] == []


# --- alerts in an odd order --------------------------------------------------------------------------------


async def test_an_exit_that_overtakes_its_entry_leaves_nothing_open(bot):
    async with bot() as world:
        late_entry = world.alert()
        await world.hours_pass(30 / 3600)
        exit_first = await world.story(world.exit())
        assert exit_first["refusal"]["reason"] == "ALREADY_FLAT"
        await world.hours_pass(10 / 3600)
        story = await world.story(late_entry)
        assert (story["state"], story["refusal"]["reason"]) == ("refused", "SUPERSEDED")
        assert (await world.ledger())["orders"] == []


async def test_a_very_late_entry_is_stale(bot):
    async with bot() as world:
        late_entry = world.alert()
        await world.hours_pass(90 / 3600)
        story = await world.story(late_entry)
        assert (story["state"], story["refusal"]["reason"]) == ("refused", "STALE")


async def test_long_short_long_at_once_ends_on_the_newest_side(bot):
    async with bot() as world:
        world.models_say("LONG")
        bodies = []
        for make in (world.alert, world.short, world.alert):
            bodies.append(make())
            await world.hours_pass(1 / 3600)
        # The models follow the newest signal: what they say of the older ones does not decide where it ends.
        answers = [await world.post(body) for body in bodies]
        stories = [await world.finished(answer.json()["alert_id"]) for answer in answers]
        assert {story["state"] for story in stories} <= {"filled", "closed", "refused"}
        assert stories[-1]["state"] == "filled", stories[-1]
        side, quantity = await world.held()
        assert side == "LONG"
        assert await world.stops() == ["49000"]
        targets = [one for one in await world.resting() if not one["close_position"]]
        assert {one["side"] for one in targets} == {"SELL"}
        assert sum(Decimal(one["quantity"]) for one in targets) == quantity


async def test_alerts_on_two_symbols_do_not_wait_for_each_other(bot):
    async with bot() as world:
        await world.faults({"method": "POST", "path": "/fapi/v1/order", "params": {"symbol": "BTCUSDT"}, "delay_s": 3})
        slow = (await world.post(world.alert())).json()["alert_id"]
        quick = await world.story(
            world.alert(
                symbol="ETHUSDT", price="3000", stop_loss="2900", take_profits=[{"price": "3300", "ratio": "1"}]
            )
        )
        assert quick["state"] == "filled", quick
        assert (await world.get(f"/alerts/{slow}"))["state"] in ("pending", "working")
        assert (await world.finished(slow))["state"] == "filled"


async def _nothing_rests(world):
    return await world.resting() == []


async def _stopped_above(world, price):
    return any(Decimal(stop) > price for stop in await world.stops())


async def _stopped_below(world, price):
    return any(Decimal(stop) < price for stop in await world.stops())


async def _is_tried(world, alert_id, times):
    return await world.tries(alert_id) >= times


async def _is_ready(world):
    return (await world.stage.bot.get("/ready")).status_code == 200


async def _is_unready(world):
    return not await _is_ready(world)
