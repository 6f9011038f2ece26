"""A clock that stands still until it is told to move."""

import asyncio
from datetime import UTC, datetime, timedelta


class StillClock:
    """`sleep` returns when `advance` has covered it, so tests decide what has waited long enough."""

    def __init__(self, at: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self.at = at
        self.seconds = 1_000.0
        self.sleeping: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        entry = (self.seconds + seconds, woken)
        self.sleeping.append(entry)
        try:
            await woken.wait()
        finally:
            if entry in self.sleeping:
                self.sleeping.remove(entry)

    def pauses(self) -> list[float]:
        """How long each sleeper has still to wait."""
        return [due - self.seconds for due, _ in self.sleeping]

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds
        for due, woken in self.sleeping:
            if due <= self.seconds:
                woken.set()
        self.sleeping = [(due, woken) for due, woken in self.sleeping if due > self.seconds]
