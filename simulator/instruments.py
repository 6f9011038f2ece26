"""What can be traded here: contracts with the filters and leverage brackets of their namesakes.

Figures are in the range Binance publishes; they are fixed here so that tests and replays never move.
"""

from dataclasses import dataclass
from decimal import Decimal

D = Decimal


@dataclass(frozen=True, slots=True)
class Bracket:
    """Up to `cap` of notional: this leverage and this maintenance margin."""

    cap: Decimal  # quote currency
    max_leverage: int
    maintenance_rate: Decimal  # fraction of notional
    deduction: Decimal  # makes maintenance margin continuous from bracket to bracket


@dataclass(frozen=True, slots=True)
class Contract:
    """A USDT-margined perpetual future. Sizes in base units, prices in quote currency."""

    symbol: str
    base: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal  # of a limit order
    max_market_quantity: Decimal
    min_notional: Decimal  # waived for reduce-only orders
    brackets: tuple[Bracket, ...]
    quote: str = "USDT"
    price_band: Decimal = Decimal("0.05")  # a limit price may be this far from the mark on the paying side
    max_open_orders: int = 200
    trading: bool = True

    @property
    def max_leverage(self) -> int:
        return self.brackets[0].max_leverage

    @property
    def price_decimals(self) -> int:
        return _decimals(self.tick)

    @property
    def price_precision(self) -> int:
        """Decimals the wire accepts before it looks at the tick. Not the tick size, as on the real venue."""
        return self.price_decimals + 1

    @property
    def quantity_decimals(self) -> int:
        return _decimals(self.step)

    def bracket(self, notional: Decimal) -> Bracket:
        """The bracket a position of this size is in; the last one beyond all caps."""
        return next((one for one in self.brackets if notional <= one.cap), self.brackets[-1])

    def cap_at(self, leverage: int) -> Decimal:
        """The largest notional this leverage may hold."""
        return max(one.cap for one in self.brackets if one.max_leverage >= leverage)


def _decimals(increment: Decimal) -> int:
    return max(0, -int(increment.normalize().as_tuple().exponent))


def _brackets(*rows: tuple[str, int, str]) -> tuple[Bracket, ...]:
    """(cap, leverage, maintenance rate) rows; the deduction keeps maintenance margin continuous at each cap."""
    brackets: list[Bracket] = []
    for cap, leverage, rate in rows:
        last = brackets[-1] if brackets else None
        deduction = last.deduction + last.cap * (D(rate) - last.maintenance_rate) if last else D(0)
        brackets.append(Bracket(D(cap), leverage, D(rate), deduction))
    return tuple(brackets)


_MAJOR = _brackets(
    ("50000", 125, "0.004"),
    ("600000", 100, "0.005"),
    ("3000000", 75, "0.0065"),
    ("12000000", 50, "0.01"),
    ("70000000", 25, "0.02"),
    ("100000000", 20, "0.025"),
    ("230000000", 10, "0.05"),
    ("480000000", 5, "0.1"),
    ("600000000", 4, "0.125"),
    ("800000000", 3, "0.15"),
    ("1200000000", 2, "0.25"),
    ("1800000000", 1, "0.5"),
)
_MINOR = _brackets(
    ("10000", 75, "0.0065"),
    ("90000", 50, "0.01"),
    ("150000", 40, "0.015"),
    ("1000000", 25, "0.02"),
    ("5000000", 20, "0.025"),
    ("10000000", 10, "0.05"),
    ("25000000", 5, "0.1"),
    ("50000000", 2, "0.25"),
    ("100000000", 1, "0.5"),
)


def _contract(base: str, *numbers: str, major: bool = False) -> Contract:
    """Tick, step, largest limit order, largest market order, least notional."""
    tick, step, largest, at_market, least = numbers
    return Contract(
        symbol=f"{base}USDT",
        base=base,
        tick=D(tick),
        step=D(step),
        min_quantity=D(step),
        max_quantity=D(largest),
        max_market_quantity=D(at_market),
        min_notional=D(least),
        brackets=_MAJOR if major else _MINOR,
    )


_KNOWN = {
    contract.symbol: contract
    for contract in (
        _contract("BTC", "0.1", "0.001", "1000", "120", "100", major=True),
        _contract("ETH", "0.01", "0.001", "10000", "2000", "20", major=True),
        _contract("BNB", "0.01", "0.01", "10000", "2000", "5"),
        _contract("SOL", "0.01", "0.01", "100000", "5000", "5"),
        _contract("XRP", "0.0001", "0.1", "10000000", "2000000", "5"),
        _contract("DOGE", "0.00001", "1", "50000000", "30000000", "5"),
    )
}


def contract_for(symbol: str) -> Contract:
    """The contract of a symbol; an unlisted one gets ordinary filters so that any candle file can be traded."""
    if symbol in _KNOWN:
        return _KNOWN[symbol]
    return _contract(symbol.removesuffix("USDT"), "0.0001", "0.1", "10000000", "1000000", "5")
