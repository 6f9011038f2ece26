"""One Parquet file: a month of bars or funding rates, and for which time the venue has been asked.

A file is replaced as a whole (written beside it, flushed to disk, renamed), so a reader or a crash at any moment finds
the old one or the new one. What was asked for is written inside the file itself: it can never claim rows that are not
there. A file that cannot be read raises BadSettings with its path: a person must remove or restore it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.candle_store.layout import FUNDING, Market
from app.candle_store.spans import Spans, merged, milliseconds, runs
from app.domain.errors import BadSettings
from app.extras import Extra
from app.history import Floats

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:
    pa, pq = Extra("pyarrow"), Extra("pyarrow.parquet")

PRICES = ("open", "high", "low", "close")
_VALUES = {True: ("funding_rate",), False: (*PRICES, "volume")}
_COVERED = b"covered"

Columns = dict[str, NDArray[Any]]  # "ts" (int64, ms since 1970 UTC) and float64 values, all of one length


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    columns: Columns
    covered: Spans  # the venue was asked for all of this and had no more than the rows here


def names(market: Market) -> tuple[str, ...]:
    """The columns of a market's files."""
    return ("ts", *_VALUES[market.interval == FUNDING])


def empty(market: Market) -> Columns:
    return {name: np.zeros(0, np.int64 if name == "ts" else np.float64) for name in names(market)}


def combined(market: Market, older: Columns, newer: Columns) -> Columns:
    """Both in order of time; where both have a row, the newer one counts."""
    ts = np.concatenate([older["ts"], newer["ts"]])
    order = np.argsort(ts, kind="stable")
    last = order[np.r_[np.diff(ts[order]) != 0, np.ones(min(1, len(ts)), dtype=bool)]]
    return {name: np.concatenate([older[name], newer[name]])[last] for name in names(market)}


def unsound(columns: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """(n,) True for bars that cannot be: a price that is not positive and finite, a high below or a low above the rest.

    A volume below zero or not a number counts too.
    """
    opened, high, low, close, volume = (columns[name] for name in (*PRICES, "volume"))
    with np.errstate(invalid="ignore"):
        sane = (low > 0) & np.isfinite(high) & (volume >= 0) & np.isfinite(volume)
        return ~(sane & (low <= np.minimum(opened, close)) & (high >= np.maximum(opened, close)))


def read_part(path: Path, market: Market) -> Part:
    """A file with what it covers. Raises BadSettings when it cannot be read."""
    return Part(read_columns(path, market), read_covered(path, market))


def read_covered(path: Path, market: Market) -> Spans:
    """What the venue was asked for; of files others wrote, the time their rows cover. Raises as read_columns."""
    try:
        told = pq.read_schema(path).metadata or {}
        if _COVERED in told:
            return merged((int(start), int(end)) for start, end in json.loads(told[_COVERED]))
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error
    return runs(read_columns(path, market)["ts"], market.step_ms)


def read_span(path: Path) -> tuple[int, int | None, int | None]:
    """(rows, first ts, last ts) from the file's summary, or from its times where it has none. Raises BadSettings."""
    try:
        with pq.ParquetFile(path) as file:
            about, at = file.metadata, file.schema_arrow.get_field_index("ts")
            groups = [about.row_group(number).column(at) for number in range(about.num_row_groups)]
            if all(group.is_stats_set and group.statistics.has_min_max for group in groups):
                firsts = [group.statistics.min for group in groups]
                lasts = [group.statistics.max for group in groups]
                return (
                    about.num_rows,
                    min(map(milliseconds, firsts), default=None),
                    max(map(milliseconds, lasts), default=None),
                )
            ts = _values(file.read(["ts"]), "ts")
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error
    return (len(ts), int(ts.min()), int(ts.max())) if len(ts) else (0, None, None)


def read_columns(path: Path, market: Market) -> Columns:
    """The rows as they are in the file. Raises BadSettings when it cannot be read."""
    try:
        table = pq.read_table(path, columns=list(names(market)), partitioning=None)
        return {name: _values(table, name) for name in names(market)}
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error


def write_part(path: Path, market: Market, part: Part) -> None:
    """Replace the file at once and for good. Raises BadSettings when the folder cannot be written."""
    arrays = [
        pa.array(part.columns[name], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        if name == "ts"
        else pa.array(part.columns[name], pa.float64())
        for name in names(market)
    ]
    table = pa.table(dict(zip(names(market), arrays, strict=True)))
    table = table.replace_schema_metadata({_COVERED: json.dumps(merged(part.covered))})
    beside = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise BadSettings(f"{path} cannot be written: {error.strerror or error}") from error


def _values(table: "pa.Table", name: str) -> NDArray[Any]:
    column = table[name].combine_chunks()
    if name == "ts":
        if not pa.types.is_timestamp(column.type):  # a number does not say whether it counts seconds or milliseconds
            raise ValueError(f"ts must be a timestamp and is {column.type}")
        return np.array(column.cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy(), dtype=np.int64)
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _unreadable(path: Path, error: Exception) -> BadSettings:
    return BadSettings(f"{path} cannot be read ({error}); remove it and fetch it again")
