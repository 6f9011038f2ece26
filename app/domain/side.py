"""Directions: of a position, of a target, of an order."""

from enum import StrEnum


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "OrderSide":
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class Side(StrEnum):
    """Which way a position faces."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opposite(self) -> "Side":
        return Side.SHORT if self is Side.LONG else Side.LONG

    @property
    def entry(self) -> OrderSide:
        """The order side that opens or grows this position."""
        return OrderSide.BUY if self is Side.LONG else OrderSide.SELL

    @property
    def exit(self) -> OrderSide:
        """The order side that shrinks or closes this position."""
        return self.entry.opposite

    @property
    def sign(self) -> int:
        return 1 if self is Side.LONG else -1


class Target(StrEnum):
    """What the strategy wants to hold after the signal."""

    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"

    @property
    def side(self) -> Side | None:
        return None if self is Target.FLAT else Side(self.value)
