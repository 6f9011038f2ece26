"""Plays every acceptance card against every venue."""

import pytest

from app.adapters.exchanges.binance import BinanceConfig, BinanceExchange
from app.ports import Clock
from simulator.config import SimulatorConfig
from tests.contract.exchange_cards import CARDS, Adapter, Card, Venue, bench


def _binance(address: str, config: SimulatorConfig, clock: Clock) -> Adapter:
    return BinanceExchange(
        BinanceConfig(
            config.api_key,
            config.api_secret,
            base_url=f"http://{address}",
            ws_url=f"ws://{address}",
            spot_url=f"http://{address}",
        ),
        clock,
    )


VENUES = [
    Venue(
        name="binance",
        make=_binance,
        order_path="/fapi/v1/order",
        stop_path="/fapi/v1/algoOrder",
        unknown=(503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
        limited=(429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "30"}),
    ),
]


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{card.number:02} {card.title}")
async def test_card(card: Card, venue: Venue) -> None:
    async with bench(venue) as set_up:
        await card.play(set_up)
