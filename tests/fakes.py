"""Hand-written doubles of the ports. Real servers are preferred; these are for what no server can play: time."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time that moves only when told to; `sleep` advances it and yields once."""

    def __init__(self, now: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
