"""A report as an Excel workbook: figures, trades, equity, months, inputs. Numbers are numbers and dates are dates."""

from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter  # type: ignore[import-untyped]

from app.reports import figures, inputs, text, words
from app.reports.data import reason
from app.reports.report import Report

_MOST_ROWS = 1_000_000  # a sheet holds 1,048,576
_TRADE_COLUMNS = (  # title, width, format
    ("Entry bar (UTC)", 17, "time"),
    ("Exit bar (UTC)", 17, "time"),
    ("Side", 7, "text"),
    ("Quantity", 12, "number"),
    ("Entry price", 12, "number"),
    ("Exit price", 12, "number"),
    ("Fees", 10, "money"),
    ("Funding", 10, "money"),
    ("P&L", 12, "money"),
    ("Best on the way", 14, "money"),
    ("Worst on the way", 14, "money"),
    ("Reason", 12, "text"),
)


def write_workbook(report: Report, path: Path) -> None:
    book = xlsxwriter.Workbook(
        str(path), {"nan_inf_to_errors": False, "strings_to_formulas": False, "strings_to_urls": False}
    )
    # The file's own date: the end of the data, so that the same run gives the same file.
    book.set_properties({"title": report.title, "created": text.at(report.metrics.span.end_ms).replace(tzinfo=None)})
    styles = {
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "bold": book.add_format({"bold": True}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        "text": book.add_format({}),
        "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
        "money": book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"}),
        "number": book.add_format({"num_format": "#,##0.########"}),
        "percent": book.add_format({"num_format": "0.00%;[Red]-0.00%"}),
    }
    _figures(book, styles, report)
    _trades(book, styles, report)
    _equity(book, styles, report)
    _months(book, styles, report)
    _inputs(book, styles, report)
    book.close()


def _figures(book: Any, styles: dict[str, Any], report: Report) -> None:
    sheet = book.add_worksheet("Figures")
    sheet.set_column(0, 0, 46)
    sheet.set_column(1, 1, 22)
    sheet.set_column(2, 3, 60)
    sheet.write_string(0, 0, report.title, styles["bold"])
    row = 2
    for title, lines in (("What happened", words.summary(report)), ("What this can't say", words.limits(report))):
        sheet.write_string(row, 0, title, styles["head"])
        for line in lines:
            row += 1
            sheet.merge_range(row, 0, row, 3, line, styles["wrap"])
            sheet.set_row(row, 30)
        row += 2
    for group in figures.groups(report):
        for column, title in enumerate((group.title, "", "95 % interval, or why there is none", "Meaning")):
            sheet.write_string(row, column, title, styles["head"])
        for figure in group.figures:
            row += 1
            sheet.write_string(row, 0, figure.label)
            value, style = _raw(report, figure.key)
            if value is None:
                sheet.write_string(row, 1, figure.value)
            else:
                sheet.write_number(row, 1, value, styles[style])
            sheet.write_string(row, 2, figure.detail)
            sheet.write_string(row, 3, figure.about)
        row += 2


def _raw(report: Report, key: str) -> tuple[float | None, str]:
    """A figure as a number and how to show it, or None where its text says it better."""
    group, _, name = key.partition(".")
    value = getattr(getattr(report.metrics, group, None), name, None)
    if not isinstance(value, int | float) or name.endswith("bars") or name == "average_bars_held" or "_pnl" in name:
        return None, "text"
    shares = ("total", "cagr", "volatility", "depth", "drawdown", "win_rate", "entry_win_rate", "exposure")
    return float(value), "percent" if name in shares else "money" if isinstance(value, float) else "number"


def _trades(book: Any, styles: dict[str, Any], report: Report) -> None:
    sheet = book.add_worksheet("Trades")
    for column, (title, width, style) in enumerate(_TRADE_COLUMNS):
        sheet.set_column(column, column, width, styles[style])
        sheet.write_string(0, column, title, styles["head"])
    run = report.run
    rows = run.trades[-_MOST_ROWS:]
    opened, closed = run.series.ts[rows["entry_bar"]], run.series.ts[rows["exit_bar"]]
    names = ("quantity", "entry_price", "exit_price", "fees", "funding", "pnl", "best", "worst")
    for number, (trade, start, end) in enumerate(zip(rows, opened, closed, strict=True), 1):
        sheet.write_number(number, 0, _serial(start))
        sheet.write_number(number, 1, _serial(end))
        sheet.write_string(number, 2, "long" if trade["side"] > 0 else "short")
        for column, name in enumerate(names, 3):
            sheet.write_number(number, column, float(trade[name]))
        sheet.write_string(number, 11, reason(int(trade["reason"])))
    sheet.freeze_panes(1, 0)
    if len(rows):
        sheet.autofilter(0, 0, len(rows), len(_TRADE_COLUMNS) - 1)


def _equity(book: Any, styles: dict[str, Any], report: Report) -> None:
    """Every bar's close, the newest million of them, with a chart."""
    sheet = book.add_worksheet("Equity")
    run = report.run
    first = max(0, len(run.equity) - _MOST_ROWS)
    peak = np.maximum.accumulate(run.equity)[first:] if len(run.equity) else run.equity
    equity, held = run.equity[first:], run.exposure[first:]
    closes = run.series.ts[first:] + run.series.step_ms
    titles = ("Close of bar (UTC)", "Equity", "Drawdown", "Exposure")
    for column, (title, style) in enumerate(zip(titles, ("time", "money", "percent", "money"), strict=True)):
        sheet.set_column(column, column, 17, styles[style])
        sheet.write_string(0, column, title, styles["head"])
    sheet.write_column(1, 0, [_serial(ms) for ms in closes])
    sheet.write_column(1, 1, equity.tolist())
    sheet.write_column(1, 2, (equity / peak - 1.0).tolist())
    sheet.write_column(1, 3, held.tolist())
    sheet.freeze_panes(1, 0)
    if len(equity):
        chart = book.add_chart({"type": "line"})
        chart.add_series(
            {
                "name": f"Equity, {report.quote}",
                "categories": ["Equity", 1, 0, len(equity), 0],
                "values": ["Equity", 1, 1, len(equity), 1],
                "line": {"width": 1.25},
            }
        )
        chart.set_legend({"none": True})
        chart.set_x_axis({"date_axis": True, "num_format": "yyyy-mm-dd"})
        chart.set_size({"width": 900, "height": 380})
        sheet.insert_chart("F2", chart)


def _months(book: Any, styles: dict[str, Any], report: Report) -> None:
    sheet = book.add_worksheet("Months")
    titles = ("Month (UTC)", "Return", "Trades closed", "Winners", "P&L of trades")
    for column, title in enumerate(titles):
        sheet.set_column(column, column, 16)
        sheet.write_string(0, column, title, styles["head"])
    for row, month in enumerate(report.metrics.by_month, 1):
        sheet.write_string(row, 0, month.label)
        if month.change is not None:
            sheet.write_number(row, 1, month.change, styles["percent"])
        sheet.write_number(row, 2, month.trades)
        sheet.write_number(row, 3, month.wins)
        sheet.write_number(row, 4, month.pnl, styles["money"])
    sheet.freeze_panes(1, 0)


def _inputs(book: Any, styles: dict[str, Any], report: Report) -> None:
    sheet = book.add_worksheet("Inputs")
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, 1, 90)
    row = 0
    for title, rows in inputs.sections(report):
        sheet.write_string(row, 0, title, styles["head"])
        for name, value in rows:
            row += 1
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, value, styles["wrap"])
        row += 2


def _serial(ms: int) -> float:
    """A moment as Excel counts: days since 1899-12-30, UTC."""
    return float(ms) / 86_400_000 + 25_569
