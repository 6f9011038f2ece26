"""Several strategies on one market, side by side, on one self-contained page that links to the page of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from app.reports import figures, page, text, words
from app.reports.report import Report
from app.reports.write import whole

COLUMNS = (  # a figure's key, and its title in the table
    ("growth.total", "Return"),
    ("growth.sharpe", "Sharpe"),
    ("drawdown.depth", "Drawdown"),
    ("trades.count", "Trades"),
    ("trades.win_rate", "Win rate"),
    ("trades.profit_factor", "Profit factor"),
    ("use.exposure", "In the market"),
    ("use.costs", "Fees and funding"),
)


@dataclass(frozen=True, slots=True)
class Row:
    strategy: str
    cells: tuple[str, ...]  # one for each of COLUMNS
    interval: str  # of the return


def ranked(reports: Sequence[Report]) -> list[Report]:
    """By Sharpe ratio, the highest first; those without one last."""
    return sorted(reports, key=lambda one: -(one.metrics.growth.sharpe or 0.0) if _has_sharpe(one) else float("inf"))


def rows(reports: Sequence[Report]) -> list[Row]:
    """In the order given."""
    found = []
    for report in reports:
        known = {figure.key: figure for group in figures.groups(report) for figure in group.figures}
        cells = tuple(known[key].value for key, _ in COLUMNS)
        found.append(Row(report.strategy, cells, known["growth.total"].detail))
    return found


def verdict(reports: Sequence[Report]) -> tuple[str, ...]:
    """What a choice among them is worth, in words."""
    best = ranked(reports)[0]
    found = best.statistics
    lines = [words.SYNTHETIC] if best.synthetic else []
    lines.append(
        f"Buying and holding changed by {text.percent(best.metrics.market.total, signed=True)} from the end of the best"
        " one's warm-up on."
    )
    if found.dsr is not None:
        lines.append(
            f"The best of {found.trials} looks good by luck alone: of as many worthless ones the best is expected to"
            f" show a Sharpe ratio of {text.ratio(found.trials_sharpe)}. The confidence that {best.strategy} is better"
            f" than that is {text.percent(found.dsr)}."
        )
    if found.overfitting is not None:
        lines.append(
            f"Chosen on one half of this history, the best one was in the lower half of the other in"
            f" {text.percent(found.overfitting.probability)} of {found.overfitting.splits:,} splits: the probability of"
            " overfitting. 50 % is what choosing blindly gives."
        )
    return tuple(lines)


def write_comparison(reports: Sequence[Report], path: Path) -> Path:
    """The page at `path`; each strategy's own page is taken to lie beside it under its name. Needs at least one.

    Raises BadSettings when the folder cannot be written.
    """
    whole(path, lambda partial: partial.write_text(_page(ranked(reports)), "utf-8"))
    return path


def _page(reports: Sequence[Report]) -> str:
    series = reports[0].run.series
    title = f"Strategies on {series.symbol}, {series.interval}"
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in ("Strategy", *(name for _, name in COLUMNS)))
    body = "".join(_row(row) for row in rows(reports))
    said = "".join(f"<p>{escape(line)}</p>" for line in verdict(reports))
    unsaid = "".join(f"<li>{escape(line)}</li>" for line in words.shared_limits(reports[0]))
    content = (
        f"<header><h1>{escape(title)}</h1><p class=quiet>{escape(page.where(reports[0]))}</p></header>"
        f'<section class="words"><div><h2>What a choice is worth</h2>{said}</div>'
        f"<div><h2>What these numbers can’t say</h2><ul>{unsaid}</ul></div></section>"
        f'<section><h2>Side by side</h2><p class="quiet">By Sharpe ratio. Under each return its 95 % interval.</p>'
        f'<div class="wide compared"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )
    return page.document(escape(title), content)


def _row(row: Row) -> str:
    link = f'<a href="{quote(row.strategy)}.html">{escape(row.strategy)}</a>'
    first, *others = row.cells
    cells = f"<td>{escape(first)}<small>{escape(row.interval)}</small></td>"
    return f"<tr><th scope=row>{link}</th>{cells}{''.join(f'<td>{escape(cell)}</td>' for cell in others)}</tr>"


def _has_sharpe(report: Report) -> bool:
    return report.metrics.growth.sharpe is not None
