"""Candles and funding rates of a folder: the store's own layout and flat folders alike.

What is asked for and not there, or there twice, raises BadSettings and says what to do. Reading takes memory for the
bars asked for and no more; writing goes month by month.
"""

import difflib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from app.candle_store.layout import FUNDING, Market, find
from app.candle_store.part import (
    Columns,
    Part,
    combined,
    empty,
    names,
    read_columns,
    read_covered,
    read_part,
    unsound,
    write_part,
)
from app.candle_store.spans import (
    Span,
    Spans,
    clock_text,
    first_open,
    merged,
    milliseconds,
    month_span,
    months,
    without,
)
from app.domain.errors import BadSettings
from app.history import CandleSeries, Floats, Stamps, interval_ms

_ALL: Span = (-(2**62), 2**62)


class CandleStore:
    """`exchange` chooses where a folder has a market from several venues; None takes the only one."""

    def __init__(self, root: str | Path, exchange: str | None = None) -> None:
        self.root = Path(root)
        self._exchange = exchange

    def markets(self) -> Mapping[Market, tuple[Path, ...]]:
        """What is there, with its files; funding rates have the interval FUNDING. Raises BadSettings: no folder."""
        if not self.root.is_dir():
            raise BadSettings(f"{self.root} is not a folder of candles; tradingbot data fetch makes one")
        found = find(self.root)
        return {market: paths for market, paths in found.items() if self._exchange in (None, market.exchange)}

    # --- reading -------------------------------------------------------------------------------------

    def read(
        self, symbol: str, interval: str, start: datetime | None = None, end: datetime | None = None
    ) -> CandleSeries:
        """Bars opening at or after `start` and before `end`, all of them by default.

        Taken from the bars of that length, else joined from the longest finer ones; then incomplete bars at the ends
        are dropped. Raises BadSettings when there is none, when several venues have it, or when a bar cannot be.
        """
        market = self.choose(symbol, interval)
        series = self.load(market, _span(start, end))
        if not len(series):
            raise BadSettings(f"no candles of {market.name} in that time; tradingbot data list says what there is")
        return series.resampled(interval)

    def load(self, market: Market, span: Span = _ALL) -> CandleSeries:
        """The bars of one market as they are on disk, possibly none. Raises BadSettings as `read`."""
        columns = self._columns(market, span)
        wrong = np.flatnonzero(unsound(columns))
        if len(wrong):
            at = clock_text(int(columns["ts"][wrong[0]]))
            raise BadSettings(
                f"{market.name}: {len(wrong)} impossible bars, the first at {at}; tradingbot data report names them"
            )
        source = f"{market.exchange or f'folder {self.root.resolve().name},'} {market.interval}"
        return CandleSeries(symbol=market.symbol, interval=market.interval, source=source, **columns)

    def funding(
        self, symbol: str, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[Stamps, Floats] | None:
        """(times in ms, rates as fractions), growing in time; None when the folder has none. Raises BadSettings."""
        found = [market for market in self.markets() if (market.symbol, market.interval) == (symbol, FUNDING)]
        if not found:
            return None
        market = self._only(found)
        columns = self._columns(market, _span(start, end))
        ts, rate = columns["ts"], columns["funding_rate"]
        if not np.isfinite(rate).all() or (np.diff(ts) <= 0).any():
            raise BadSettings(f"{market.name}: funding rates out of order, or not numbers")
        return ts, rate

    def choose(self, symbol: str, interval: str, *, finer: bool = False) -> Market:
        """The market bars of `interval` are taken from; `finer`: not that length itself. Raises BadSettings."""
        wanted = interval_ms(interval)
        known = [market for market in self.markets() if market.interval != FUNDING]
        fitting = [one for one in known if one.symbol == symbol and wanted % one.step_ms == 0]
        if finer:
            fitting = [one for one in fitting if one.step_ms < wanted]
        if not fitting:
            raise BadSettings(_missing(symbol, interval, known, self.root))
        # Longer bars that were kept once do not hide what the finer ones they were made of have learned since.
        spans = {market: self._span_of(market) for market in fitting}
        current = [one for one in fitting if not any(_outgrown(one, spans[one], two, spans[two]) for two in fitting)]
        longest = max(market.step_ms for market in current)
        return self._only([market for market in current if market.step_ms == longest])

    def _span_of(self, market: Market) -> Span:
        """From its first bar to the end of its last, in ms; (0, 0) without any."""
        paths = self.markets().get(market, ())
        firsts = (stamps[0] for path in paths if len(stamps := read_columns(path, market)["ts"]))
        lasts = (stamps[-1] for path in reversed(paths) if len(stamps := read_columns(path, market)["ts"]))
        first = next(firsts, None)
        return (0, 0) if first is None else (int(first), int(next(lasts)) + market.step_ms)

    def _only(self, found: list[Market]) -> Market:
        if len(found) > 1:
            venues = ", ".join(market.exchange or "flat files" for market in found)
            raise BadSettings(f"{found[0].symbol} is there more than once ({venues}): choose with --exchange")
        return found[0]

    def _columns(self, market: Market, span: Span) -> Columns:
        """Rows of a market within `span`, file after file; files of other months are not opened."""
        parts = [empty(market)]
        for path in self.markets().get(market, ()):
            if market.exchange and not _overlap(month_span(path.stem), span):
                continue
            columns = read_columns(path, market)
            inside = (columns["ts"] >= span[0]) & (columns["ts"] < span[1])
            parts.append(columns if inside.all() else {name: values[inside] for name, values in columns.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in names(market)}

    # --- writing -------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process writes. Raises BadSettings when another does, or when the folder cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = sqlite3.connect(self.root / ".lock", isolation_level=None, timeout=0)
        except (OSError, sqlite3.OperationalError) as error:
            raise BadSettings(f"{self.root} cannot be written: {error}") from error
        # SQLite's file lock works on every system and ends with the process, however it ends.
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise BadSettings(f"{self.root}: another process is writing there ({error})") from error
            yield

    def missing(self, market: Market, span: Span) -> Spans:
        """What of `span` the venue has not been asked for yet."""
        covered: list[Span] = []
        for name, _ in months(span):
            path = self._path(market, name)
            if path.exists():
                covered += read_covered(path, market)
        step = market.step_ms
        left = ((first_open(start, step), end) for start, end in without(span, covered))
        return tuple((start, end) for start, end in left if start < end)

    def write(self, market: Market, columns: Columns, covered: Spans) -> int:
        """Add rows (sorted or not) and the time they were asked for; how many were not there before.

        A month without any row is not written. Call it inside `locked`.
        """
        if not covered and not len(columns["ts"]):
            return 0
        ends = [(int(columns["ts"].min()), int(columns["ts"].max()) + 1)] if len(columns["ts"]) else []
        spans = merged([*covered, *ends])
        added = 0
        for name, (start, end) in months((spans[0][0], spans[-1][1])):
            inside = (columns["ts"] >= start) & (columns["ts"] < end)
            asked = [(max(one[0], start), min(one[1], end)) for one in covered if _overlap(one, (start, end))]
            path = self._path(market, name)
            older = read_part(path, market) if path.exists() else Part(empty(market), ())
            rows = combined(market, older.columns, {key: values[inside] for key, values in columns.items()})
            if len(rows["ts"]) and (inside.any() or any(without(one, older.covered) for one in asked)):
                write_part(path, market, Part(rows, merged([*older.covered, *asked])))
            added += len(rows["ts"]) - len(older.columns["ts"])
        return added

    def _path(self, market: Market, month: str) -> Path:
        return market.folder(self.root) / f"{month}.parquet"


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _span(start: datetime | None, end: datetime | None) -> Span:
    return (milliseconds(start) if start else _ALL[0], milliseconds(end) if end else _ALL[1])


def _missing(symbol: str, interval: str, known: list[Market], root: Path) -> str:
    """Says what there is instead of what was asked for."""
    symbols = sorted({market.symbol for market in known})
    if symbol in symbols:
        lengths = ", ".join(sorted({market.interval for market in known if market.symbol == symbol}, key=interval_ms))
        return f"no candles of {symbol} at {interval} or finer in {root}: there is {lengths}"
    near = difflib.get_close_matches(symbol.upper(), symbols, n=1)
    hint = f"; did you mean {near[0]}?" if near else f": there is {', '.join(symbols) or 'nothing'}"
    return f"no candles of {symbol} in {root}{hint}"


def _outgrown(one: Market, span: Span, other: Market, wider: Span) -> bool:
    """Whether `other` has the same and newer bars, finer."""
    finer = other.exchange == one.exchange and other.step_ms < one.step_ms
    return finer and wider[0] < span[0] + one.step_ms and wider[1] >= span[1] + one.step_ms
