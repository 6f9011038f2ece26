"""Alerts of a strategy that the worker's registry does not have: it is new there, or it was removed.

The API took them in, so its registry had the strategy; each process reads a changed file or secret when it looks next.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.world import World


@contextmanager
def unheard_of(world: World) -> Iterator[Callable[[], None]]:
    """The worker knows no strategy, until what is given here is called."""
    bot = world.stage.application.bot
    known = bot.profile_of

    def learn() -> None:
        object.__setattr__(bot, "profile_of", known)

    object.__setattr__(bot, "profile_of", lambda _: None)
    try:
        yield learn
    finally:
        learn()


async def test_the_first_alert_of_a_new_strategy_waits_until_the_worker_knows_it(bot):
    async with bot() as world:
        with unheard_of(world) as learn:
            alert_id = (await world.post(world.alert())).json()["alert_id"]
            await world.until("it is tried again", lambda: _tried(world, alert_id, 2))
            assert await world.entries() == []
            learn()
            assert (await world.finished(alert_id))["state"] == "filled"


async def test_a_removed_strategy_may_leave_at_once_and_not_enter_again(bot):
    async with bot() as world:
        await world.enters()
        with unheard_of(world):
            left = await world.story(world.exit())
            assert left["state"] == "closed"
            assert await world.held() is None
            alert_id = (await world.post(world.alert())).json()["alert_id"]
            await world.until("it is tried", lambda: _tried(world, alert_id, 1))
            await world.hours_pass(61 / 3600)
            refused = await world.finished(alert_id)
            assert (refused["state"], refused["refusal"]["reason"]) == ("refused", "STALE")
            assert refused["refusal"]["detail"].endswith("The registry has no strategy trend.")
        assert len(await world.entries()) == 1


async def test_what_may_leave_the_market_does_not_wait(bot):
    async with bot() as world:
        await world.enters()
        with unheard_of(world):
            turned = await world.story(world.short())
            assert turned["state"] == "closed", "the old position goes, the new one is not made"
            assert await world.held() is None
            entry = (await world.post(world.alert())).json()["alert_id"]
            await world.until("it is tried", lambda: _tried(world, entry, 1))
            await world.post(world.exit())
            refused = await world.finished(entry)
            assert (refused["state"], refused["refusal"]["reason"]) == ("refused", "SIDE_NOT_ALLOWED")


async def _tried(world: World, alert_id: str, times: int) -> bool:
    return await world.tries(alert_id) >= times
