"""Everything a run was given, as rows of text: who reads a report can run it again."""

import math
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import Any

from app.backtest.model import Costs, Rules, TargetRule
from app.reports import text
from app.reports.report import FUNDING, PARAMETERS, SEARCH, STRATEGY, VOTES, Report

Rows = tuple[tuple[str, str], ...]

_WORDS = {
    "equity": "Equity at the start",
    "sizing": "Size is given as",
    "size": "Size",
    "leverage": "Leverage at most",
    "max_notional": "Notional at most",
    "max_exposure_rate": "Notional / equity at most",
    "stop_rate": "Stop distance where the signal brings none",
    "target_rate": "Target distance where the signal brings none",
    "targets": "Targets made from the stop",
    "trailing_rate": "Trailing stop",
    "max_entries": "Entries per position",
    "longs": "Longs",
    "shorts": "Shorts",
    "maintenance_rate": "Maintenance margin",
    "quantity_step": "Step of the size",
    "min_notional": "Notional at least",
    "min_reward_risk": "Target / stop distance at least",
    "intrabar": "Path inside a bar",
    "taker_fee_rate": "Fee, taker",
    "maker_fee_rate": "Fee, maker (targets that rest in the book)",
    "slippage_rate": "Slippage",
    "market_targets": "Targets are market orders",
}
_ENGINE = (
    ("Decided", "when a bar has closed"),
    ("Filled", "at the next bar's open, slippage against the trade; a gap beyond a level fills at the open"),
    ("At the end", "an open position is closed at the last close"),
)


def sections(report: Report) -> tuple[tuple[str, Rows], ...]:
    run = report.run
    known = (STRATEGY, PARAMETERS, VOTES, FUNDING, SEARCH)
    more = tuple((name, value) for name, value in run.about.items() if name not in known)
    strategy = (
        ("Strategy", report.strategy),
        ("Parameters", run.about.get(PARAMETERS, "not stated")),
        ("AI votes", run.about.get(VOTES, "left out")),
    )
    return (
        ("Strategy", strategy + more),
        ("Data", _data(report)),
        ("Rules", (*_settings(run.rules), *_ENGINE)),
        ("Costs", (*_settings(run.costs), ("Funding", run.about.get(FUNDING, "not stated")))),
        ("Statistics", _statistics(report)),
    )


def _data(report: Report) -> Rows:
    series, span = report.run.series, report.metrics.span
    return (
        ("Market", f"{series.symbol}, {series.interval} bars"),
        ("Source", series.source),
        ("First bar opens", text.minute(int(series.ts[0]) if len(series) else None)),
        ("Last bar closes", text.minute(int(series.ts[-1]) + series.step_ms if len(series) else None)),
        ("Bars", f"{len(series):,}, the first {span.warm_up:,} of them warm-up, left out of every average"),
        ("A year has", f"{span.bars_per_year:,.0f} bars: 365 days, the market never closes"),
        ("Times", "UTC"),
    )


def _statistics(report: Report) -> Rows:
    boot = report.statistics.bootstrap
    rows = [("Chosen among", text.plural(report.statistics.trials, "configuration"))]
    if boot:
        bars = boot.block * boot.step_bars
        rows.append(("Bootstrap", f"circular blocks of {bars:,} bars, {boot.samples:,} samples, seed {boot.seed}"))
        rows.append(("Intervals", f"{boot.level:.0%}, percentiles"))
    return tuple(rows)


def _settings(given: Rules | Costs) -> Iterator[tuple[str, str]]:
    for field in fields(given):
        yield _WORDS.get(field.name, field.name), _shown(field.name, getattr(given, field.name))


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(_target(rule) for rule in value) or "none"
    if isinstance(value, float) and not math.isfinite(value):
        return "none" if math.isnan(value) else "no limit"
    if name.endswith("_rate"):
        return text.percent(value, digits=3)
    return f"{value:,.10g}"


def _target(rule: TargetRule) -> str:
    return f"{rule.ratio:.0%} at {rule.reward_risk:g} × the stop distance"
