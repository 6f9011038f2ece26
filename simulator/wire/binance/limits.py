"""Request weight and order counts, in real time, as the response headers report them."""

from collections import deque
from collections.abc import Callable

from simulator.config import Limits
from simulator.wire.binance.codes import WireError

MINUTE_S, TEN_SECONDS_S = 60.0, 10.0


class Window:
    """What was spent within the last `length_s` seconds."""

    def __init__(self, length_s: float, most: int | None) -> None:
        self.length_s, self.most = length_s, most
        self._spent: deque[tuple[float, int]] = deque()
        self.total = 0

    def spend(self, amount: int, at: float) -> bool:
        """Count it; False when that is over the limit."""
        self._forget(at)
        self._spent.append((at, amount))
        self.total += amount
        return self.most is None or self.total <= self.most

    def retry_after_s(self, at: float) -> int:
        return max(1, int(self._spent[0][0] + self.length_s - at) + 1) if self._spent else 1

    def _forget(self, at: float) -> None:
        while self._spent and self._spent[0][0] <= at - self.length_s:
            self.total -= self._spent.popleft()[1]


class Meter:
    """All limits of one account and address: they are the same here."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.weight = Window(MINUTE_S, limits.weight_1m)
        self.orders_1m = Window(MINUTE_S, limits.orders_1m)
        self.orders_10s = Window(TEN_SECONDS_S, limits.orders_10s)

    def request(self, weight: int) -> None:
        at = self._monotonic()
        if not self.weight.spend(weight, at):
            retry = str(self.weight.retry_after_s(at))
            text = f"Too many requests; current limit is {self.weight.most} requests per minute."
            raise WireError(-1003, text, status=429, headers={"Retry-After": retry})

    def order(self) -> None:
        at = self._monotonic()
        fits = [window.spend(1, at) for window in (self.orders_1m, self.orders_10s)]
        if not all(fits):
            text = f"Too many new orders; current limit is {self.orders_10s.most} orders per 10 SECONDS."
            raise WireError(-1015, text, status=429, headers={"Retry-After": "10"})

    def headers(self, *, order: bool) -> dict[str, str]:
        told = {"X-MBX-USED-WEIGHT-1M": str(self.weight.total)}
        if order:
            told |= {
                "X-MBX-ORDER-COUNT-10S": str(self.orders_10s.total),
                "X-MBX-ORDER-COUNT-1M": str(self.orders_1m.total),
            }
        return told
