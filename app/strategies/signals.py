"""What a strategy says about every closed bar: who to be, and where to get out. Statistics, never money."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FLAGS = ("enter_long", "enter_short", "exit_long", "exit_short")
LEVELS = ("long_stop", "short_stop", "long_target", "short_target")


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """One row per bar, all arrays (n,), known when the bar has closed and acted upon at the next bar's open.

    A side is entered when its flag is set; entering against a held position reverses it. Levels are prices in quote
    currency that hold from the entry on, read on the bar of the entry signal; NaN = none. With `level_bars` they are
    given for those bars only, (k,) each: what scores need, at a fraction of the work.
    """

    enter_long: Flags
    enter_short: Flags
    exit_long: Flags
    exit_short: Flags
    long_stop: Floats
    short_stop: Floats
    long_target: Floats
    short_target: Floats
    warm_up: int  # bars at the start on which nothing is said
    level_bars: NDArray[np.int64] | None = None  # growing, every bar of an entry among them; None: all bars

    def __post_init__(self) -> None:
        flags = [getattr(self, name) for name in FLAGS]
        levels = [getattr(self, name) for name in LEVELS]
        given = [*levels, *([] if self.level_bars is None else [self.level_bars])]
        rows = len(self.enter_long) if self.level_bars is None else len(self.level_bars)
        if {len(one) for one in flags} != {len(self)} or {len(one) for one in given} != {rows}:
            raise ValueError("signals are arrays of one length, and so are their levels")
        if any(one.ndim != 1 for one in (*flags, *given)):
            raise ValueError("signals are one-dimensional arrays")

    def __len__(self) -> int:
        return len(self.enter_long)

    def silent_before(self, bar: int) -> "Signals":
        """The same with nothing said before `bar`, as if the warm-up lasted until then."""
        if bar <= self.warm_up:
            return self
        flags = {name: np.r_[np.zeros(bar, np.bool_), getattr(self, name)[bar:]] for name in FLAGS}
        return replace(self, **flags, warm_up=bar)
