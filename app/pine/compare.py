"""Whether two accounts of one strategy agree: signals bar by bar, trades one by one, equity. Pure; nothing is raised.

A difference is a value with a sentence in it, because the reader is a person who decides whether to trust a chart.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.model import ExitReason, Run
from app.history import Floats
from app.strategies.signals import Flags, Signals

Bars = NDArray[np.intp]  # positions in a series

FLAGS = ("enter_long", "enter_short", "exit_long", "exit_short")
LEVELS = {
    "long_stop": "enter_long",
    "short_stop": "enter_short",
    "long_target": "enter_long",
    "short_target": "enter_short",
}  # level: the flag on whose bars it is read
LEVEL_TOLERANCE = 1e-9  # relative; engines round to 10 decimals and sum in another order
PRICE_TOLERANCE = 1e-8  # relative
EQUITY_TOLERANCE = 1e-6  # relative
NEAR_BARS = 3  # an entry that others have this many bars away is told as the same trade, shifted


@dataclass(frozen=True, slots=True)
class Deal:
    """One closed trade, whoever made it."""

    side: int  # 1 long, -1 short
    entry_bar: int
    exit_bar: int
    quantity: float  # base units
    entry_price: float
    exit_price: float
    pnl: float  # net of commission, quote currency


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two deals may be apart and still be the same."""

    price: float = 0.0  # quote currency: a tick, where the other side rounds to it
    pnl: float = 0.0  # quote currency, beyond what the prices explain: how finely the other side prints it
    relative: float = PRICE_TOLERANCE  # of the price, for both

    def same_price(self, ours: float, theirs: float) -> bool:
        return abs(ours - theirs) <= self._price(ours, theirs)

    def same_pnl(self, ours: Deal, theirs: Deal) -> bool:
        """Two prices, each off by the tolerance, on the whole quantity."""
        price = self._price(ours.entry_price, ours.exit_price)
        return abs(ours.pnl - theirs.pnl) <= 2 * price * ours.quantity + self.pnl

    def _price(self, one: float, other: float) -> float:
        largest = max(abs(one), abs(other))
        return max(self.price, self.relative * largest) + 1e-12 * largest


@dataclass(frozen=True, slots=True)
class Pair:
    """The same trade in both accounts, and in words what is not equal about it; no words = equal."""

    ours: Deal
    theirs: Deal
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DealsMatch:
    pairs: tuple[Pair, ...]
    ours_only: tuple[Deal, ...]
    theirs_only: tuple[Deal, ...]

    @property
    def equal(self) -> int:
        """Trades that are the same in every respect."""
        return sum(not pair.differences for pair in self.pairs)

    @property
    def agrees(self) -> bool:
        return self.equal == len(self.pairs) and not self.ours_only and not self.theirs_only


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """One signal field over all bars after the warm-up."""

    name: str
    compared: int  # bars (flags), or bars on which the level is read
    different: int
    first: int | None  # bar of the first difference
    sentence: str  # about that bar; empty when nothing differs


@dataclass(frozen=True, slots=True)
class EquityMatch:
    compared: int  # bars
    worst: float  # largest relative difference
    bar: int | None  # where it is

    @property
    def agrees(self) -> bool:
        return self.worst <= EQUITY_TOLERANCE


def deals_of(run: Run) -> tuple[Deal, ...]:
    """Our trades as deals, in order of entry. One that only the data's end closed is still open to Pine: left out."""
    rows = [row for row in run.trades if row["reason"] != ExitReason.END]
    deals = [
        Deal(
            int(row["side"]),
            int(row["entry_bar"]),
            int(row["exit_bar"]),
            float(row["quantity"]),
            float(row["entry_price"]),
            float(row["exit_price"]),
            float(row["pnl"]),
        )
        for row in rows
    ]
    return tuple(sorted(deals, key=lambda deal: (deal.entry_bar, deal.exit_bar, deal.side)))


def compare_signals(ours: Signals, theirs: Mapping[str, Floats]) -> tuple[FieldMatch, ...]:
    """Flags on every bar, those of the warm-up too: there both sides are silent. Levels where both set their flag.

    What we have and the other side does not is a difference; what neither has is left out.
    """
    found = [
        _flags(name, getattr(ours, name), theirs.get(name))
        for name in FLAGS
        if name in theirs or getattr(ours, name).any()
    ]
    for name, flag in LEVELS.items():
        read = np.flatnonzero(getattr(ours, flag) & _on(theirs.get(flag)))
        if name in theirs or not np.isnan(getattr(ours, name)[read]).all():
            found.append(_levels(name, getattr(ours, name), theirs.get(name), read))
    return tuple(found)


def _on(theirs: Floats | None) -> Flags | np.bool_:
    return np.nan_to_num(theirs) > 0 if theirs is not None else np.False_


def _flags(name: str, ours: Flags, theirs: Floats | None) -> FieldMatch:
    wrong = np.flatnonzero(ours != _on(theirs))
    if not len(wrong):
        return FieldMatch(name, len(ours), 0, None, "")
    first = int(wrong[0])
    on, off = ("here", "there") if ours[first] else ("there", "here")
    sentence = f"{name} is on {on} and off {off} on bar {first}" if theirs is not None else f"there is no {name} there"
    return FieldMatch(name, len(ours), len(wrong), first, sentence)


def _levels(name: str, ours: Floats, theirs: Floats | None, bars: Bars) -> FieldMatch:
    mine, other = ours[bars], np.full(len(bars), np.nan) if theirs is None else theirs[bars]
    both_absent = np.isnan(mine) & np.isnan(other)
    wrong = np.flatnonzero(~(both_absent | np.isclose(mine, other, rtol=LEVEL_TOLERANCE, atol=0)))
    if not len(wrong):
        return FieldMatch(name, len(bars), 0, None, "")
    at, first = int(wrong[0]), int(bars[wrong[0]])
    sentence = f"{name} is {mine[at]:.10g} here and {other[at]:.10g} there on bar {first}"
    return FieldMatch(name, len(bars), len(wrong), first, sentence)


def compare_deals(ours: Sequence[Deal], theirs: Sequence[Deal], tolerance: Tolerance = Tolerance()) -> DealsMatch:
    """Pairs trades by side and entry bar; what is left over, by side and an entry at most NEAR_BARS away."""
    waiting: defaultdict[tuple[int, int], list[Deal]] = defaultdict(list)
    for deal in theirs:
        waiting[deal.side, deal.entry_bar].append(deal)
    pairs, left = [], []
    for deal in ours:
        same = waiting[deal.side, deal.entry_bar]
        if same:
            # Parts of one position enter together: the one that also leaves together comes first.
            other = min(same, key=lambda found: (abs(found.exit_bar - deal.exit_bar), _apart(found, deal)))
            same.remove(other)
            pairs.append(Pair(deal, other, _differences(deal, other, tolerance)))
        else:
            left.append(deal)
    rest = [deal for found in waiting.values() for deal in found]
    ours_only = []
    for deal in left:
        near = [found for found in rest if found.side == deal.side and _bars_apart(found, deal) <= NEAR_BARS]
        if near:
            other = min(near, key=lambda found: _bars_apart(found, deal))
            rest.remove(other)
            pairs.append(Pair(deal, other, _differences(deal, other, tolerance)))
        else:
            ours_only.append(deal)
    pairs.sort(key=lambda pair: pair.ours.entry_bar)
    return DealsMatch(tuple(pairs), tuple(ours_only), tuple(sorted(rest, key=lambda deal: deal.entry_bar)))


def _bars_apart(one: Deal, other: Deal) -> int:
    return abs(one.entry_bar - other.entry_bar)


def _apart(one: Deal, other: Deal) -> float:
    return abs(one.exit_price - other.exit_price)


def _differences(ours: Deal, theirs: Deal, tolerance: Tolerance) -> tuple[str, ...]:
    words = [
        _moved("entered", ours.entry_bar - theirs.entry_bar),
        _moved("left", ours.exit_bar - theirs.exit_bar),
    ]
    for name in ("entry_price", "exit_price"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        if not tolerance.same_price(mine, other):
            words.append(f"{name.replace('_', ' ')} {mine:.10g} here, {other:.10g} there")
    if not math.isclose(ours.quantity, theirs.quantity, rel_tol=1e-6):
        words.append(f"quantity {ours.quantity:.10g} here, {theirs.quantity:.10g} there")
    elif not any(words) and not tolerance.same_pnl(ours, theirs):
        # Prices and quantity agree, so only what was charged can differ.
        words.append(f"profit {ours.pnl:.6g} here, {theirs.pnl:.6g} there: check the commission")
    return tuple(filter(None, words))


def _moved(verb: str, bars: int) -> str:
    """`bars` = ours minus theirs."""
    if not bars:
        return ""
    count = f"{abs(bars)} bar{'s' if abs(bars) > 1 else ''}"
    return f"{verb} {count} {'later' if bars > 0 else 'earlier'} here"


def compare_equity(run: Run, theirs: Floats, start: int) -> EquityMatch:
    """Both curves at the bars' closes from `start` on. The last bar is left out where the data's end closed a trade."""
    stop = len(run.equity) - int(any(row["reason"] == ExitReason.END for row in run.trades))
    ours, other = run.equity[start:stop], theirs[start:stop]
    if not len(ours):
        return EquityMatch(0, 0.0, None)
    apart = np.abs(ours - other) / np.maximum(np.abs(ours), 1e-12)
    apart[np.isnan(apart)] = np.inf  # a missing value is not agreement
    worst = int(np.argmax(apart))
    return EquityMatch(len(ours), float(apart[worst]), worst + start)


@dataclass(frozen=True, slots=True)
class Parity:
    """One engine's account of a script against ours."""

    engine: str
    bars: int
    warm_up: int
    signals: tuple[FieldMatch, ...]
    deals: DealsMatch
    equity: EquityMatch

    @property
    def agrees(self) -> bool:
        return not any(field.different for field in self.signals) and self.deals.agrees and self.equity.agrees

    def sentences(self) -> tuple[str, ...]:
        """What was compared, and the first difference of each kind, in plain words."""
        checked = max((field.compared for field in self.signals if field.name in FLAGS), default=0)
        flags = sum(field.name in FLAGS for field in self.signals)
        wrong = [field for field in self.signals if field.different]
        lines = [
            f"{checked:,} bars, the first {self.warm_up} of them warm-up, compared in"
            f" {flags} signals and {len(self.signals) - flags} levels: "
            + ("all the same" if not wrong else f"{sum(field.different for field in wrong):,} differ")
        ]
        lines += [f"{field.sentence} ({field.different:,} of {field.compared:,})" for field in wrong]
        lines += deals_sentences(self.deals)
        share = f"{self.equity.worst:.1e}" if self.equity.worst else "0"
        where = "" if self.equity.agrees else f" on bar {self.equity.bar}"
        lines.append(f"equity differs by {share} at most{where} (allowed {EQUITY_TOLERANCE:g})")
        return tuple(lines)


def deals_sentences(match: DealsMatch) -> list[str]:
    total = len(match.pairs) + len(match.ours_only) + len(match.theirs_only)
    lines = [f"{match.equal:,} of {total:,} trades are the same"]
    different = [pair for pair in match.pairs if pair.differences]
    if different:
        first = different[0]
        lines.append(f"first that differs: bar {first.ours.entry_bar}: {'; '.join(first.differences)}")
    for deals, who in ((match.ours_only, "only here"), (match.theirs_only, "only there")):
        if deals:
            side = "long" if deals[0].side > 0 else "short"
            lines.append(f"{len(deals):,} {who}; the first is a {side} entered on bar {deals[0].entry_bar}")
    return lines
