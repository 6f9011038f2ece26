"""Can these candles be believed? Gaps, repeated and disordered bars, impossible prices, idle stretches, jumps.

One pass over the rows in the order they are stored counts everything, one more each lists what was found; in constant
memory, by DuckDB. What makes a market unsound is named in `Report.problems`; idle stretches and jumps are told, for
they happen in real markets too. A file that cannot be read raises BadSettings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from app.candle_store.layout import FUNDING, Market
from app.candle_store.part import read_covered
from app.candle_store.spans import Span, opened, without
from app.candle_store.sql import connection, listed
from app.domain.errors import BadSettings

MOST_LISTED = 20  # jumps, idle stretches and impossible bars: the worst; gaps are all listed

_BARS = """
CREATE OR REPLACE TEMP VIEW bars AS
SELECT epoch_ms(ts) AS ts, open, high, low, close, volume FROM read_parquet({files}, hive_partitioning=false) {order}
"""
# `change`: the furthest a bar goes from the last close, either way; a wrong tick shows in the wick, not in the close.
# NULLs and NaNs fail every comparison they should pass, so `sane` is said positively.
_STEPS = """
CREATE OR REPLACE TEMP VIEW steps AS
SELECT ts, before, ts - before AS step, volume = 0 AS idle,
       CASE WHEN high - last > last - low THEN high / last - 1 ELSE low / last - 1 END AS change,
       coalesce(low > 0 AND low <= least(open, close) AND high >= greatest(open, close) AND isfinite(high)
                AND isfinite(open) AND isfinite(close) AND volume >= 0 AND isfinite(volume), false) AS sane
FROM (SELECT *, lag(ts) OVER () AS before, lag(CASE WHEN isfinite(close) AND close > 0 THEN close END) OVER () AS last
      FROM bars)
"""
_COUNTS = """
SELECT count(*), min(ts), max(ts), count_if(step = 0), count_if(step < 0), count_if(NOT sane), count_if(idle),
       count_if((ts - $shift) % $width <> 0), count_if(step > $width), count_if(sane AND abs(change) > $limit)
FROM steps
"""
_GAPS = "SELECT before + $width, ts FROM steps WHERE step > $width ORDER BY ts"
_IMPOSSIBLE = "SELECT ts FROM steps WHERE NOT sane ORDER BY ts LIMIT $most"
_IDLE = """
SELECT min(ts), max(ts) + $width AS until, count(*) AS bars
FROM (SELECT ts, idle, sum(CASE WHEN idle THEN 0 ELSE 1 END) OVER (ROWS UNBOUNDED PRECEDING) AS run FROM steps)
WHERE idle GROUP BY run HAVING count(*) >= $least ORDER BY bars DESC, 1 LIMIT $most
"""
_JUMPS = """
SELECT ts, change FROM steps WHERE sane AND abs(change) > $limit ORDER BY abs(change) DESC, ts LIMIT $most
"""


@dataclass(frozen=True, slots=True)
class Gap:
    start: int  # ms: the first bar missing
    end: int  # ms: the next bar there is
    bars: int
    at_venue: bool  # the venue was asked and has none


@dataclass(frozen=True, slots=True)
class Idle:
    start: int
    end: int
    bars: int


@dataclass(frozen=True, slots=True)
class Jump:
    at: int
    change: float  # to the last close, e.g. -0.31


@dataclass(frozen=True, slots=True)
class Report:
    market: Market
    rows: int
    first: int | None  # ms, open time of the first bar; None without bars
    last: int | None
    duplicates: int
    disordered: int  # bars that open before the one in front of them
    off_grid: int  # bars that open where no bar of this length does
    impossible: int
    impossible_at: tuple[int, ...]  # the first of them
    gaps: tuple[Gap, ...]
    idle_bars: int  # without any volume
    idle: tuple[Idle, ...]  # the longest stretches
    jumps: int
    largest_jumps: tuple[Jump, ...]

    @property
    def missing(self) -> int:
        """Bars missing that the venue may have."""
        return sum(gap.bars for gap in self.gaps if not gap.at_venue)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the market should not be used as it is; empty when it is sound."""
        told = {
            "no bars": int(not self.rows),
            "bars missing": self.missing,
            "bars repeated": self.duplicates,
            "bars out of order": self.disordered,
            "bars off the grid": self.off_grid,
            "impossible bars": self.impossible,
        }
        return tuple(what if what == "no bars" else f"{count:,} {what}" for what, count in told.items() if count)


def inspect(markets: Mapping[Market, Sequence[Path]], *, jump: float = 0.2, idle_bars: int = 10) -> list[Report]:
    """A report for each of the `markets` (as `CandleStore.markets` tells them); funding rates are left out.

    `jump`: share of the last close beyond which a bar is told as a jump; `idle_bars`: stretches from this length on.
    """
    with connection() as database:
        return [
            _Inspector(database, market, paths, jump=jump, idle_bars=idle_bars).report()
            for market, paths in markets.items()
            if market.interval != FUNDING
        ]


class _Inspector:
    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        market: Market,
        paths: Sequence[Path],
        *,
        jump: float,
        idle_bars: int,
    ) -> None:
        self._database, self._market, self._paths = database, market, paths
        width = market.step_ms
        self._values = {
            "width": width,
            "shift": opened(0, width) % width,
            "most": MOST_LISTED,
            "least": idle_bars,
            "limit": jump,
        }

    def report(self) -> Report:
        try:
            return self._report()
        except duckdb.Error as error:
            raise BadSettings(f"{self._market.name} cannot be read: {error}") from error

    def _report(self) -> Report:
        self._look(order="")
        counts = self._ask(_COUNTS)[0]
        disordered = counts[4]
        if disordered:
            self._look(order="ORDER BY ts")  # what else is said is said of the bars in order
            counts = self._ask(_COUNTS)[0]
        rows, first, last, duplicates, _, impossible, idle, off_grid, gaps, jumps = counts
        return Report(
            market=self._market,
            rows=rows,
            first=first,
            last=last,
            duplicates=duplicates,
            disordered=disordered,
            off_grid=off_grid,
            impossible=impossible,
            impossible_at=tuple(at for (at,) in self._ask(_IMPOSSIBLE)) if impossible else (),
            gaps=self._gaps() if gaps else (),
            idle_bars=idle,
            idle=tuple(Idle(*run) for run in self._ask(_IDLE)) if idle else (),
            jumps=jumps,
            largest_jumps=tuple(Jump(*jump) for jump in self._ask(_JUMPS)) if jumps else (),
        )

    def _gaps(self) -> tuple[Gap, ...]:
        found: list[Span] = self._ask(_GAPS)
        asked = [span for path in self._paths for span in read_covered(path, self._market)]
        width = self._market.step_ms
        return tuple(
            Gap(start, end, -(-(end - start) // width), at_venue=not without((start, end), asked))
            for start, end in found
        )

    def _look(self, order: str) -> None:
        self._database.execute(_BARS.format(files=listed(self._paths), order=order))
        self._database.execute(_STEPS)

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        used = {name: value for name, value in self._values.items() if f"${name}" in sql}
        return self._database.execute(sql, used).fetchall()
