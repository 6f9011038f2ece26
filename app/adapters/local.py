"""The doorbell and the rate limiter of one process: all there is without Redis, and what is left when Redis dies.

Nothing here does I/O, so nothing here fails. Both belong to one event loop; memory is bounded whatever arrives.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.ports import Clock

MOST_REMEMBERED_RINGS = 64


class LocalDoorbell:
    """Wakes the waiters of this process.

    A ring wakes everybody who waits. When nobody does, it is remembered and answers a later `wait` at once: a worker
    that looked for work just before the ring does not sleep through it.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._remembered = 0

    def ring(self) -> None:
        if not self._waiting:
            self._remembered = min(self._remembered + 1, MOST_REMEMBERED_RINGS)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def press(self) -> None:
        """As `ring`: nobody outside this process is to be told that a switch was pressed."""
        self.ring()

    def heed(self, look: Callable[[], None]) -> None:
        """Nothing: only other processes would call it."""

    async def wait(self, timeout_s: float) -> None:
        if self._remembered:
            self._remembered -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=timeout_s)
        finally:
            self._waiting.discard(waiter)


@dataclass(slots=True)
class _Window:
    ends_at: float  # monotonic seconds
    count: int = 0


class LocalRateLimiter:
    """Fixed windows: a key's window opens with its first call and ends `window_s` later.

    Refused calls count too, but never lengthen a window. Around the seam of two windows up to 2 x `limit` calls may
    pass in `window_s`; that is the price for one number per key. At most `max_keys` keys are kept: a newcomer to a
    full table replaces the key that was opened first, so a flood of keys costs no memory, only old counts.
    """

    def __init__(self, clock: Clock, *, max_keys: int = 10_000) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._windows: OrderedDict[tuple[str, float], _Window] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are being counted."""
        return len(self._windows)

    async def allow(self, key: str, *, limit: int, window_s: float) -> bool:
        now = self._clock.monotonic()
        window = self._windows.get((key, window_s))
        if window is None or now >= window.ends_at:
            window = self._open(key, window_s, now)
        window.count += 1
        return window.count <= limit

    def _open(self, key: str, window_s: float, now: float) -> _Window:
        self._windows.pop((key, window_s), None)
        while len(self._windows) >= self._max_keys:
            self._windows.popitem(last=False)
        window = self._windows[key, window_s] = _Window(now + window_s)
        return window
