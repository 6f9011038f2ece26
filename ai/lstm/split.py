"""Which windows to learn from, which to stop by, which to be judged on. Too few bars raise BadSettings."""

import numpy as np
from numpy.typing import NDArray

from ai.lstm.features import HORIZON, STEPS, Bars, usable_ends
from app.domain.errors import BadSettings

Ends = NDArray[np.intp]

_PARTS = (0.70, 0.85)  # of the bars: training | validation | test
_MOST = (8_000, 2_000)  # windows to train on and to validate on, spread evenly: neighbours share 59 of 60 bars
_FEWEST = 30  # windows in a part
_PURGE = HORIZON  # bars before each border that end no window, so that no outcome lies beyond it


def split(bars: Bars) -> tuple[Ends, Ends, Ends]:
    """Window ends of training, validation (both thinned) and test, in order of time, not touching each other.

    No window of one part has a bar in common with a window of another, nor with what a label of another looked at.
    """
    ends, total = usable_ends(bars), len(bars.close)
    first, second = (int(total * share) for share in _PARTS)
    training = _thinned(ends[ends < first - _PURGE], _MOST[0])
    validation = _thinned(ends[(ends >= first + STEPS) & (ends < second - _PURGE)], _MOST[1])
    test = ends[ends >= second + STEPS]
    if min(map(len, (training, validation, test))) < _FEWEST:
        raise BadSettings(f"{total} candles are too few to train on; 1,000 are a bare minimum, 20,000 are better")
    return training, validation, test


def _thinned(ends: Ends, most: int) -> Ends:
    return ends[:: -(-len(ends) // most) or 1]
