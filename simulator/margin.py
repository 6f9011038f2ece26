"""Margin arithmetic, after Binance's published formulas for USDⓈ-M futures. Pure functions; everything in USDT."""

from decimal import ROUND_HALF_EVEN, Decimal

from simulator.instruments import Contract

CENT = Decimal("1e-8")  # balances are kept to 8 decimals


def rounded(value: Decimal) -> Decimal:
    return value.quantize(CENT, rounding=ROUND_HALF_EVEN)


def maintenance(contract: Contract, notional: Decimal) -> Decimal:
    """What must be left for a position of this (positive) notional: notional x rate - deduction, never negative."""
    bracket = contract.bracket(notional)
    return max(Decimal(0), notional * bracket.maintenance_rate - bracket.deduction)


def liquidation_price(
    contract: Contract, amount: Decimal, cost: Decimal, collateral: Decimal, notional: Decimal
) -> Decimal | None:
    """The mark price at which collateral + unrealised PnL equals maintenance margin; None when no price does.

    `amount` is signed, `cost` what the position was entered for (positive), `collateral` the isolated wallet, or for a
    cross position the cross wallet plus the other positions' PnL less their maintenance margin; `notional` picks the
    bracket. From collateral + amount x P - sign x cost = |amount| x P x rate - deduction, solved for P.
    """
    if not amount:
        return None
    sign = 1 if amount > 0 else -1
    bracket = contract.bracket(notional)
    price = (sign * cost - collateral - bracket.deduction) / (amount - abs(amount) * bracket.maintenance_rate)
    return price if price > 0 else None
