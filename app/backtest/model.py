"""What goes into a backtest and what comes out. Floats throughout: statistics about money, never money.

A bar's signals are acted upon at the next bar's open; nothing ever sees a bar before it has closed.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from app.history import CandleSeries, Floats, Stamps


class Sizing(StrEnum):
    """What `Rules.size` means."""

    QUANTITY = "quantity"  # base units, always the same
    EQUITY = "equity"  # notional as a share of equity: 1.0 = all of it, compounding
    RISK = "risk"  # share of equity lost when the stop is hit, as the live risk stage sizes


class Intrabar(StrEnum):
    """Which way the price is taken to have gone inside a bar, where the bar itself does not tell."""

    PESSIMISTIC = "pessimistic"  # against the position first: the stop before any target
    CHART = "chart"  # as TradingView's tester: the extreme nearer to the open comes first


class ExitReason(IntEnum):
    SIGNAL = 0  # the strategy said so
    REVERSAL = 1  # the strategy wanted the other side
    STOP = 2
    TARGET = 3
    TRAILING = 4
    LIQUIDATION = 5
    END = 6  # the data ended; closed at the last close so that the figures add up


@dataclass(frozen=True, slots=True)
class TargetRule:
    """A target made from the stop, as the live risk stage makes it."""

    reward_risk: float  # multiples of the stop distance
    ratio: float  # share of the position that leaves there


@dataclass(frozen=True, slots=True)
class Rules:
    """How signals become positions. The defaults are those of the live risk stage."""

    equity: float = 10_000.0  # at the start, quote currency
    sizing: Sizing = Sizing.RISK
    size: float = 0.01
    leverage: int = 5  # the most that is borrowed: notional / equity
    max_notional: float = 10_000.0  # per symbol; inf = no limit
    max_exposure_rate: float = 2.0  # notional / equity; inf = no limit
    stop_rate: float = float("nan")  # stop distance / fill price, for signals that bring no stop; NaN = none
    target_rate: float = float("nan")  # likewise for targets
    targets: tuple[TargetRule, ...] = ()  # made from the stop distance where the signal brings no target
    trailing_rate: float = float("nan")  # callback / best price since the entry; NaN = no trailing stop
    max_entries: int = 1  # per position; more allow adding to it (pyramiding)
    longs: bool = True
    shorts: bool = True
    maintenance_rate: float = 0.004  # of the notional: below it the venue closes the position
    quantity_step: float = 0.0  # sizes are floored to it; 0 = no steps
    min_notional: float = 0.0  # an entry that is smaller is left out
    min_reward_risk: float = 0.0  # an entry whose targets earn less, in stop distances, is left out; 0 = not looked at
    intrabar: Intrabar = Intrabar.PESSIMISTIC


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading takes. Rates are fractions of the notional."""

    taker_fee_rate: float = 0.0005
    maker_fee_rate: float = 0.0002  # of targets that rest in the book
    slippage_rate: float = 0.0001  # of the price, against every market and stop order
    market_targets: bool = True  # as the live bot places them: triggered, then at market; False: they rest in the book


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Rates longs pay to shorts, at their times."""

    ts: Stamps  # ms since 1970 UTC, growing
    rate: Floats


TRADE = np.dtype(
    [
        ("entry_bar", np.int64),  # the bar at whose open (or inside which) it was entered
        ("exit_bar", np.int64),
        ("side", np.int8),  # 1 long, -1 short
        ("quantity", np.float64),  # base units
        ("entry_price", np.float64),  # fill prices, slippage included
        ("exit_price", np.float64),
        ("fees", np.float64),  # both ways, quote currency, positive = paid
        ("funding", np.float64),  # positive = paid
        ("pnl", np.float64),  # net of fees and funding, quote currency
        ("best", np.float64),  # largest open profit on the way, quote currency, >= 0 (MFE)
        ("worst", np.float64),  # largest open loss on the way, <= 0 (MAE)
        ("reason", np.int8),  # an ExitReason
    ]
)
"""One row per part of a position that was closed: a target that takes half makes a row of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One parameter set on one market, in full."""

    series: CandleSeries
    rules: Rules
    costs: Costs
    trades: NDArray[np.void]  # dtype TRADE, in order of exit
    equity: Floats  # (n,) at each bar's close, open profit included; starts at rules.equity
    exposure: Floats  # (n,) signed notional held at each bar's close, quote currency
    liquidated: bool
    warm_up: int  # bars left out of every average
    about: dict[str, str] = field(default_factory=dict)  # strategy, parameters, what was left out: for reports
