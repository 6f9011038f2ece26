"""What the venue's own refusals lead to: a pause a person has to end, a reason by its code, tries further apart."""

ORDER = {"method": "POST", "path": "/fapi/v1/order"}
OFTEN = {"WORKER_RECONCILE_S": "0.1"}


async def test_a_key_the_venue_refuses_pauses_entries_until_a_person_resumes(bot):
    async with bot(env=OFTEN) as world:
        no_key = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action"}
        await world.faults(ORDER | {"status": 401, "body": no_key})
        refused = await world.story(world.alert())
        assert (refused["state"], refused["refusal"]["reason"]) == ("failed", "VENUE_REJECTED")
        await world.is_told("⏸ paused main by the venue: -2015")
        await world.looks(3)  # all of them complete: the key is well again, and still nobody has seen to it
        refused = await world.story(world.alert())
        assert (refused["state"], refused["refusal"]["reason"]) == ("refused", "PAUSED")
        assert await world.entries() == []
        await world.stage.bot.post("/trading/resume")
        assert (await world.story(world.alert()))["state"] == "filled"


async def test_a_clock_the_venue_calls_wrong_halts_entries_until_the_next_look(bot):
    async with bot(env=OFTEN) as world:
        late = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        await world.faults(ORDER | {"status": 400, "body": late})
        assert (await world.story(world.alert()))["refusal"]["reason"] == "VENUE_REJECTED"
        await world.looks(1)
        assert (await world.story(world.alert()))["state"] == "filled"
        assert "paused" not in world.told()


async def test_a_symbol_the_venue_will_not_set_up_fails_with_the_venues_reason(bot):
    async with bot() as world:
        mode = {"code": -4168, "msg": "Unable to adjust to isolated-margin mode under the Multi-Assets mode."}
        await world.faults({"method": "POST", "path": "/fapi/v1/marginType", "status": 400, "body": mode})
        story = await world.story(world.alert())
        assert (story["state"], story["refusal"]["reason"]) == ("failed", "VENUE_REJECTED")
        assert "-4168" in story["refusal"]["detail"]
        await world.is_told("-4168")
        assert await world.entries() == []
        assert (await world.story(world.alert()))["state"] == "filled"


async def test_a_position_the_venue_will_not_close_is_tried_ever_less_often(bot):
    async with bot(env=OFTEN) as world:
        await world.enters()
        closed = {"code": -4131, "msg": "The counterparty's best price does not meet the PERCENT_PRICE filter limit."}
        always = {"count": None}
        looks = {"path": "/fapi/v1/time", "delay_s": 0.001, **always}
        await world.faults(ORDER | {"status": 400, "body": closed, **always}, looks)
        await world.stage.bot.post("/trading/kill")
        await world.until("six refusals", lambda: _struck(world, 6))
        _, looked = await world.struck()
        await world.until("more looks", lambda: _struck(world, 6, looks=looked + 3))
        await world.hours_pass(3 / 3600)  # the venue's clock stood still until here, and so did the pause
        await world.until("the seventh", lambda: _struck(world, 7))
        assert await world.stops() == ["49000"]  # which rests all the while
        await world.faults()
        await world.hours_pass(60 / 3600)
        await world.position_is(None)
        assert await world.held() is None


async def test_a_symbol_in_order_costs_the_venue_one_look_at_its_book(bot):
    async with bot(env=OFTEN) as world:
        await world.enters()
        await world.looks(3)  # the fills and the stop are on record now
        asked = ("/fapi/v1/time", "/fapi/v3/positionRisk", "/fapi/v1/openAlgoOrders", "/fapi/v1/userTrades")
        await world.faults(*({"path": path, "delay_s": 0.001, "count": None} for path in asked))
        await world.looks(5)
        times, positions, books, trades = await world.struck()
        assert times >= 5
        assert trades == 0
        assert abs(positions - times) <= 1
        assert abs(books - times) <= 1


async def _struck(world, times, looks=0):
    refused, looked = await world.struck()
    return refused == times and looked >= looks
