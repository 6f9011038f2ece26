"""A strategy the bot runs itself: the venue's candles in, the same path as any alert, nothing from outside needed."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.backtest.votes import StoredVerdict, replay
from app.domain.ids import StrategyId, Symbol
from app.domain.policy import StrategyProfile
from app.live.engine import LiveEngine
from app.live.intake import SENDER
from app.strategies.registry import definition
from tests.e2e.world import WARM_UP, World, drawn_market

OWN = """
strategies:
  own:
    runs: ema_cross
    interval: 1h
    parameters: {fast: 10, slow: 30}
    symbols: [BTCUSDT]
"""
# On these closes the averages cross down at once, up in the fifth hour and down again in the ninth.
CLOSES = (49_000, 48_500, 48_500, 51_000, 52_000, 52_500, 52_500, 50_000, 47_000, 46_000, 46_000)


@pytest.fixture
def strategies(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "own.yaml").write_text(OWN)
    return {"STRATEGIES_FILE": str(tmp_path / "own.yaml"), "WORKER_RECONCILE_S": "0.5"}


async def alerts(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get("/alerts"))["alerts"]
    return found


async def next_story(world: World, number: int) -> dict[str, Any]:
    """The end of the strategy's alert number `number`, after the hour in which it is raised."""

    async def raised() -> bool:
        return len(await alerts(world)) == number

    await world.until(f"alert {number}", raised)
    newest, *_ = await alerts(world)
    return await world.finished(newest["alert_id"])


async def test_candles_become_protected_positions_and_reversals(bot, strategies):
    async with bot(future=CLOSES, env=strategies) as world:
        await world.hours_pass(1)
        refused = await next_story(world, 1)
        assert (refused["state"], refused["strategy"]) == ("refused", "own"), refused["summary"]  # models say LONG
        await world.hours_pass(4)
        entered = await next_story(world, 2)
        assert entered["state"] == "filled", entered["summary"]
        assert (await world.held())[0] == "LONG"
        assert len(await world.stops()) == 1
        world.models_say("SHORT")
        await world.hours_pass(4)
        turned = await next_story(world, 3)
        assert turned["state"] == "filled", turned["summary"]
        assert (await world.held())[0] == "SHORT"
        assert len(await world.stops()) == 1


async def test_a_candle_heard_too_late_opens_nothing_and_the_next_may(bot, strategies):
    async with bot(future=CLOSES, env=strategies) as world:
        await world.hours_pass(5)  # at once: the first cross is four hours old when it is heard of
        entered = await next_story(world, 2)
        assert (entered["state"], entered["sender"]) == ("filled", SENDER), entered["summary"]
        late = (await alerts(world))[1]
        assert (await world.finished(late["alert_id"]))["summary"].startswith("STALE")


async def test_a_second_process_raises_nothing_twice(bot, strategies):
    async with bot(future=CLOSES, env=strategies) as world:
        one = world.stage.application.live
        taken, stop = asyncio.Event(), asyncio.Event()

        async def take(body: bytes, profile: StrategyProfile) -> None:
            await one.take(body, profile)
            taken.set()

        two = LiveEngine(one.feed, one.profiles, one.definition, take, one.records, one.outbox, one.metrics, one.clock)
        running = asyncio.create_task(two.run(stop))
        await world.hours_pass(1)
        await next_story(world, 1)
        await asyncio.wait_for(taken.wait(), 20)
        assert len(await alerts(world)) == 1
        stop.set()
        await running


async def test_what_the_models_said_can_be_replayed_in_a_backtest(bot, strategies):
    async with bot(future=CLOSES, env=strategies) as world:
        await world.hours_pass(1)
        await next_story(world, 1)
        await world.hours_pass(4)
        await next_story(world, 2)
        stored = await world.database.queries.verdicts(StrategyId("own"), Symbol("BTCUSDT"))
        assert [(signal.target, verdict.approved) for signal, verdict in stored] == [("SHORT", False), ("LONG", True)]
        assert await world.database.queries.verdicts(StrategyId("other"), Symbol("BTCUSDT")) == []
        assert await world.database.queries.judged_strategies() == {"own"}
        series = drawn_market("BTCUSDT", 50_000, CLOSES)
        said = definition("ema_cross").signals(series, {"fast": 10, "slow": 30})
        judged = [StoredVerdict(signal.bar_time, verdict.side, verdict.approved) for signal, verdict in stored]
        found = replay(said, series, judged)
        assert (found.judged, found.refused) == (2, 1)
        (traded,) = np.flatnonzero(found.signals.enter_long[WARM_UP : WARM_UP + 8])
        assert traded == 4
        assert not found.signals.enter_short[WARM_UP : WARM_UP + 8].any()


async def test_a_market_that_does_not_exist_is_told(bot, strategies, tmp_path):
    (tmp_path / "own.yaml").write_text(OWN.replace("BTCUSDT", "NOPEUSDT"))
    async with bot(env=strategies) as world:
        await world.is_told("1h candles of NOPEUSDT cannot be followed")
