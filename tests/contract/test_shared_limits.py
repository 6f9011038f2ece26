"""A ban is on the address: whoever comes next from it, after a renewal of the settings, keeps to it."""

import pytest

from app.adapters.exchanges.binance import BinanceConfig, BinanceExchange
from app.adapters.exchanges.binance.limits import HeldBack, Limits
from app.bootstrap import build
from app.domain.errors import VenueUnavailable
from app.settings import load_settings
from tests.contract.clocks import StillClock
from tests.contract.loopback import Loopback, error
from tests.contract.test_binance_wire import KEY, SECRET, TIME, server_time

ACCOUNT = "GET /fapi/v3/account"


async def test_the_next_application_keeps_to_the_ban_that_the_last_one_was_told_of() -> None:
    banned = error(418, -1003, "Way too many requests; IP banned.", Retry_After="300")
    clock = StillClock()
    limits = Limits(clock.monotonic)
    async with Loopback({TIME: server_time(), ACCOUNT: banned}) as loopback:
        config = BinanceConfig(KEY, SECRET, base_url=loopback.url, spot_url=loopback.url)
        for number in range(2):
            exchange = BinanceExchange(config, clock, limits=limits)
            await exchange.open()
            with pytest.raises(HeldBack if number else VenueUnavailable):
                await exchange.balance()
            await exchange.close()
        assert len(loopback.of("GET", "/fapi/v3/account")) == 1
        assert len(loopback.of("GET", "/fapi/v1/time")) == 1


async def test_applications_are_built_with_the_limits_of_their_process(tmp_path) -> None:
    env = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}", "STRATEGIES_FILE": str(tmp_path / "strategies.yaml")}
    limits = Limits(StillClock().monotonic)
    for _ in range(2):
        application = build(load_settings(env, None), limits=limits)
        await application.venue.exchange.open()
        assert application.venue.exchange._open.client.limits is limits
        await application.close()
