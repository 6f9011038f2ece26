"""Candle series: from a folder of Parquet files, or generated. Statistics for judging and simulating, never money.

A missing or damaged file raises BadSettings naming the file: a person must fix the folder. Nothing is bundled; where
no folder is given the market is synthetic, says so in `source`, and is the same on every machine.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from app.domain.candle import INTERVALS, Candle
from app.domain.errors import BadSettings
from app.extras import Extra

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:
    pa, pq = Extra("pyarrow"), Extra("pyarrow.parquet")

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]
_COLUMNS = ("open", "high", "low", "close", "volume")
_MONDAY_MS = 4 * 86_400_000  # weeks start on Monday; the epoch was a Thursday
_FILE = re.compile(r"^(?P<symbol>[A-Z0-9]+?)(?:-perp)?-(?P<interval>\d+[mhdw])(?:-.+)?\.parquet$")


def interval_ms(interval: str) -> int:
    """Length of a bar in milliseconds. Raises BadSettings for an interval that is not in INTERVALS."""
    if interval not in INTERVALS:
        raise BadSettings(f"unknown interval {interval!r}; choose one of {', '.join(INTERVALS)}")
    return int(INTERVALS[interval].total_seconds() * 1000)


@dataclass(frozen=True, slots=True, eq=False)
class CandleSeries:
    """One market's bars, oldest first, strictly growing in time. Every array is 1-d, of equal length and read-only."""

    symbol: str
    interval: str  # a key of INTERVALS
    ts: Stamps  # open time, milliseconds since 1970 UTC
    open: Floats  # quote currency
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # base units
    source: str  # where it came from: "synthetic seed=7" or a file name

    def __post_init__(self) -> None:
        if {len(self.ts)} != {len(getattr(self, name)) for name in _COLUMNS}:
            raise BadSettings(f"{self.source}: columns of unequal length")
        if len(self.ts) > 1 and int(np.diff(self.ts).min()) <= 0:
            raise BadSettings(f"{self.source}: bars are not in order of time")
        for name in ("ts", *_COLUMNS):
            getattr(self, name).setflags(write=False)

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, bars: slice) -> Self:
        """Bars by position, as in a list."""
        columns = {name: getattr(self, name)[bars] for name in ("ts", *_COLUMNS)}
        return type(self)(symbol=self.symbol, interval=self.interval, source=self.source, **columns)

    @property
    def step_ms(self) -> int:
        return interval_ms(self.interval)

    def between(self, start: datetime, end: datetime) -> Self:
        """Bars opening at or after `start` and before `end`."""
        first, last = np.searchsorted(self.ts, [_ms(start), _ms(end)])
        return self[int(first) : int(last)]

    def resampled(self, interval: str) -> Self:
        """The same market in longer bars, aligned as exchanges align them; incomplete ones at the ends are dropped."""
        wide = interval_ms(interval)
        if wide % self.step_ms:
            raise BadSettings(f"{self.symbol}: {self.interval} bars cannot be joined into {interval}")
        if wide == self.step_ms or not len(self):
            return self
        group = group_start(self.ts, wide)
        starts = np.flatnonzero(np.r_[True, np.diff(group) != 0])
        if self.ts[0] != group[0]:
            starts = starts[1:]
        ends = np.r_[starts[1:], len(self.ts)]
        if len(starts) and self.ts[-1] + self.step_ms < group[-1] + wide:
            starts, ends = starts[:-1], ends[:-1]
        if not len(starts):
            return self[:0]
        stop = int(ends[-1])
        return type(self)(
            symbol=self.symbol,
            interval=interval,
            ts=group[starts],
            open=self.open[starts],
            high=np.maximum.reduceat(self.high[:stop], starts),
            low=np.minimum.reduceat(self.low[:stop], starts),
            close=self.close[ends - 1],
            volume=np.add.reduceat(self.volume[:stop], starts),
            source=self.source,
        )

    def candles(self) -> tuple[Candle, ...]:
        rows = zip(self.ts, self.open, self.high, self.low, self.close, self.volume, strict=True)
        return tuple(Candle(datetime.fromtimestamp(int(row[0]) / 1000, UTC), *map(float, row[1:])) for row in rows)


def group_start(ts: Stamps, wide_ms: int) -> Stamps:
    """Open time of the wider bar each timestamp falls into."""
    shift = _MONDAY_MS if wide_ms % (7 * 86_400_000) == 0 else 0
    return (ts - shift) // wide_ms * wide_ms + shift


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


# --- files -------------------------------------------------------------------------------------------


def load_series(folder: str | Path, symbol: str, interval: str) -> CandleSeries:
    """One market from a folder: the file of that interval, else the longest finer one joined into it.

    File names are SYMBOL-perp-INTERVAL*.parquet; columns ts (timestamp), open, high, low, close, volume.
    """
    wanted = interval_ms(interval)
    found = [(ms, path) for (name, ms), path in _catalogue(folder).items() if name == symbol and wanted % ms == 0]
    if not found:
        raise BadSettings(f"no candles of {symbol} at {interval} or finer in {folder}")
    return _read(max(found)[1], symbol).resampled(interval)


def load_folder(path: str | Path, interval: str = "1h") -> Mapping[str, CandleSeries]:
    """Every market of a folder that can be had at `interval`, by symbol. Raises BadSettings when there is none."""
    wanted = interval_ms(interval)
    symbols = sorted({name for name, ms in _catalogue(path) if wanted % ms == 0})
    if not symbols:
        raise BadSettings(f"no candles at {interval} or finer in {path}")
    return {symbol: load_series(path, symbol, interval) for symbol in symbols}


def load_funding(folder: str | Path, symbol: str) -> tuple[Stamps, Floats] | None:
    """(times in ms, rates as fractions) of SYMBOL-perp-funding-8h.parquet; None when the folder has none."""
    path = Path(folder) / f"{symbol}-perp-funding-8h.parquet"
    if not path.exists():
        return None
    table = _table(path, ("ts", "funding_rate"))
    return _stamps(table), np.asarray(table["funding_rate"].to_numpy(), dtype=np.float64)


def _catalogue(folder: str | Path) -> dict[tuple[str, int], Path]:
    root = Path(folder)
    if not root.is_dir():
        raise BadSettings(f"{root} is not a folder of candles")
    found = {}
    for path in sorted(root.glob("*.parquet")):
        match = _FILE.match(path.name)
        if match and match["interval"] in INTERVALS:
            found[match["symbol"], interval_ms(match["interval"])] = path
    return found


def _read(path: Path, symbol: str) -> CandleSeries:
    interval = (_FILE.match(path.name) or {"interval": ""})["interval"]
    table = _table(path, ("ts", *_COLUMNS))
    columns = {name: np.array(table[name].to_numpy(), dtype=np.float64) for name in _COLUMNS}
    series = CandleSeries(symbol=symbol, interval=interval, ts=_stamps(table), source=path.name, **columns)
    prices = np.stack([series.open, series.high, series.low, series.close])
    if not len(series) or not np.isfinite(prices).all() or prices.min() <= 0:
        raise BadSettings(f"{path.name}: empty, or a price that is not a positive number")
    if (series.high < prices.max(axis=0)).any() or (series.low > prices.min(axis=0)).any():
        raise BadSettings(f"{path.name}: a bar whose high or low does not contain its open and close")
    return series


def _table(path: Path, columns: tuple[str, ...]) -> "pa.Table":
    try:
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise BadSettings(f"{path.name} cannot be read as candles: {error}") from error


def _stamps(table: "pa.Table") -> Stamps:
    return np.array(table["ts"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy(), dtype=np.int64)


# --- generated ---------------------------------------------------------------------------------------

PAPER_START_BAR = 600  # where a fresh paper market's "now" stands: enough bars before it to warm up any indicator
PAPER_SEED = 35  # chosen, not found: with it hourly BTCUSDT and ETHUSDT are in a textbook uptrend at that bar
_OPENING = range(360, 900)  # bars of the scripted uptrend around it
_SUBSTEPS = 8  # price moves inside a bar, from which its high and low come
_MEAN_REVERSION = 0.0004  # per bar, towards the starting price: keeps years of history in a believable range
_CORRELATION = 0.8  # of a market's moves with those of all


@dataclass(frozen=True, slots=True)
class _Regime:
    drift: float  # in standard deviations per bar
    volatility: float  # multiple of the market's own
    mean_bars: int


_UP = _Regime(drift=0.16, volatility=0.9, mean_bars=170)
_DOWN = _Regime(drift=-0.17, volatility=1.15, mean_bars=140)
_RANGE = _Regime(drift=0.0, volatility=0.7, mean_bars=200)
_STORM = _Regime(drift=-0.05, volatility=2.0, mean_bars=40)
_NEXT = {
    _UP: (_RANGE, _DOWN, _STORM),
    _DOWN: (_RANGE, _UP, _STORM),
    _RANGE: (_UP, _DOWN, _UP),
    _STORM: (_UP, _DOWN, _RANGE),
}

# symbol: (starting price, decimals of the tick, volatility per hour, base units traded per hour)
_PROFILES = {
    "BTCUSDT": (42000.0, 1, 0.0045, 12000.0),
    "ETHUSDT": (2300.0, 2, 0.0055, 160000.0),
    "BNBUSDT": (310.0, 2, 0.0050, 40000.0),
    "SOLUSDT": (100.0, 2, 0.0080, 1500000.0),
    "XRPUSDT": (0.6, 4, 0.0065, 30000000.0),
    "DOGEUSDT": (0.09, 5, 0.0075, 200000000.0),
}
_OTHER = (25.0, 3, 0.0070, 500000.0)


def synthetic(symbol: str, interval: str, bars: int, seed: int, start: datetime) -> CandleSeries:
    """A generated market: regimes of trend, range and storm, clustered volatility, volume that follows it.

    The same arguments give the same bars everywhere (prices are rounded to the tick). Markets of one seed share their
    regimes and most of their moves. Bars 360 to 900 are always an uptrend, scripted so that a newcomer's first LONG
    meets a clear market at PAPER_START_BAR; what follows is left to the seed. It resembles no real period.
    """
    base, decimals, hourly, volume = _PROFILES.get(symbol, _OTHER)
    step_ms = interval_ms(interval)
    hours = step_ms / 3_600_000
    sigma = hourly * math.sqrt(hours)
    together = _rng(seed, f"market {interval}")
    regimes = _regimes(together, bars)
    drift = np.array([regime.drift for regime in regimes])
    volatility = sigma * np.array([regime.volatility for regime in regimes]) * _clusters(together, bars)
    common = together.standard_normal((bars, _SUBSTEPS))
    alone = _rng(seed, f"{symbol} {interval}")
    own = alone.standard_normal((bars, _SUBSTEPS))
    noise = _CORRELATION * common + math.sqrt(1 - _CORRELATION**2) * own
    moves = volatility[:, None] * (drift[:, None] / _SUBSTEPS + noise / math.sqrt(_SUBSTEPS))
    paths = _levels(math.log(base), moves)
    prices = np.maximum(np.round(np.exp(paths), decimals), 10.0**-decimals)
    change = np.abs(moves.sum(axis=1)) / sigma
    traded = volume * hours * np.exp(0.35 * change + 0.3 * alone.standard_normal(bars) - 0.3)
    return CandleSeries(
        symbol=symbol,
        interval=interval,
        ts=_ms(start) + step_ms * np.arange(bars, dtype=np.int64),
        open=prices[:, 0].copy(),
        high=prices.max(axis=1),
        low=prices.min(axis=1),
        close=prices[:, -1].copy(),
        volume=np.round(traded, 3),
        source=f"synthetic seed={seed}",
    )


def _rng(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}|{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def _regimes(rng: np.random.Generator, bars: int) -> list[_Regime]:
    """The market's mood, bar by bar."""
    moods: list[_Regime] = []
    mood = _RANGE
    while len(moods) < bars:
        moods += [mood] * max(12, int(rng.exponential(mood.mean_bars)))
        mood = _NEXT[mood][int(rng.integers(3))]
    return [_UP if bar in _OPENING else mood for bar, mood in enumerate(moods[:bars])]


def _clusters(rng: np.random.Generator, bars: int) -> Floats:
    """Volatility that remembers: the exponential of a slow first-order autoregression, 1 on average."""
    level, levels = 0.0, []
    for shock in rng.standard_normal(bars).tolist():
        level = 0.96 * level + 0.09 * shock
        levels.append(level)
    return np.exp(np.array(levels) - 0.05)


def _levels(base: float, moves: Floats) -> Floats:
    """Logarithmic prices, shape (bars, 1 + substeps): the open, then the price after each move."""
    level, opens = base, []
    for move in moves.sum(axis=1).tolist():
        opens.append(level)
        level += move - _MEAN_REVERSION * (level - base)
    start = np.array(opens)
    inside = start[:, None] + np.cumsum(moves, axis=1)
    # The pull back to the base acts over the bar's last move, so that each bar opens where the last one closed.
    inside[:, -1] -= _MEAN_REVERSION * (start - base)
    return np.concatenate([start[:, None], inside], axis=1)
