"""Every figure of a report as text, once, for all formats: label, value, interval or reason, and what it means."""

from dataclasses import dataclass

from app.backtest.statistics import Interval
from app.reports import text
from app.reports.report import Report

_ABOUT = {
    "growth.total": "Equity at the end over equity at the start, minus 1.",
    "growth.cagr": "The yearly rate that compounds to the return over the span.",
    "market.total": "Buying when the warm-up ended and holding to the end: no costs, no leverage.",
    "growth.sharpe": "Mean return per bar over its standard deviation, per year of 365 days; risk-free rate 0.",
    "growth.sortino": "As Sharpe, but only losses count as risk.",
    "growth.calmar": "Return per year over the deepest drawdown.",
    "drawdown.depth": "Deepest fall from a peak, at the closes of bars.",
    "trades.count": "Each part of a position that was closed; a target that takes half is a trade of its own.",
    "trades.win_rate": "Share of trades that gained after fees and funding.",
    "trades.profit_factor": "All gains over all losses.",
    "use.exposure": "Share of bars at whose close a position was held.",
    "use.turnover": "Notional of all fills, both ways, over mean equity.",
    "use.funding": "Negative = received.",
    "statistics.bootstrap": "Share of the bootstrap's resampled histories that ended lower than they started.",
    "statistics.psr": "Probabilistic Sharpe ratio (Bailey & López de Prado 2012).",
    "statistics.dsr": "Deflated Sharpe ratio (Bailey & López de Prado 2014).",
    "statistics.overfitting": "Share of splits in which the best of one half of history is in the other's lower half.",
}


@dataclass(frozen=True, slots=True)
class Figure:
    key: str  # "growth.sharpe": group and field of Metrics, or "statistics.…"
    label: str
    value: str
    detail: str = ""  # the interval, or why there is no value
    about: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    figures: tuple[Figure, ...]


def groups(report: Report) -> tuple[Group, ...]:
    return (_growth(report), _risk(report), _trades(report), _use(report), _luck(report))


def headline(report: Report) -> tuple[Figure, ...]:
    """The eight to see first."""
    wanted = (
        "growth.total",
        "market.total",
        "growth.sharpe",
        "drawdown.depth",
        "trades.count",
        "trades.win_rate",
        "trades.profit_factor",
        "use.costs",
    )
    found = {figure.key: figure for group in groups(report) for figure in group.figures}
    return tuple(found[key] for key in wanted)


def _growth(report: Report) -> Group:
    growth, market = report.metrics.growth, report.metrics.market
    boot = report.statistics.bootstrap
    sure = _percents(boot.total) if boot else ""
    return Group(
        "Growth",
        (
            _figure(report, "growth.total", "Return", text.percent(growth.total, signed=True), sure),
            _figure(report, "growth.end", "Equity at the end", f"{text.money(growth.end)} {report.quote}"),
            _figure(report, "growth.cagr", "Return per year", text.percent(growth.cagr, signed=True)),
            _figure(report, "market.total", "Buy and hold", text.percent(market.total, signed=True)),
            _figure(report, "market.sharpe", "Sharpe of buy and hold", text.ratio(market.sharpe)),
        ),
    )


def _risk(report: Report) -> Group:
    growth, fall, market = report.metrics.growth, report.metrics.drawdown, report.metrics.market
    boot, step = report.statistics.bootstrap, report.run.series.step_ms
    when = f"{text.day(fall.peak_ms)} to {text.day(fall.bottom_ms)}" if fall.peak_ms else ""
    sure = _percents(boot.drawdown) if boot else ""
    lasted = _bars(fall.bars, step)
    if fall.recovered_ms is None:
        lasted = lasted.replace(" ", "+ ", 1)  # "12+ days": it is not over
    return Group(
        "Risk",
        (
            _figure(report, "growth.sharpe", "Sharpe ratio", text.ratio(growth.sharpe), _ratios(_sharpe(report))),
            _figure(report, "growth.sortino", "Sortino ratio", text.ratio(growth.sortino)),
            _figure(report, "growth.calmar", "Calmar ratio", text.ratio(growth.calmar)),
            _figure(report, "growth.volatility", "Volatility per year", text.percent(growth.volatility)),
            _figure(report, "drawdown.depth", "Deepest drawdown", text.percent(fall.depth), sure),
            _figure(report, "drawdown.bars", "… from peak to recovery", lasted, when),
            _figure(report, "drawdown.recovery_bars", "… from bottom to recovery", _bars(fall.recovery_bars, step)),
            _figure(report, "drawdown.longest_bars", "Longest below a peak", _bars(fall.longest_bars, step)),
            _figure(report, "market.drawdown", "Drawdown of buy and hold", text.percent(market.drawdown)),
        ),
    )


def _trades(report: Report) -> Group:
    trades, quote = report.metrics.trades, report.quote
    sides = f"{trades.longs:,} long, {trades.shorts:,} short"
    per_side = f"{text.money(trades.long_pnl, signed=True)} / {text.money(trades.short_pnl, signed=True)} {quote}"
    held = None if trades.average_bars_held is None else trades.average_bars_held * report.run.series.step_ms
    rate = text.percent(trades.expectancy_rate, signed=True, digits=3)
    return Group(
        "Trades",
        (
            _figure(report, "trades.count", "Trades", text.count(trades.count), sides),
            _figure(report, "trades.entries", "Positions opened", text.count(trades.entries)),
            _figure(report, "trades.win_rate", "Win rate", text.percent(trades.win_rate)),
            _figure(report, "trades.entry_win_rate", "Positions that gained", text.percent(trades.entry_win_rate)),
            _figure(report, "trades.profit_factor", "Profit factor", text.ratio(trades.profit_factor)),
            _figure(
                report,
                "trades.expectancy",
                "Mean per trade",
                _money(trades.expectancy, quote),
                f"{rate} of the position",
            ),
            _figure(report, "trades.average_win", "Mean gain", _money(trades.average_win, quote)),
            _figure(report, "trades.average_loss", "Mean loss", _money(trades.average_loss, quote)),
            _figure(report, "trades.payoff", "Mean gain / mean loss", text.ratio(trades.payoff)),
            _figure(report, "trades.best", "Best trade", _money(trades.best, quote)),
            _figure(report, "trades.worst", "Worst trade", _money(trades.worst, quote)),
            _figure(
                report, "trades.longest_losing_streak", "Losses in a row", text.count(trades.longest_losing_streak)
            ),
            _figure(report, "trades.average_bars_held", "Mean time held", text.duration(held)),
            _figure(report, "trades.long_pnl", "Long / short", per_side),
        ),
    )


def _use(report: Report) -> Group:
    use, quote = report.metrics.use, report.quote
    costs = f"{text.money(use.fees + use.funding)} {quote}"
    share = f"{text.percent(use.cost_share)} of the profit before them" if use.cost_share is not None else ""
    return Group(
        "Use and costs",
        (
            _figure(report, "use.exposure", "Time in the market", text.percent(use.exposure)),
            _figure(report, "use.turnover", "Turnover per year", _times(use.turnover)),
            _figure(report, "use.costs", "Fees and funding", costs, share),
            _figure(report, "use.fees", "Fees", f"{text.money(use.fees)} {quote}"),
            _figure(report, "use.funding", "Funding paid", f"{text.money(use.funding)} {quote}"),
        ),
    )


def _luck(report: Report) -> Group:
    found = report.statistics
    boot, overfit = found.bootstrap, found.overfitting
    hurdle = f"above {text.ratio(found.trials_sharpe)}, the best of {found.trials:,} worthless ones"
    return Group(
        "Luck",
        (
            _figure(
                report,
                "statistics.bootstrap",
                "Resampled histories that lost",
                text.percent(boot.loss_share if boot else None),
            ),
            _figure(report, "statistics.psr", "Confidence that the true Sharpe is above 0", text.percent(found.psr)),
            _figure(
                report,
                "statistics.dsr",
                "… above what luck gives the best of those tried",
                text.percent(found.dsr),
                hurdle if found.trials_sharpe is not None else "",
            ),
            _figure(
                report,
                "statistics.overfitting",
                "Probability of overfitting",
                text.percent(overfit.probability if overfit else None),
                f"{overfit.configurations:,} configurations" if overfit else "",
            ),
        ),
    )


def _figure(report: Report, key: str, label: str, value: str, detail: str = "") -> Figure:
    """Where there is no value, the reason takes the interval's place."""
    if value == text.MISSING:
        group, _, name = key.partition(".")
        detail = (
            report.statistics.missing.get(name, "") if group == "statistics" else report.metrics.missing.get(key, "")
        )
    return Figure(key, label, value, detail, _ABOUT.get(key, ""))


def _sharpe(report: Report) -> Interval | None:
    return report.statistics.bootstrap.sharpe if report.statistics.bootstrap else None


def _percents(interval: Interval) -> str:
    return f"{text.percent(interval.low)} to {text.percent(interval.high)}"


def _ratios(interval: Interval | None) -> str:
    return f"{text.ratio(interval.low)} to {text.ratio(interval.high)}" if interval else ""


def _money(value: float | None, quote: str) -> str:
    return text.MISSING if value is None else f"{text.money(value, signed=True)} {quote}"


def _bars(bars: int | None, step_ms: int) -> str:
    return text.duration(None if bars is None else bars * step_ms)


def _times(value: float | None) -> str:
    return text.MISSING if value is None else f"{value:,.1f} × equity"
