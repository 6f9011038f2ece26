"""How much of the venue's rate limits is used, and who may still ask.

Above 80 % nothing is opened any more: the rest belongs to stops, exits and looking. After a 429 only orders that
protect leave, after a 418 (the address is banned) nothing does. What is held back here never left this machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.errors import VenueUnavailable

ENTRY_SHARE = 0.8
_BANNED = 418
_DEFAULT_PAUSE_S = {418: 120.0, 429: 60.0}  # the shortest ban; the longest a minute's window can last


class HeldBack(VenueUnavailable):
    """Not sent, to stay inside the venue's limits."""


@dataclass(slots=True)
class _Usage:
    """One limit the venue counts for us: the latest count it told, good until its window has passed."""

    name: str
    limit: int
    window_s: float
    used: int = 0
    until: float = 0.0

    def share(self, now: float) -> float:
        return self.used / self.limit if now < self.until else 0.0


def _documented() -> dict[str, _Usage]:
    return {
        "x-mbx-used-weight-1m": _Usage("request weight per minute", 2_400, 60.0),
        "x-mbx-order-count-1m": _Usage("orders per minute", 1_200, 60.0),
        "x-mbx-order-count-10s": _Usage("orders per 10 s", 300, 10.0),
    }


# How exchangeInfo names the limits that the headers count.
_NAMES = {
    ("REQUEST_WEIGHT", "MINUTE", 1): "x-mbx-used-weight-1m",
    ("ORDERS", "MINUTE", 1): "x-mbx-order-count-1m",
    ("ORDERS", "SECOND", 10): "x-mbx-order-count-10s",
}


@dataclass(slots=True)
class Limits:
    monotonic: Callable[[], float]
    _usage: dict[str, _Usage] = field(default_factory=_documented)
    _paused_until: float = 0.0
    _banned_until: float = 0.0

    def read(self, headers: Mapping[str, str]) -> None:
        """Note the counts an answer brought. `headers` finds names in any case."""
        for name, usage in self._usage.items():
            told = headers.get(name, "")
            if told.isascii() and told.isdigit():
                usage.used, usage.until = int(told), self.monotonic() + usage.window_s

    def learn(self, rate_limits: Sequence[Mapping[str, Any]]) -> None:
        """Take the limits themselves from exchangeInfo; they change without notice."""
        for row in rate_limits:
            name = _NAMES.get((row.get("rateLimitType", ""), row.get("interval", ""), row.get("intervalNum", 0)))
            if name is not None and isinstance(row.get("limit"), int) and row["limit"] > 0:
                self._usage[name].limit = row["limit"]

    def back_off(self, status: int, retry_after: str | None) -> None:
        """The venue said 429 or 418: pause for as long as it says."""
        pause = _DEFAULT_PAUSE_S.get(status, 60.0)
        if retry_after and retry_after.isascii() and retry_after.isdigit():
            pause = float(retry_after)
        until = self.monotonic() + pause
        self._paused_until = max(self._paused_until, until)
        if status == _BANNED:
            self._banned_until = max(self._banned_until, until)

    def why_no_entry(self) -> str | None:
        """Why nothing may be opened now; None when it may."""
        now = self.monotonic()
        if now < self._paused_until:
            return f"the venue asked for a pause of another {self._paused_until - now:.0f} s"
        for usage in self._usage.values():
            if usage.share(now) > ENTRY_SHARE:
                return f"{usage.used} of {usage.limit} {usage.name} are used: the rest is kept for protection"
        return None

    def check(self, *, protective: bool) -> None:
        """Raises HeldBack when a request may not leave now."""
        now = self.monotonic()
        until = self._banned_until if protective else self._paused_until
        if now < until:
            raise HeldBack(f"not sent: the venue asked for a pause of another {until - now:.0f} s")
