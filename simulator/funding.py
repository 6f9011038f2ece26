"""Funding: every eight hours longs pay shorts the rate, or the other way when it is negative."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from simulator.account import Cause
from simulator.margin import rounded
from simulator.state import State

PERIOD_MS = 8 * 3_600_000
_TOLERANCE_MS = 60_000  # venues stamp funding some milliseconds after the hour


@dataclass(frozen=True, slots=True)
class Funding:
    """The rates: a constant, or history in the venue's own time."""

    default_rate: Decimal = Decimal("0.0001")
    history: Mapping[str, tuple[list[int], list[Decimal]]] = field(default_factory=dict)  # symbol: (times, rates)

    def rate(self, symbol: str, at_ms: int) -> Decimal:
        """The rate settled at this boundary."""
        times, rates = self.history.get(symbol, ([], []))
        at = bisect_right(times, at_ms + _TOLERANCE_MS) - 1
        return rates[at] if at >= 0 and at_ms - times[at] < PERIOD_MS else self.default_rate


def due(at_ms: int) -> bool:
    return at_ms % PERIOD_MS == 0


def next_time(at_ms: int) -> int:
    return (at_ms // PERIOD_MS + 1) * PERIOD_MS


def settle(state: State, funding: Funding) -> None:
    """Charge every open position at the current price; isolated positions pay from their own margin."""
    for position in state.account.held():
        payment = rounded(position.amount * state.mark(position.symbol) * funding.rate(position.symbol, state.now_ms))
        state.account.book(Cause.FUNDING_FEE, position.symbol, -payment, state.now_ms)
        if position.isolated:
            position.isolated_wallet -= payment
        position.updated_ms = state.now_ms
        state.account_changed("FUNDING_FEE", position, balance_change=-payment)
