"""The venue's clock. The application shares it in paper mode, so that alerts, orders and candles live in one time.

real: the computer's time. scaled: runs `speed` times as fast from where it is. stepped: stands still until moved.
Time never goes back. `monotonic` and `sleep` are always real.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Mode(StrEnum):
    REAL = "real"
    SCALED = "scaled"
    STEPPED = "stepped"


class SimClock:
    """Implements app.ports.Clock."""

    def __init__(
        self,
        mode: Mode,
        start: datetime | None = None,
        *,
        speed: float = 1.0,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._ticks = wall, ticks
        self.mode, self.speed = mode, speed
        self._anchor = start or wall()
        self._anchor_ticks = ticks()

    def now(self) -> datetime:
        if self.mode is Mode.REAL:
            return self._wall()
        if self.mode is Mode.STEPPED:
            return self._anchor
        return self._anchor + timedelta(seconds=(self._ticks() - self._anchor_ticks) * self.speed)

    def now_ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def monotonic(self) -> float:
        return self._ticks()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @property
    def haste(self) -> float:
        """How many of the venue's seconds a real second may bring: tolerances of time are widened by it."""
        return max(1.0, self.speed) if self.mode is Mode.SCALED else 1.0

    def move_to(self, moment: datetime) -> None:
        """Jump ahead. Raises ValueError in real mode, and for a moment that has passed."""
        if self.mode is Mode.REAL:
            raise ValueError("a real clock cannot be moved; start the venue with mode scaled or stepped")
        if moment < self.now():
            raise ValueError(f"{moment.isoformat()} has passed: time does not go back")
        self._anchor, self._anchor_ticks = moment, self._ticks()

    def change(self, mode: Mode | None = None, speed: float | None = None) -> None:
        """Another pace from here on. Raises ValueError for a change to or from real time."""
        wanted = mode or self.mode
        if Mode.REAL in (wanted, self.mode) and wanted is not self.mode:
            raise ValueError("real time cannot be left or entered while the venue runs")
        if speed is not None and speed <= 0:
            raise ValueError("speed is above zero")
        self._anchor, self._anchor_ticks = self.now(), self._ticks()
        self.mode, self.speed = wanted, speed if speed is not None else self.speed

    def restart(self, moment: datetime) -> None:
        """A new beginning after a reset: the one way back."""
        self._anchor, self._anchor_ticks = moment, self._ticks()
