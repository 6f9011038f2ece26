"""Against a running `tradingbot serve`: repeats are one alert, nonsense is none."""

import asyncio

from tests.faults.judge import all_is_well, entry_orders
from tests.intake_messages import MALFORMED


async def test_the_same_alert_fifty_times_at_once_and_sixty_malformed_ones(site):
    async with site() as it:
        app = await it.start()
        for name, (body, *_) in MALFORMED.items():
            answer = await app.answer_to(body)
            assert answer is not None, name
            assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text)
        assert len(MALFORMED) >= 60
        assert await it.books.alerts() == 0

        alert = it.alert("BTCUSDT", "long")
        await asyncio.gather(*(app.post(alert) for _ in range(50)))
        assert sorted(alert.answers) == ["accepted"] + ["duplicate"] * 49
        assert await all_is_well(it, app) == {alert.alert_id: "filled"}
        assert len(entry_orders(await it.ledger())) == 1
        assert await it.books.alerts() == 1
