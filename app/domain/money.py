"""Money, prices and quantities: exact, finite, and never mixed up with each other.

A wrong unit or a float raises TypeError where it happens; a NaN or infinity raises ValueError.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class _Amount:
    value: Decimal

    def __post_init__(self) -> None:
        if not isinstance(self.value, Decimal):
            raise TypeError(f"{type(self).__name__} takes a Decimal, not {type(self.value).__name__}")
        if not self.value.is_finite():
            raise ValueError(f"{type(self).__name__} must be finite, not {self.value}")

    @classmethod
    def of(cls, text: str | int | Decimal) -> Self:
        """From text, a whole number or a Decimal; a float is refused because it has already lost digits."""
        if isinstance(text, bool | float):
            raise TypeError(f"{cls.__name__} refuses {type(text).__name__}: write it as text")
        return cls(Decimal(text))

    def __str__(self) -> str:
        return plain(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


def plain(value: Decimal) -> str:
    """Digits without an exponent or trailing zeros: what an exchange's parser accepts."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, order=True)
class Money(_Amount):
    """An amount of the settlement currency (USDT). May be negative: a loss, a fee, a debt."""

    def __add__(self, other: "Money") -> "Money":
        return Money(self.value + _same(self, other))

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.value - _same(self, other))

    def __neg__(self) -> "Money":
        return Money(-self.value)

    def __abs__(self) -> "Money":
        return Money(abs(self.value))

    def times(self, factor: Decimal) -> "Money":
        return Money(self.value * factor)

    def rounded(self) -> "Money":
        """To 8 decimals, the precision in which exchanges keep balances."""
        return Money(self.value.quantize(Decimal("1e-8"), rounding=ROUND_HALF_EVEN))


@dataclass(frozen=True, slots=True, order=True)
class Price(_Amount):
    """What one unit of the base asset costs, in the quote currency. Always above zero."""

    def __post_init__(self) -> None:
        super(Price, self).__post_init__()
        if self.value <= 0:
            raise ValueError(f"a price is above zero, not {self.value}")

    def to_tick(self, tick: Decimal) -> "Price":
        """The nearest price the venue quotes."""
        return Price((self.value / tick).to_integral_value(rounding=ROUND_HALF_EVEN) * tick)


@dataclass(frozen=True, slots=True, order=True)
class Quantity(_Amount):
    """How much, in units of the base asset. Never a float, never negative."""

    def __post_init__(self) -> None:
        super(Quantity, self).__post_init__()
        if self.value < 0:
            raise ValueError(f"a quantity is not negative, got {self.value}")

    def floored_to(self, step: Decimal) -> "Quantity":
        """Round down to the venue's lot step; rounding up could breach a risk limit."""
        return Quantity((self.value / step).to_integral_value(rounding=ROUND_DOWN) * step)

    def raised_to(self, step: Decimal) -> "Quantity":
        """Round up to the venue's lot step: for reduce-only orders, which cannot exceed the position."""
        return Quantity((self.value / step).to_integral_value(rounding=ROUND_UP) * step)

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value + _same(self, other))

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value - _same(self, other))

    def times(self, factor: Decimal) -> "Quantity":
        return Quantity(self.value * factor)

    def at(self, price: Price) -> Money:
        """Notional value: quantity x price."""
        return Money(self.value * _same(price, price))


NOTHING = Quantity(Decimal(0))
NO_MONEY = Money(Decimal(0))


def _same(mine: _Amount, other: _Amount) -> Decimal:
    if type(other) is not type(mine):
        raise TypeError(f"cannot combine {type(mine).__name__} with {type(other).__name__}")
    return other.value
