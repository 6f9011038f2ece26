"""The trader's account: wallet, positions, settings, and every change of the wallet with its cause.

Wallet = starting balance + the sum of all income rows, always; positions are the sums of their fills. A row that is
not written here did not happen.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from simulator.margin import rounded
from simulator.orders import ZERO, PositionSide


class Cause(StrEnum):
    """Why the wallet changed."""

    REALIZED_PNL = "REALIZED_PNL"
    COMMISSION = "COMMISSION"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"  # liquidation fee paid, or a loss beyond the margin taken over


@dataclass(slots=True)
class Position:
    """What is held on one side of one market. `amount` is signed: above zero long, below zero short."""

    symbol: str
    side: PositionSide
    amount: Decimal = ZERO
    cost: Decimal = ZERO  # what the open amount was entered for, positive
    isolated: bool = False
    isolated_wallet: Decimal = ZERO  # margin set aside for it, without PnL
    realised: Decimal = ZERO  # of its whole life, without fees
    updated_ms: int = 0
    margin_called: bool = False

    @property
    def sign(self) -> int:
        return (self.amount > 0) - (self.amount < 0)

    @property
    def entry_price(self) -> Decimal:
        return self.cost / abs(self.amount) if self.amount else ZERO

    def pnl(self, mark: Decimal) -> Decimal:
        """Unrealised profit at this price."""
        return self.amount * mark - self.sign * self.cost


@dataclass(slots=True)
class Settings:
    """Of one symbol."""

    leverage: int = 20
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Income:
    """One change of the wallet."""

    income_id: int
    cause: Cause
    symbol: str
    amount: Decimal
    trade_id: int | None
    at_ms: int


@dataclass(slots=True)
class Account:
    start_balance: Decimal
    wallet: Decimal
    hedge_mode: bool = False
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    income: list[Income] = field(default_factory=list)

    def position(self, symbol: str, side: PositionSide) -> Position:
        """The position, flat when there never was one."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def held(self) -> list[Position]:
        return [position for position in self.positions.values() if position.amount]

    def of(self, symbol: str) -> Settings:
        return self.settings.setdefault(symbol, Settings())

    @property
    def cross_wallet(self) -> Decimal:
        """What is not set aside for isolated positions."""
        return self.wallet - sum((one.isolated_wallet for one in self.positions.values()), ZERO)

    def book(self, cause: Cause, symbol: str, amount: Decimal, at_ms: int, trade_id: int | None = None) -> None:
        """Change the wallet and say why; zero changes leave no row."""
        if amount:
            self.wallet += amount
            self.income.append(Income(len(self.income) + 1, cause, symbol, amount, trade_id, at_ms))

    def trade(self, position: Position, change: Decimal, price: Decimal, at_ms: int) -> Decimal:
        """Move the position by a signed amount at a price; returns the realised PnL, which the caller books.

        Closing takes the proportional share of cost and of isolated margin; what is left of `change` opens.
        """
        realised = ZERO
        if position.sign * change < 0:
            closing = min(abs(change), abs(position.amount))
            realised = self._close(position, closing, price)
            change -= closing.copy_sign(change)
        if change:
            notional = abs(change) * price
            settings = self.of(position.symbol)
            if not position.amount:
                position.isolated = settings.isolated
            position.amount += change
            position.cost += notional
            if position.isolated:
                position.isolated_wallet += rounded(notional / settings.leverage)
        position.realised += realised
        position.updated_ms = at_ms
        return realised

    def _close(self, position: Position, closing: Decimal, price: Decimal) -> Decimal:
        sign, whole = position.sign, closing == abs(position.amount)
        share = closing / abs(position.amount)
        cost = position.cost if whole else rounded(position.cost * share)
        released = position.isolated_wallet if whole else rounded(position.isolated_wallet * share)
        position.amount -= sign * closing
        position.cost -= cost
        position.isolated_wallet -= released
        if whole:
            position.margin_called = False
        return sign * (closing * price - cost)
