"""The report as a picture (PNG) and as a print (PDF, four pages). Figures are objects; no global drawing state."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import dates as mdates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from app.backtest.metrics import fall
from app.reports import figures, inputs, text, words
from app.reports.report import Report
from app.reports.thin import extremes, spans_orders

_INK, _QUIET, _GAIN, _LOSS, _OWN, _HOLD = "#1c2530", "#5b6773", "#127a52", "#b8352c", "#1f5fbf", "#8a94a0"
_A4 = (8.27, 11.69)
_POINTS = 3000
_PLAIN: dict[str, Any] = {"parse_math": False}  # a $ in a name is a $, not mathematics
_MONTHS_A_YEAR = 12


def write_png(report: Report, path: Path) -> None:
    """Equity, drawdown and the headline figures, 1500 × 1050 pixels."""
    figure = Figure(figsize=(10, 7), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    _heading(figure, report, 0.965)
    _headline(figure, report, 0.905)
    _equity(figure, report, bottom=0.34, height=0.41)
    _drawdown(figure, report, bottom=0.09, height=0.18)
    figure.text(0.08, 0.02, _foot(report), fontsize=7, color=_QUIET, **_PLAIN)
    figure.savefig(path, format="png", metadata={"Software": None})


def write_pdf(report: Report, path: Path) -> None:
    # Without dates and a program's version in it the same run gives the same file.
    with PdfPages(
        path, metadata={"Title": report.title, "CreationDate": None, "Creator": None, "Producer": None}
    ) as pages:
        for figure in (_page_of_words(report), _page_of_charts(report), *_pages_of_rows(report)):
            pages.savefig(figure)


# --- pages -------------------------------------------------------------------------------------------


def _page(report: Report) -> Figure:
    figure = Figure(figsize=_A4, facecolor="white")
    _heading(figure, report, 0.955)
    figure.text(0.08, 0.03, _foot(report), fontsize=7, color=_QUIET, **_PLAIN)
    return figure


def _page_of_words(report: Report) -> Figure:
    figure = _page(report)
    _headline(figure, report, 0.90)
    line = 0.79
    for title, lines in (
        ("What happened", words.summary(report)),
        ("What these numbers can’t say", words.limits(report)),
    ):
        figure.text(0.08, line, title, fontsize=12, fontweight="bold", color=_INK, va="top")
        line -= 0.026
        for said in lines:
            wrapped = textwrap.wrap(f"• {said}", 98, subsequent_indent="   ")
            figure.text(0.08, line, "\n".join(wrapped), fontsize=9, color=_INK, va="top", linespacing=1.4, **_PLAIN)
            line -= 0.0158 * len(wrapped) + 0.006
        line -= 0.022
    return figure


def _page_of_charts(report: Report) -> Figure:
    figure = _page(report)
    _equity(figure, report, bottom=0.66, height=0.23)
    _drawdown(figure, report, bottom=0.51, height=0.10)
    _months(figure, report, bottom=0.30, height=0.14)
    _clock(figure, report, bottom=0.08, height=0.15)
    return figure


def _pages_of_rows(report: Report) -> Iterable[Figure]:
    """All figures on one page, all inputs on another."""
    found = [(one.title, [(f.label, _valued(f)) for f in one.figures]) for one in figures.groups(report)]
    yield _rows_page(report, found)
    yield _rows_page(report, [(title, list(rows)) for title, rows in inputs.sections(report)])


def _rows_page(report: Report, found: list[tuple[str, list[tuple[str, str]]]]) -> Figure:
    figure = _page(report)
    line = 0.905
    for title, rows in found:
        figure.text(0.08, line, title, fontsize=11, fontweight="bold", color=_INK, va="top")
        line -= 0.022
        for name, value in rows:
            wrapped = textwrap.wrap(value, 66) or [""]
            figure.text(0.08, line, name, fontsize=8, color=_QUIET, va="top", **_PLAIN)
            figure.text(0.45, line, "\n".join(wrapped), fontsize=8, color=_INK, va="top", linespacing=1.3, **_PLAIN)
            line -= 0.0128 * len(wrapped) + 0.0022
        line -= 0.016
    return figure


def _valued(figure: figures.Figure) -> str:
    return f"{figure.value}   ({figure.detail})" if figure.detail else figure.value


# --- parts -------------------------------------------------------------------------------------------


def _heading(figure: Figure, report: Report, top: float) -> None:
    span = report.metrics.span
    where = f"{text.day(span.start_ms)} to {text.day(span.end_ms)} · {report.run.series.source}"
    figure.text(0.08, top, report.title, fontsize=14, fontweight="bold", color=_INK, va="center", **_PLAIN)
    figure.text(0.94, top, where, fontsize=8, color=_QUIET, ha="right", va="center", **_PLAIN)


def _headline(figure: Figure, report: Report, top: float) -> None:
    """Eight figures in two rows of four."""
    step = 0.042 if figure.get_figwidth() < figure.get_figheight() else 0.06
    for number, one in enumerate(figures.headline(report)):
        left, line = 0.08 + number % 4 * 0.22, top - number // 4 * step
        figure.text(left, line, one.label, fontsize=7.5, color=_QUIET, **_PLAIN)
        figure.text(left, line - step * 0.42, one.value, fontsize=11, fontweight="bold", color=_INK, **_PLAIN)


def _foot(report: Report) -> str:
    return (
        words.SYNTHETIC
        if report.synthetic
        else "Past prices and assumed costs: the report says what these figures can’t."
    )


def _axes(figure: Figure, box: tuple[float, float, float, float]) -> Any:
    axes = figure.add_axes(box)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25)
    axes.tick_params(labelsize=7.5, colors=_QUIET)
    return axes


def _times(report: Report) -> tuple[Any, Any, Any]:
    """Closing times, equity and the price of holding, of the measured bars."""
    run = report.run
    first = min(run.warm_up, max(len(run.equity) - 1, 0))
    closes = (run.series.ts[first:] + run.series.step_ms).astype("datetime64[ms]")
    return closes, run.equity[first:], run.series.close[first:]


def _equity(figure: Figure, report: Report, *, bottom: float, height: float) -> None:
    axes = _axes(figure, (0.08, bottom, 0.86, height))
    times, equity, close = _times(report)
    axes.set_title(f"Equity, {report.quote}", loc="left", fontsize=9, color=_INK)
    if not len(equity):
        return
    picked = extremes(equity, _POINTS)
    hold = close / close[0] * equity[0]
    if spans_orders(equity, hold):
        axes.set_yscale("log")
    axes.plot(times[picked], hold[picked], color=_HOLD, linewidth=0.9, label="buy and hold")
    axes.plot(times[picked], equity[picked], color=_OWN, linewidth=1.3, label="strategy")
    axes.legend(fontsize=7.5, frameon=False, loc="upper left")
    axes.xaxis.set_major_formatter(_dates(axes))


def _drawdown(figure: Figure, report: Report, *, bottom: float, height: float) -> None:
    axes = _axes(figure, (0.08, bottom, 0.86, height))
    times, equity, _ = _times(report)
    axes.set_title("Drawdown, %", loc="left", fontsize=9, color=_INK)
    if not len(equity):
        return
    below = fall(equity) * -100
    picked = extremes(below, _POINTS)
    axes.fill_between(times[picked], below[picked], 0.0, color=_LOSS, alpha=0.35, linewidth=0)
    axes.xaxis.set_major_formatter(_dates(axes))


def _months(figure: Figure, report: Report, *, bottom: float, height: float) -> None:
    axes = _axes(figure, (0.08, bottom, 0.86, height))
    axes.set_title("Change of equity by month, %", loc="left", fontsize=9, color=_INK)
    axes.grid(visible=False)
    found = {month.label: month.change for month in report.metrics.by_month}
    years = sorted({label[:4] for label in found})
    if not years:
        return
    grid = np.array([[_cell(found.get(f"{year}-{number:02}")) for number in range(1, 13)] for year in years])
    strongest = float(np.nanmax(np.abs(grid))) if np.isfinite(grid).any() else 1.0
    axes.imshow(grid, aspect="auto", cmap="RdYlGn", vmin=-(strongest or 1.0), vmax=strongest or 1.0, alpha=0.75)
    axes.set_xticks(
        range(_MONTHS_A_YEAR), ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
    axes.set_yticks(range(len(years)), years)
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7, color=_INK)


def _cell(change: float | None) -> float:
    return float("nan") if change is None else change * 100


def _clock(figure: Figure, report: Report, *, bottom: float, height: float) -> None:
    """P&L by hour and by weekday of the exit."""
    for buckets, title, box in (
        (report.metrics.by_hour, "by hour of the exit, UTC", (0.08, bottom, 0.54, height)),
        (report.metrics.by_weekday, "by weekday", (0.70, bottom, 0.24, height)),
    ):
        axes = _axes(figure, box)
        axes.set_title(f"{report.quote} {title}", loc="left", fontsize=9, color=_INK)
        colours = [_GAIN if bucket.pnl >= 0 else _LOSS for bucket in buckets]
        axes.bar(range(len(buckets)), [bucket.pnl for bucket in buckets], color=colours)
        axes.set_xticks(range(len(buckets)), [bucket.label for bucket in buckets], fontsize=6)


def _dates(axes: Any) -> Any:
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    return mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
