"""How `tradingbot backtest` answers: report files, one screen of figures, a table to compare, data for programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.reports import Report, text, words, write_comparison, write_report
from app.reports.comparison import COLUMNS, ranked, rows, verdict
from app.reports.data import document
from app.reports.figures import Figure, groups

_SCREEN = (  # two columns of figures, read downwards
    ("growth.total", "growth.cagr", "market.total", "growth.sharpe", "growth.sortino", "growth.calmar"),
    ("drawdown.depth", "drawdown.bars", "use.exposure", "use.costs", "statistics.psr", "statistics.dsr"),
    ("trades.count", "trades.win_rate", "trades.profit_factor", "trades.expectancy", "trades.worst", "use.turnover"),
)


def write(reports: Sequence[Report], formats: Sequence[str], folder: Path) -> dict[str, Path]:
    """The files by what they are. Several strategies get a page each and one that compares them."""
    if len(reports) == 1:
        return _files(reports[0], formats, folder, "report")
    written: dict[str, Path] = {}
    for report in reports:
        found = _files(report, formats, folder, report.strategy)
        written |= {f"{report.strategy}.{kind}": path for kind, path in found.items()}
    if "html" in formats:
        written = {"html": write_comparison(reports, folder / "index.html"), **written}
    return written


def _files(report: Report, formats: Sequence[str], folder: Path, name: str) -> dict[str, Path]:
    return write_report(report.run, report.metrics, report.statistics, folder, formats, name=name, plots=report.plots)


def data(reports: Sequence[Report], paths: Mapping[str, Path]) -> dict[str, Any]:
    """The JSON report of one, or of each, without the trades; `--report json` writes those too."""
    found = []
    for report in reports:
        whole = document(report)
        del whole["trades"]
        found.append(whole)
    written = {kind: str(path) for kind, path in paths.items()}
    return {**found[0], "reports": written} if len(found) == 1 else {"strategies": found, "reports": written}


def show(reports: Sequence[Report], paths: Mapping[str, Path], console: Console) -> None:
    if reports[0].synthetic:
        console.print(f"[bold yellow]{escape(words.SYNTHETIC)}[/]\n")
    if len(reports) == 1:
        _show_one(reports[0], console)
    else:
        _compare(reports, console)
    # As they are: a path broken by a line break or by colours cannot be copied.
    for path in [paths["html"]] if "html" in paths else paths.values():
        console.print(f"report: {path}", markup=False, soft_wrap=True)


def _show_one(report: Report, console: Console) -> None:
    console.print(f"[bold]{escape(report.title)}[/]")
    console.print(" ".join(words.summary(report)), markup=False)
    console.print(_figures(report))
    _say_limits(words.limits(report), console)


def _say_limits(lines: Sequence[str], console: Console) -> None:
    console.print("[bold]What these numbers can't say[/]")
    for line in lines:
        if line != words.SYNTHETIC:  # said above
            console.print(f"• {line}", markup=False)


def _figures(report: Report) -> Table:
    found = {figure.key: figure for group in groups(report) for figure in group.figures}
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    for _ in _SCREEN:
        table.add_column()
        table.add_column(justify="right")
    for keys in zip(*_SCREEN, strict=True):
        cells = []
        for key in keys:
            cells += [_label(found[key]), escape(found[key].value)]
        table.add_row(*cells)
    return table


def _label(figure: Figure) -> str:
    short = {
        "statistics.psr": "Sharpe above 0, confidence",
        "statistics.dsr": "… above luck's best",
        "drawdown.bars": "… peak to recovery",
    }
    return f"[dim]{escape(short.get(figure.key, figure.label))}[/]"


def _compare(reports: Sequence[Report], console: Console) -> None:
    best_first = ranked(reports)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("strategy")
    for _, title in COLUMNS:
        table.add_column(title, justify="right")
    for row in rows(best_first):
        table.add_row(escape(row.strategy), *map(escape, row.cells))
    first = best_first[0]
    series = first.run.series
    span = f"{text.day(first.metrics.span.start_ms)} to {text.day(first.metrics.span.end_ms)}"
    what = f"[bold]{escape(series.symbol)}, {escape(series.interval)}[/], {span}, {escape(series.source)}"
    console.print(f"{what}, best Sharpe ratio first")
    console.print(table)
    for line in verdict(reports):
        if line != words.SYNTHETIC:
            console.print(line, markup=False)
    _say_limits(words.shared_limits(first), console)
