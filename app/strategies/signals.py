"""What a strategy says about every closed bar: who to be, and where to get out. Statistics, never money."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """One row per bar, all arrays (n,), known when the bar has closed and acted upon at the next bar's open.

    A side is entered when its flag is set; entering against a held position reverses it. Levels are prices in quote
    currency that hold from the entry on, read on the bar of the entry signal; NaN = none.
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

    def __post_init__(self) -> None:
        arrays = [getattr(self, field.name) for field in fields(self) if field.name != "warm_up"]
        if len({len(array) for array in arrays}) != 1 or any(array.ndim != 1 for array in arrays):
            raise ValueError("signals are one-dimensional arrays of one length")

    def __len__(self) -> int:
        return len(self.enter_long)
