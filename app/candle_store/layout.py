"""Where markets lie on disk.

The store's own files are <root>/candles/exchange=…/symbol=…/interval=…/2024-03.parquet, one per UTC month, and funding
rates in <root>/funding/exchange=…/symbol=…/2024-03.parquet: names that DuckDB, Polars and Spark read as columns. Flat
folders of SYMBOL-perp-INTERVAL*.parquet are read as well; their exchange is not known and is called "".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.domain.candle import INTERVALS
from app.history import interval_ms

FUNDING = "funding"  # stands where a market's interval stands
_FLAT = re.compile(r"^(?P<symbol>[A-Z0-9]+?)(?:-perp)?-(?P<interval>\d+[mhdw])(?:-.+)?\.parquet$")
_FLAT_FUNDING = re.compile(r"^(?P<symbol>[A-Z0-9]+?)(?:-perp)?-funding-8h\.parquet$")
_MONTH = re.compile(r"^\d{4}-\d{2}$")


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """One venue's candles of one length, or (interval FUNDING) its funding rates."""

    symbol: str
    interval: str
    exchange: str = ""  # "" = a flat folder, which does not say

    @property
    def step_ms(self) -> int:
        """Length of a bar; funding rates come at times of their own, to the millisecond."""
        return 1 if self.interval == FUNDING else interval_ms(self.interval)

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.exchange, self.symbol, self.interval) if part)

    def folder(self, root: Path) -> Path:
        if self.interval == FUNDING:
            return root / FUNDING / f"exchange={self.exchange}" / f"symbol={self.symbol}"
        return root / "candles" / f"exchange={self.exchange}" / f"symbol={self.symbol}" / f"interval={self.interval}"


def find(root: Path) -> dict[Market, tuple[Path, ...]]:
    """Every market below `root` with its files, in order of time (flat files: of their names)."""
    found: dict[Market, list[Path]] = {}
    for market, path in (*_partitioned(root), *_flat(root)):
        found.setdefault(market, []).append(path)
    return {market: tuple(found[market]) for market in sorted(found)}


def _partitioned(root: Path) -> Iterator[tuple[Market, Path]]:
    for path in sorted(root.glob("candles/exchange=*/symbol=*/interval=*/*.parquet")):
        exchange, symbol, interval = (part.partition("=")[2] for part in path.parts[-4:-1])
        if interval in INTERVALS and _MONTH.match(path.stem):
            yield Market(symbol, interval, exchange), path
    for path in sorted(root.glob("funding/exchange=*/symbol=*/*.parquet")):
        exchange, symbol = (part.partition("=")[2] for part in path.parts[-3:-1])
        if _MONTH.match(path.stem):
            yield Market(symbol, FUNDING, exchange), path


def _flat(root: Path) -> Iterator[tuple[Market, Path]]:
    for path in sorted(root.glob("*.parquet")):
        if match := _FLAT_FUNDING.match(path.name):
            yield Market(match["symbol"], FUNDING), path
        elif (match := _FLAT.match(path.name)) and match["interval"] in INTERVALS:
            yield Market(match["symbol"], match["interval"]), path
