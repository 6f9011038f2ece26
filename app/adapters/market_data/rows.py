"""A venue's rows into columns, strictly: one row that is not what it should be, and the answer counts for nothing.

VenueUnavailable names the row and what is wrong with it. Nothing is repaired or skipped: a wrong candle in the store
would be believed for years.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from app.candle_store.layout import Market
from app.candle_store.part import Columns, names
from app.candle_store.spans import Span
from app.domain.errors import VenueUnavailable
from app.history import group_start

Row = tuple[int, *tuple[float, ...]]  # time in ms, then the values in the order of the columns
_SHOWN = 160  # characters of a row


def columns(market: Market, rows: Sequence[Any], read: Callable[[Any], Row], span: Span) -> Columns:
    """Rows, oldest first, as `read` understands them. All must lie within `span`, in order, on the market's grid."""
    found: list[Row] = []
    for place, raw in enumerate(rows):
        try:
            row = read(raw)
            _fits(row[0], span, found[-1][0] if found else None)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise _unreadable(market, place, raw, str(error)) from None
        found.append(row)
    ts = np.array([row[0] for row in found], dtype=np.int64)
    off_grid = np.flatnonzero(group_start(ts, market.step_ms) != ts)
    if len(off_grid):
        place = int(off_grid[0])
        raise _unreadable(market, place, rows[place], f"no {market.interval} bar opens then")
    values = np.array([row[1:] for row in found], dtype=np.float64).reshape(len(found), len(names(market)) - 1)
    return {"ts": ts} | {name: values[:, at].copy() for at, name in enumerate(names(market)[1:])}


def bar(ts: int, values: Sequence[Any]) -> Row:
    """A candle of (open, high, low, close, volume), as text, that can be. Raises ValueError or TypeError."""
    first, top, bottom, last, traded = (number(value) for value in values)
    if bottom <= 0:
        raise ValueError("a price that is not positive")
    if not bottom <= min(first, last) <= max(first, last) <= top:
        raise ValueError("high and low do not contain open and close")
    if traded < 0:
        raise ValueError("a negative volume")
    return ts, first, top, bottom, last, traded


def number(value: Any) -> float:
    """Of the text venues write numbers in. Raises ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a number written as text")
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"{value!r} is not a number")
    return found


def whole(value: Any) -> int:
    """A time in ms. Raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def a_list(told: Any, what: str) -> list[Any]:
    if not isinstance(told, list):
        raise VenueUnavailable(f"{what}: the answer is no list but {repr(told)[:_SHOWN]}")
    return told


def near(symbol: str, known: Iterable[str]) -> str:
    """The end of a sentence that says a symbol is not known."""
    found = difflib.get_close_matches(symbol, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _fits(at: int, span: Span, before: int | None) -> None:
    if not span[0] <= at < span[1]:
        raise ValueError("it lies outside the time that was asked for")
    if before is not None and at <= before:
        raise ValueError("it is not after the row before it")


def _unreadable(market: Market, place: int, raw: Any, why: str) -> VenueUnavailable:
    shown = repr(raw)[:_SHOWN]
    return VenueUnavailable(f"{market.name}: row {place + 1} of the answer is unreadable ({why}): {shown}")
