# ruff: noqa: PLR0917 - compiled functions take no keywords
"""How far nothing happens: the bars that need only be marked to their close."""

from typing import Any

import numpy as np

from app.backtest.kernel.compiling import inlined
from app.history import Floats, Stamps
from app.strategies.signals import Flags


@inlined
def first_set(one: Flags, other: Flags) -> int:
    """Where one of two rows of flags is set for the first time; their length when none is."""
    for at in range(len(one)):
        if one[at] | other[at]:
            return at
    return len(one)


@inlined
def _first_touch(adverse: Floats, favourable: Floats, side: float, barrier: float, target: float) -> int:
    """The first bar that comes to the barrier or the target (x); their length when none does."""
    if side > 0.0:
        for at in range(len(adverse)):
            if (adverse[at] <= barrier) | (favourable[at] >= target):
                return at
    else:
        for at in range(len(adverse)):
            if (adverse[at] >= -barrier) | (favourable[at] <= -target):
                return at
    return len(adverse)


@inlined
def _first_trailed(position: Any, terms: Any, adverse: Floats, favourable: Floats, target: float) -> int:
    """The same with a barrier that follows the best price. On a chart the bar's own best price counts already."""
    barrier, chart = max(position.stop, position.liquidation), terms.chart
    side, trail, keep = position.side, position.trail, 1.0 - position.side * terms.trailing_rate
    found = len(adverse)
    for at in range(len(adverse)):
        best, worst = side * favourable[at], side * adverse[at]
        level = (max(trail, best) if chart else trail) * keep
        if (worst <= max(level, barrier)) | (best >= target):
            found = at
            break
        trail = max(trail, best)
    position.trail = trail
    return found


@inlined
def stretch(position: Any, adverse: Floats, favourable: Floats, start: int, stop: int) -> None:
    """Best and worst price over quiet bars."""
    best, worst = position.best, position.worst
    for bar in range(start, stop):
        best, worst = max(best, position.side * favourable[bar]), min(worst, position.side * adverse[bar])
    position.best, position.worst = best, worst


@inlined
def until(
    position: Any, terms: Any, targets: Floats, adverse: Floats, favourable: Floats, against: Flags, leave: Flags,
    join: Flags, at_open: Stamps, bar: int,
) -> int:  # fmt: skip
    """With a position held: the next bar that is not quiet. Extremes and flags are those of the position's side."""
    last = len(adverse) - 1
    while position.rate < len(at_open) and at_open[position.rate] < bar:
        position.rate += 1
    if position.rate < len(at_open):
        last = min(last, at_open[position.rate])
    said = slice(bar - 1, max(last - 1, bar - 1))
    last = bar + first_set(against[said], leave[said] if len(leave) else against[said])
    if position.entries < terms.max_entries:
        last = min(last, bar + first_set(join[said], join[said]))
    target = targets[position.target, 0] if position.target < position.targets else np.inf
    bars = slice(bar, last)
    if terms.trailing_rate > 0.0:
        return bar + int(_first_trailed(position, terms, adverse[bars], favourable[bars], target))
    barrier = max(position.stop, position.liquidation)
    return bar + int(_first_touch(adverse[bars], favourable[bars], position.side, barrier, target))
