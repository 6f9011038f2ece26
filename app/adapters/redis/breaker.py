"""Remembers that Redis is down, so that not every caller has to find out by waiting for a timeout."""

from app.ports import Clock


class Breaker:
    """Closed while calls succeed. A failure opens it for a pause that doubles up to `longest_s`.

    After the pause one caller may try; the others keep away until that try is settled or the pause is over again.
    """

    def __init__(self, clock: Clock, *, pause_s: float = 0.5, longest_s: float = 8.0) -> None:
        self._clock = clock
        self._first_s = pause_s
        self._longest_s = longest_s
        self.pause_s = 0.0  # how long to keep away; 0 = closed
        self._retry_at = 0.0

    def may_try(self) -> bool:
        if not self.pause_s:
            return True
        now = self._clock.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self.pause_s
        return True

    def failed(self) -> bool:
        """Note a failure. True when it is the first one: worth a line in the log."""
        first = not self.pause_s
        self.pause_s = min(max(self._first_s, 2 * self.pause_s), self._longest_s)
        self._retry_at = self._clock.monotonic() + self.pause_s
        return first

    def succeeded(self) -> bool:
        """Note a success. True when it ends an outage."""
        recovered = bool(self.pause_s)
        self.pause_s = 0.0
        return recovered
