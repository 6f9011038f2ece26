"""Two bots on one database: every alert is worked on once, whoever dies, freezes or comes back too late."""

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest

from tests.faults.holding import COMMIT, Point, held_at
from tests.faults.judge import all_is_well, entry_orders
from tests.faults.site import LEASE_S, SYMBOLS, App, Sent, Site, until
from tests.redis_server import RedisServer

pytestmark = pytest.mark.postgres
FROZEN_S = 8.0  # four leases, and four times what an order may take to leave


@pytest.mark.long
@pytest.mark.parametrize("redis", ["without-redis", "redis-dies"])
async def test_sixty_alerts(postgres_site, redis):
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        env = {}
        if redis == "redis-dies":
            server.start()
            env["REDIS_URL"] = server.url
        try:
            async with postgres_site(metered=False, **env) as it:
                await _sixty_alerts(it, server)
        finally:
            server.kill()


async def _sixty_alerts(it: Site, redis: RedisServer) -> None:
    bots = await asyncio.gather(it.start(), it.start(second=True))
    kinds = ("long", "long", "short", "exit", "exit")
    alerts = [it.alert(symbol, kind) for kind in kinds * 2 for symbol in SYMBOLS]
    assert len(alerts) == 60
    sending = [
        asyncio.create_task(it.send_in_turn(bots[0], alerts[0::2] + alerts[1::4])),  # a quarter goes to both
        asyncio.create_task(it.send_in_turn(bots[1], alerts[1::2])),
    ]
    await until("half of them are in", lambda: _stored(it, 30))
    redis.kill()
    await asyncio.gather(*sending)
    for alert in alerts:
        assert alert.taken_once, alert.answers
        assert set(alert.answers) <= {"accepted", "duplicate", "503"}
    ends = await all_is_well(it, bots[0])
    assert len(ends) == 60
    entered = {order["symbol"] for order in entry_orders(await it.ledger())}
    assert len(entry_orders(await it.ledger())) >= len(SYMBOLS), await _ends(it, bots[0], set(SYMBOLS) - entered)


async def _ends(it: Site, bot: App, symbols: set[str]) -> list[str]:
    """How the alerts of these symbols ended."""
    stories = [await bot.finished(alert) for alert in it.taken if alert.symbol in symbols]
    return [f"{story['received_at']} {story['symbol']} {story['summary']}" for story in stories]


async def _stored(it: Site, count: int) -> bool:
    return await it.books.alerts() >= count


@pytest.mark.long
async def test_a_bot_that_was_frozen_at_work_does_nothing_twice(postgres_site):
    async with postgres_site(metered=False, AI_DEADLINE_S="4") as it:
        bots = await asyncio.gather(it.start(), it.start(second=True))
        ends = {}
        for symbol, freeze in zip(SYMBOLS, (_thinking, _ordering, _marking_as_sent, _marked_as_sent), strict=False):
            alert = it.alert(symbol, "long")
            frozen, other = await freeze(it, bots, alert)
            await asyncio.gather(_taken_over(it, symbol, other), asyncio.sleep(FROZEN_S))
            frozen.program.thaw()
            ends[symbol] = (await other.finished(alert))["state"]
        assert ends == {"BTCUSDT": "filled", "ETHUSDT": "filled", "BNBUSDT": "filled", "SOLUSDT": "expired"}
        await all_is_well(it, bots[0])
        await all_is_well(it, bots[1])
        entered = sorted(order["symbol"] for order in entry_orders(await it.ledger()))
        assert entered == ["BNBUSDT", "BTCUSDT", "ETHUSDT"]
        assert "the handler broke" not in bots[0].program.said()


async def test_a_position_whose_bot_dies_before_the_stop_is_protected_by_the_other(postgres_site):
    async with postgres_site(metered=False) as it:
        bots = await asyncio.gather(it.start(), it.start(second=True))
        alert = it.alert("BTCUSDT", "long")
        async with held_at(it.books, Point("OrderIntended", 1)) as hold:
            await bots[0].post(alert)
            await hold.reached()
            dead, alive = await _holder_of(it, bots, "BTCUSDT")
            dead.program.kill()
        assert await all_is_well(it, alive) == {alert.alert_id: "filled"}


# --- freezing a bot in the middle of something -------------------------------------------------------


async def _thinking(it: Site, bots: list[App], alert: Sent) -> tuple[App, App]:
    """While the models are asked."""
    it.gate["open"] = False
    asked = {seat: len(model.requests) for seat, model in it.models.items()}
    await bots[0].post(alert)

    async def all_asked() -> bool:
        return all(len(model.requests) > asked[seat] for seat, model in it.models.items())

    await until("the models are asked", all_asked)
    frozen, other = await _frozen(it, bots, alert)
    it.gate["open"] = True
    return frozen, other


async def _ordering(it: Site, bots: list[App], alert: Sent) -> tuple[App, App]:
    """With the entry on the wire: it is executed while nobody listens."""
    await it.venue_rules({"method": "POST", "path": "/fapi/v1/order", "when": "after", "delay_s": 3})
    await bots[0].post(alert)
    await it.rule_struck()
    return await _frozen(it, bots, alert)


async def _marking_as_sent(it: Site, bots: list[App], alert: Sent) -> tuple[App, App]:
    """Inside the transaction that marks the entry as sent. It dies with its connection."""
    return await _frozen_at(it, bots, alert, Point("OrderSent"))


async def _marked_as_sent(it: Site, bots: list[App], alert: Sent) -> tuple[App, App]:
    """After the entry was marked as sent, before it leaves. When the bot wakes up, it is too late to send it."""
    return await _frozen_at(it, bots, alert, Point("OrderSent", at=COMMIT))


async def _frozen_at(it: Site, bots: list[App], alert: Sent, point: Point) -> tuple[App, App]:
    async with held_at(it.books, point) as hold:
        await bots[0].post(alert)
        await hold.reached()
        return await _frozen(it, bots, alert)


async def _frozen(it: Site, bots: list[App], alert: Sent) -> tuple[App, App]:
    frozen, other = await _holder_of(it, bots, alert.symbol)
    frozen.program.freeze()
    return frozen, other


async def _holder_of(it: Site, bots: list[App], symbol: str) -> tuple[App, App]:
    """The bot that holds the symbol's lane, and the other one."""
    owner = await it.books.one(f"SELECT owner FROM lanes WHERE symbol = '{symbol}'")
    for one, other in itertools.permutations(bots):
        if f"-{one.program.pid}-" in owner:
            return one, other
    raise AssertionError(f"nobody holds {symbol}: {owner!r}")


async def _taken_over(it: Site, symbol: str, by: App) -> None:
    async def taken() -> bool:
        owner = await it.books.one(f"SELECT owner FROM lanes WHERE symbol = '{symbol}'")
        return owner == "" or f"-{by.program.pid}-" in owner

    await until(f"{symbol} is taken over, {LEASE_S} s after the freeze at the earliest", taken)
