"""The AI verdicts a running bot has stored, laid over a strategy's signals: entries it refused are not traded.

A refused reversal still leaves the old position, as live: exits are not put to a vote. An entry that was never judged
cannot be replayed: it is traded, and counted, so that a report can say how many.
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
    leave_long, leave_short = np.array(signals.exit_long), np.array(signals.exit_short)
    neither = longs & shorts  # both sides at once enter nothing, so nobody was asked
    entries, judged, refused = 0, 0, 0
    for flags, others_exit, side in ((longs, leave_short, Side.LONG), (shorts, leave_long, Side.SHORT)):
        for bar in np.flatnonzero(flags & ~neither):
            approved = known.get((int(series.ts[bar]), side))
            entries += 1
            judged += approved is not None
            if approved is False:
                refused += 1
                flags[bar], others_exit[bar] = False, True
    said = replace(signals, enter_long=longs, enter_short=shorts, exit_long=leave_long, exit_short=leave_short)
    return Replayed(said, entries, judged, refused)
