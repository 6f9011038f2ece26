"""Reads the "List of trades" that TradingView's strategy tester exports, older and current layouts.

Every layout has an entry row and an exit row per trade number, in either order. The older one (to 2024) says Date/Time,
Contracts and Profit; the current one Date and time, Position size (qty) and Net P&L. Prices and profits carry their
currency in the heading. Times are the chart's wall clock, without a zone: `app.pine.clock` finds it. A file that cannot
be read raises OperatorError with the line, and says what to do.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.domain.errors import OperatorError

# field: what its heading starts with, newest layout first, in small letters and without the currency
_HEADINGS = {
    "number": ("trade number", "trade #"),
    "kind": ("type",),
    "time": ("date and time", "date/time"),
    "signal": ("signal",),
    "price": ("price",),
    "quantity": ("position size (qty)", "size (qty)", "quantity", "contracts"),
    "pnl": ("net p&l", "net pnl", "profit", "p&l"),
}
_NEEDED = ("number", "kind", "time", "price", "quantity")
_FORMATS = (
    "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y", "%Y/%m/%d %H:%M", "%Y/%m/%d",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y",
    "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M %p", "%b %d, %Y, %H:%M", "%b %d, %Y %H:%M", "%d %b %Y %H:%M",
)  # fmt: skip
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock without a zone, as everything in this file
_EXCEL_DAYS = re.compile(r"\d{5}(?:\.\d+)?")
_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")


@dataclass(frozen=True, slots=True)
class Listed:
    """One closed trade of the list. Times are wall-clock times of the chart."""

    number: int
    side: int  # 1 long, -1 short
    entry_time: datetime  # without a zone
    exit_time: datetime
    entry_price: float
    exit_price: float
    quantity: float
    pnl: float | None  # net of commission; None when the list does not say
    entry_signal: str
    exit_signal: str


@dataclass(frozen=True, slots=True)
class TradeList:
    trades: tuple[Listed, ...]  # by trade number
    still_open: int  # trades without an exit at the time of the export
    tick: float  # price step that the file prints, quote currency
    cent: float  # step of the profits it prints


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    number: int
    entry: bool
    side: int
    time: str
    signal: str
    price: float
    quantity: float
    pnl: float | None


def read_trade_list(path: Path, date_format: str | None = None) -> TradeList:
    """The trades of an exported CSV file. `date_format`, as for strptime, where dates can be read twice."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OperatorError(
            f"{path.name} is not a text file: in TradingView's list of trades choose the download as CSV"
        ) from None
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from error
    return parse_trade_list(text, path.name, date_format)


def parse_trade_list(text: str, name: str, date_format: str | None = None) -> TradeList:
    separator = max(",;\t", key=text.partition("\n")[0].count)
    table = list(csv.reader(io.StringIO(text), delimiter=separator))
    if not table:
        raise OperatorError(f"{name} is empty")
    columns = _columns(table[0], name)
    body = [(line, row) for line, row in enumerate(table[1:], 2) if any(row)]
    prices = [row[columns["price"]].strip() for _, row in body if len(row) > columns["price"]]
    point = "," if _decimal_comma(prices, separator) else "."
    rows = [_row(row, line, columns, name, point) for line, row in body]
    trades, still_open = _pair(rows, _times(rows, name, date_format), name)
    profits = [row[columns["pnl"]].strip() for _, row in body if "pnl" in columns]
    return TradeList(tuple(trades), still_open, tick=_step(prices, point), cent=_step(profits, point))


# --- columns and cells -----------------------------------------------------------------------------


def _columns(header: Sequence[str], name: str) -> dict[str, int]:
    titles = [title.strip().lower() for title in header]
    found: dict[str, int] = {}
    for field, starts in _HEADINGS.items():
        for start in starts:
            # "net p&l %" is the share; the amount is the column with a currency, or with nothing, after its name.
            place = next((at for at, title in enumerate(titles) if title.startswith(start) and "%" not in title), None)
            if place is not None:
                found[field] = place
                break
    missing = [_HEADINGS[field][0] for field in _NEEDED if field not in found]
    if missing:
        raise OperatorError(
            f"{name} has no column for {', '.join(missing)}. It should be the strategy tester's list of trades,"
            " exported with TradingView set to English"
        )
    return found


def _row(cells: Sequence[str], line: int, columns: Mapping[str, int], name: str, point: str) -> _Row:
    try:
        kind = cells[columns["kind"]].lower()
        if not kind.startswith(("entry", "exit")) or ("long" in kind) == ("short" in kind):
            raise OperatorError(f"{name}, line {line}: {kind!r} is neither an entry nor an exit, long or short")
        pnl = cells[columns["pnl"]].strip() if "pnl" in columns else ""
        return _Row(
            line=line,
            number=int(cells[columns["number"]]),
            entry=kind.startswith("entry"),
            side=1 if "long" in kind else -1,
            time=cells[columns["time"]].strip(),
            signal=cells[columns["signal"]].strip() if "signal" in columns else "",
            price=_positive(cells[columns["price"]], point),
            quantity=_positive(cells[columns["quantity"]], point),
            pnl=_number(pnl, point) if pnl else None,
        )
    except (ValueError, IndexError) as error:
        raise OperatorError(f"{name}, line {line}: not a row of a list of trades ({error})") from error


def _number(text: str, point: str) -> float:
    plain = text.replace("\u2212", "-").replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    number = float(plain.replace("." if point == "," else ",", "").replace(point, "."))
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _positive(text: str, point: str) -> float:
    number = abs(_number(text, point))  # shorts are printed with a minus sign in some layouts
    if not number:
        raise ValueError(f"{text!r} is not above 0")
    return number


def _step(numbers: Sequence[str], point: str) -> float:
    """The finest step that the file prints numbers in; trailing zeros may be cut off each of them."""
    return float(10.0 ** -max((len(number.partition(point)[2]) for number in numbers), default=0))


def _decimal_comma(prices: Sequence[str], separator: str) -> bool:
    """Whether 9,5 means nine and a half: told by commas that cannot group thousands."""
    if any(0 <= price.rfind(",") < price.rfind(".") for price in prices):
        return False
    commas = [price for price in prices if "," in price]
    grouped = [price for price in commas if "." not in price and re.fullmatch(r"-?\d{1,3}(,\d{3})+", price)]
    # A file whose columns are parted by something else than commas has another use for them.
    return bool(commas) and (separator == ";" or len(grouped) < len(commas))


# --- times -----------------------------------------------------------------------------------------


def _times(rows: Sequence[_Row], name: str, date_format: str | None) -> dict[str, datetime]:
    """Every time of the file, read in one format that fits all of them and keeps the trades in order."""
    texts = {row.time for row in rows}
    if texts and all(_EXCEL_DAYS.fullmatch(text) for text in texts):
        # Excel counts days; rounding to the second takes back what the decimal fraction lost.
        return {text: _EXCEL_EPOCH + timedelta(seconds=round(float(text) * 86_400)) for text in texts}
    if any(_ZONED.search(text) and ":" in text for text in texts):
        raise OperatorError(f"{name}: its times carry a zone, which TradingView's own export does not write")
    formats = (date_format,) if date_format else _FORMATS
    readings = [found for found in (_read_all(texts, each) for each in formats) if found is not None]
    ordered = [found for found in readings if _in_order(rows, found)]
    if not ordered:
        sample = next(iter(sorted(texts)), "")
        raise OperatorError(f"{name}: {sample!r} is not understood; name its format: --date-format '%Y-%m-%d %H:%M'")
    if any(found != ordered[0] for found in ordered[1:]):
        raise OperatorError(
            f"{name}: its dates can be read as day/month and as month/day; say which:"
            " --date-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"
        )
    return ordered[0]


def _read_all(texts: Iterable[str], date_format: str) -> dict[str, datetime] | None:
    try:
        return {text: datetime.strptime(text, date_format) for text in texts}  # noqa: DTZ007 - the zone is found later
    except ValueError:
        return None


def _in_order(rows: Sequence[_Row], times: Mapping[str, datetime]) -> bool:
    """Trades are numbered in the order in which they were entered."""
    entries = [times[row.time] for row in sorted(rows, key=lambda row: row.number) if row.entry]
    return entries == sorted(entries)


# --- trades ----------------------------------------------------------------------------------------


def _pair(rows: Sequence[_Row], times: Mapping[str, datetime], name: str) -> tuple[list[Listed], int]:
    entries = _by_number((row for row in rows if row.entry), name)
    exits = _by_number((row for row in rows if not row.entry), name)
    lonely = sorted(set(exits) - set(entries))
    if lonely:
        raise OperatorError(f"{name}: trade {lonely[0]} has an exit and no entry; export the whole list")
    # An open trade has no exit, or (current layout) an exit at the newest price whose signal says so.
    closed = [number for number in sorted(entries) if number in exits and exits[number].signal.lower() != "open"]
    return [_listed(entries[number], exits[number], times) for number in closed], len(entries) - len(closed)


def _by_number(rows: Iterable[_Row], name: str) -> dict[int, _Row]:
    found: dict[int, _Row] = {}
    for row in rows:
        if row.number in found:
            raise OperatorError(f"{name}, line {row.line}: trade {row.number} is there twice")
        found[row.number] = row
    return found


def _listed(entry: _Row, out: _Row, times: Mapping[str, datetime]) -> Listed:
    return Listed(
        number=entry.number,
        side=entry.side,
        entry_time=times[entry.time],
        exit_time=times[out.time],
        entry_price=entry.price,
        exit_price=out.price,
        quantity=entry.quantity,
        pnl=out.pnl if out.pnl is not None else entry.pnl,
        entry_signal=entry.signal,
        exit_signal=out.signal,
    )
