"""What a venue lets us trade, and in which steps."""

from dataclasses import dataclass
from decimal import Decimal

from app.domain.ids import Symbol
from app.domain.money import Money, Price, Quantity


@dataclass(frozen=True, slots=True)
class Instrument:
    """One perpetual future, with the venue's filters. Quantities are in base units on every venue."""

    symbol: Symbol
    base: str
    quote: str
    tick: Decimal  # price increment
    step: Decimal  # quantity increment of any order
    min_quantity: Quantity
    max_quantity: Quantity  # of a limit order
    market_step: Decimal  # quantity increment of a market order
    max_market_quantity: Quantity
    min_notional: Money  # waived for reduce-only orders
    max_leverage: int
    trading: bool = True  # False when the venue has halted or delisted it

    def market_quantity(self, wanted: Quantity) -> Quantity:
        """The largest quantity a market order may have that is not above `wanted` (0 when below the minimum)."""
        step = max(self.step, self.market_step)
        capped = min(wanted, self.max_market_quantity).floored_to(step)
        return capped if capped >= self.min_quantity else Quantity(Decimal(0))

    def quoted(self, price: Price) -> Price:
        return price.to_tick(self.tick)
