"""The AI verdicts a running bot has stored, laid over a strategy's signals: entries it refused are not traded.

An entry that was never judged cannot be replayed: it is traded, and counted, so that a report can say how many.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from app.domain.side import Side
from app.history import CandleSeries
from app.strategies.signals import Signals


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    bar_time: datetime  # open of the bar whose close the entry was decided on, UTC
    side: Side
    approved: bool


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    signals: Signals
    entries: int  # bars on which the strategy wants to enter
    judged: int  # of them, those with a stored verdict
    refused: int  # of those, those it refused

    def said(self) -> str:
        """One sentence for a report."""
        if not self.judged:
            return f"none is stored for any of the {self.entries:,} entry signals: all were traded"
        return (
            f"stored AI verdicts were replayed for {self.judged:,} of {self.entries:,} entry signals,"
            f" {self.refused:,} of them refused; the others were never judged and were traded"
        )


def replay(signals: Signals, series: CandleSeries, verdicts: Iterable[StoredVerdict]) -> Replayed:
    """`signals` without the entries whose verdict was no. Of several verdicts about one bar the last counts."""
    known: Mapping[tuple[int, Side], bool] = {
        (round(one.bar_time.timestamp() * 1000), one.side): one.approved for one in verdicts
    }
    longs, shorts = np.array(signals.enter_long), np.array(signals.enter_short)
    entries, judged, refused = 0, 0, 0
    for flags, side in ((longs, Side.LONG), (shorts, Side.SHORT)):
        for bar in np.flatnonzero(flags):
            approved = known.get((int(series.ts[bar]), side))
            entries += 1
            judged += approved is not None
            refused += approved is False
            flags[bar] = approved is not False
    return Replayed(replace(signals, enter_long=longs, enter_short=shorts), entries, judged, refused)
