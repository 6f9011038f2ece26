"""The tables of the page: tiles, figures, months, hours and weekdays, the parameter surface, trades. Plain HTML."""

import math
from html import escape

import numpy as np

from app.backtest.breakdown import Bucket
from app.reports import figures, text
from app.reports.data import reason
from app.reports.report import Report, Surface

MOST_TRADES = 1000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_MS = 86_400_000


def tiles(report: Report) -> str:
    """The figures to see first."""
    cells = "".join(
        f"<div><dt>{escape(one.label)}</dt><dd>{escape(one.value)}</dd><dd class=quiet>{escape(one.detail)}</dd></div>"
        for one in figures.headline(report)
    )
    return f'<dl class="tiles">{cells}</dl>'


def all_figures(report: Report) -> str:
    parts = []
    for group in figures.groups(report):
        rows = "".join(
            f"<tr><th scope=row>{escape(one.label)}{_small(one.about)}</th>"
            f"<td>{escape(one.value)}{_small(one.detail)}</td></tr>"
            for one in group.figures
        )
        parts.append(f"<table class=figures><caption>{escape(group.title)}</caption><tbody>{rows}</tbody></table>")
    return f'<div class="groups">{"".join(parts)}</div>'


# --- heatmaps ----------------------------------------------------------------------------------------


def months(report: Report) -> str:
    """Years down, months across, the whole year at the end."""
    found = {month.label: month.change for month in report.metrics.by_month}
    if not found:
        return "<p>No month was measured.</p>"
    strongest = max((abs(change) for change in found.values() if change is not None), default=0.0)
    head = "".join(f"<th scope=col>{name}</th>" for name in (*_MONTHS, "Year"))
    rows = []
    for year in sorted({label[:4] for label in found}, reverse=True):
        names = [f"{year}-{number:02}" for number in range(1, 13)]
        cells = "".join(_month_cell(name in found, found.get(name), strongest) for name in names)
        known = [found[name] for name in names if name in found]
        whole = None if None in known else math.prod(1 + (change or 0.0) for change in known) - 1
        rows.append(f"<tr><th scope=row>{year}</th>{cells}<td class=year>{text.percent(whole, signed=True)}</td></tr>")
    return f'<div class="wide"><table class="heat"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _month_cell(measured: bool, change: float | None, strongest: float) -> str:  # noqa: FBT001
    if not measured:
        return "<td></td>"
    if change is None:
        return f"<td>{text.MISSING}</td>"
    return f"<td{_tint(change, strongest)}>{text.percent(change, signed=True).removesuffix(' %')}</td>"


def _tint(value: float, strongest: float) -> str:
    """Colour by sign and size; the number is in the cell, so that colour alone says nothing."""
    share = min(1.0, abs(value) / strongest) if strongest > 0 else 0.0
    name = "gain" if value > 0 else "loss" if value < 0 else "even"
    return f' class={name} style="--s:{8 + 62 * share:.0f}%"'


def surface(found: Surface) -> str:
    """One cell for each pair; darker is better, between the lowest and the highest value."""
    known = found.values[np.isfinite(found.values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    head = "".join(f"<th scope=col>{x:g}</th>" for x in found.x)
    rows = []
    for y, values in zip(found.y, found.values, strict=True):
        cells = "".join(
            _surface_cell(float(value), low, high, chosen=found.chosen == (x, y))
            for x, value in zip(found.x, values, strict=True)
        )
        rows.append(f"<tr><th scope=row>{y:g}</th>{cells}</tr>")
    corner = f"<th>{escape(found.y_name)} ↓ {escape(found.x_name)} →</th>"
    return f'<div class="wide"><table class="heat"><tr>{corner}{head}</tr>{"".join(rows)}</table></div>'


def _surface_cell(value: float, low: float, high: float, *, chosen: bool) -> str:
    ring = " chosen" if chosen else ""
    if not math.isfinite(value):
        return f'<td class="even{ring}">{text.MISSING}</td>'
    share = (value - low) / (high - low) if high > low else 0.5
    return f'<td class="rank{ring}" style="--s:{6 + 64 * share:.0f}%">{text.ratio(value)}</td>'


# --- by hour and weekday -----------------------------------------------------------------------------


def clock(report: Report) -> str:
    parts = [_bars("Weekday", report.metrics.by_weekday, report.quote)]
    if report.run.series.step_ms < _DAY_MS:
        parts.insert(0, _bars("Hour", report.metrics.by_hour, report.quote))
    return f'<div class="clock">{"".join(parts)}</div>'


def _bars(title: str, buckets: tuple[Bucket, ...], quote: str) -> str:
    """Bars to the left for losses, to the right for gains, with the numbers beside them."""
    strongest = max(abs(bucket.pnl) for bucket in buckets) or 1.0
    rows = "".join(
        f"<tr><th scope=row>{bucket.label}</th><td class=number>{bucket.trades:,}</td>"
        f"<td class=number>{text.money(bucket.pnl, signed=True)}</td><td>{_bar(bucket.pnl / strongest)}</td></tr>"
        for bucket in buckets
    )
    head = f"<th scope=col>{title}</th><th scope=col>Trades</th><th scope=col>{escape(quote)}</th><th></th>"
    return f"<table class=bars><tr>{head}</tr>{rows}</table>"


def _bar(share: float) -> str:
    """`share` of half the width, -1 to 1."""
    left, name = (50 + min(share, 0.0) * 50, "gain" if share > 0 else "loss")
    return (
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{name}" x="{left:.1f}" y="1" width="{abs(share) * 50:.1f}" height="8"/>'
        '<path d="M50 0V10"/></svg>'
    )


# --- trades ------------------------------------------------------------------------------------------

_COLUMNS = ("Entry bar", "Exit bar", "Side", "Quantity", "In at", "Out at", "P&L", "Fees", "Funding", "Reason")


def trades_note(report: Report) -> str:
    total = len(report.run.trades)
    order = "Newest first. Click a title to sort, a row to see it on the chart."
    if total > MOST_TRADES:
        return f"The newest {MOST_TRADES:,} of {total:,}; the workbook and the JSON file hold all. {order}"
    return order


def trades(report: Report) -> str:
    run = report.run
    first = max(0, len(run.trades) - MOST_TRADES)
    if not len(run.trades):
        return "<p>There was no trade.</p>"
    head = "".join(f'<th scope=col><button type="button">{escape(name)}</button></th>' for name in _COLUMNS)
    rows = "".join(_trade_row(report, number) for number in range(len(run.trades) - 1, first - 1, -1))
    return (
        f'<div class="wide list"><table id="trades"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _trade_row(report: Report, number: int) -> str:
    trade, ts = report.run.trades[number], report.run.series.ts
    start, end = int(ts[trade["entry_bar"]]), int(ts[trade["exit_bar"]])
    pnl = float(trade["pnl"])
    cells = (
        (start, text.minute(start)),
        (end, text.minute(end)),
        (int(trade["side"]), "long" if trade["side"] > 0 else "short"),
        (float(trade["quantity"]), text.price(float(trade["quantity"]))),
        (float(trade["entry_price"]), text.price(float(trade["entry_price"]))),
        (float(trade["exit_price"]), text.price(float(trade["exit_price"]))),
        (pnl, text.money(pnl, signed=True)),
        (float(trade["fees"]), text.money(float(trade["fees"]))),
        (float(trade["funding"]), text.money(float(trade["funding"]))),
        (int(trade["reason"]), reason(int(trade["reason"]))),
    )
    name = "gain" if pnl > 0 else "loss" if pnl < 0 else "even"
    return (
        f"<tr class={name} data-n={number}>"
        + "".join(f"<td data-v={key!r}>{said}</td>" for key, said in cells)
        + "</tr>"
    )


def _small(line: str) -> str:
    return f"<small>{escape(line)}</small>" if line else ""
