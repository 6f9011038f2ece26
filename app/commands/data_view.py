"""How `tradingbot data` shows things: tables for people, plain values for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.table import Table

from app.candle_store.download import Filled
from app.candle_store.layout import FUNDING, Market
from app.candle_store.part import read_span
from app.candle_store.soundness import Gap, Report
from app.candle_store.spans import clock_text, moment
from app.candle_store.sql import Answer

_MOST_GAPS, _MOST_JUMPS = 20, 5  # printed per market; --json has more


@dataclass(frozen=True, slots=True)
class Holding:
    """One market on disk."""

    market: Market
    rows: int
    first: int | None  # ms; None without rows
    last: int | None
    size_bytes: int
    files: int

    def data(self) -> dict[str, Any]:
        return _keys(self.market) | {
            "rows": self.rows,
            "first": _iso(self.first),
            "last": _iso(self.last),
            "size_bytes": self.size_bytes,
            "files": self.files,
        }


def holdings(markets: Mapping[Market, Sequence[Path]]) -> list[Holding]:
    """From the files' own summaries: no rows are read."""
    found = []
    for market, paths in markets.items():
        spans = [read_span(path) for path in paths]
        firsts = [first for _, first, _ in spans if first is not None]
        lasts = [last for _, _, last in spans if last is not None]
        rows, size = sum(count for count, _, _ in spans), sum(path.stat().st_size for path in paths)
        found.append(Holding(market, rows, min(firsts, default=None), max(lasts, default=None), size, len(paths)))
    return found


def holdings_table(lines: Sequence[Holding]) -> Table:
    table = Table()
    for name in ("market", "interval", "exchange", "from", "to", "rows", "MB"):
        table.add_column(name, justify="right" if name in ("rows", "MB") else "left")
    for line in lines:
        market = line.market
        table.add_row(
            market.symbol,
            market.interval,
            market.exchange or "–",
            _when(line.first),
            _when(line.last),
            f"{line.rows:,}",
            f"{line.size_bytes / 1e6:.1f}",
        )
    return table


# --- fetch -------------------------------------------------------------------------------------------


def filled_data(one: Filled) -> dict[str, Any]:
    late = [{"from": _iso(start), "to": _iso(end)} for start, end in one.late]
    return _keys(one.market) | {"rows_added": one.rows, "pages": one.asked, "late": late}


def filled_text(one: Filled) -> str:
    what = "rates" if one.market.interval == FUNDING else "candles"
    told = f"{one.rows:,} new {what}" if one.asked else "nothing was missing"
    if one.late and what == "candles":
        told += f"; the venue has none from {clock_text(one.late[0][0])} on yet, ask again"
    return f"{one.market.name}: {told}"


# --- report ------------------------------------------------------------------------------------------


def report_table(reports: Sequence[Report], *, jump: float) -> Table:
    table = Table(
        caption=f"venue's: gaps it was asked about and has itself; jumps: beyond {jump:g} % of the last close"
    )
    numbers = ("bars", "missing", "venue's", "wrong", "idle", "jumps")
    for name in ("market", "from", "to", *numbers, ""):
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    for one in reports:
        at_venue = sum(gap.bars for gap in one.gaps if gap.at_venue)
        wrong = one.duplicates + one.disordered + one.impossible + one.off_grid
        counts = (one.rows, one.missing, at_venue, wrong, one.idle_bars, one.jumps)
        verdict = "unsound" if one.problems else "sound"
        table.add_row(one.market.name, *map(_date, (one.first, one.last)), *(f"{n:,}" for n in counts), verdict)
    return table


def report_lines(reports: Sequence[Report]) -> list[str]:
    """What the table counts, one by one."""
    lines = []
    for one in reports:
        name = one.market.name
        if one.problems:
            lines.append(f"{name} is unsound: {', '.join(one.problems)}")
        lines += [f"{name}: {_gap(gap)}" for gap in one.gaps[:_MOST_GAPS]]
        if len(one.gaps) > _MOST_GAPS:
            lines.append(f"{name}: … and {len(one.gaps) - _MOST_GAPS} more gaps; --json has all of them")
        lines += [f"{name}: impossible bar at {clock_text(at)}" for at in one.impossible_at]
        lines += [f"{name}: no volume from {clock_text(run.start)} for {run.bars:,} bars" for run in one.idle]
        lines += [
            f"{name}: {jump.change:+.1%} from the last close at {clock_text(jump.at)}" for jump in one.largest_jumps
        ]
    return lines


def report_data(one: Report) -> dict[str, Any]:
    gaps = [{"from": _iso(g.start), "to": _iso(g.end), "bars": g.bars, "at_venue": g.at_venue} for g in one.gaps]
    return _keys(one.market) | {
        "sound": not one.problems,
        "problems": list(one.problems),
        "rows": one.rows,
        "first": _iso(one.first),
        "last": _iso(one.last),
        "missing": one.missing,
        "gaps": gaps,
        "duplicates": one.duplicates,
        "out_of_order": one.disordered,
        "off_grid": one.off_grid,
        "impossible": one.impossible,
        "impossible_at": [_iso(at) for at in one.impossible_at],
        "idle_bars": one.idle_bars,
        "idle": [{"from": _iso(run.start), "to": _iso(run.end), "bars": run.bars} for run in one.idle],
        "jumps": one.jumps,
        "largest_jumps": [{"at": _iso(jump.at), "change": jump.change} for jump in one.largest_jumps[:_MOST_JUMPS]],
    }


def _gap(gap: Gap) -> str:
    whose = "the venue has none" if gap.at_venue else "not fetched"
    return f"{gap.bars:,} bars missing from {clock_text(gap.start)} up to {clock_text(gap.end)} ({whose})"


# --- query -------------------------------------------------------------------------------------------


def answer_table(told: Answer) -> Table:
    table = Table()
    for name in told.columns:
        table.add_column(name)
    for row in told.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def plain(value: Any) -> Any:
    """A value JSON can hold: numbers stay numbers, times become ISO text, what is no number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value


def _keys(market: Market) -> dict[str, Any]:
    return {"exchange": market.exchange or None, "symbol": market.symbol, "interval": market.interval}


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else moment(at_ms).isoformat()


def _when(at_ms: int | None) -> str:
    return "–" if at_ms is None else clock_text(at_ms)


def _date(at_ms: int | None) -> str:
    return _when(at_ms)[:10]
