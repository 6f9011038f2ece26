"""A report as JSON for programs. docs/concepts/metrics.md has the schema; null stands for NaN and infinity."""

import json
import math
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from app.backtest.model import TRADE, ExitReason, Run
from app.reports import text, words
from app.reports.report import Report

VERSION = 1  # of the schema; grows when a field changes its meaning or leaves


def write_json(report: Report, path: Path) -> None:
    path.write_text(json.dumps(document(report), ensure_ascii=False, allow_nan=False, indent=1) + "\n", "utf-8")


def document(report: Report) -> dict[str, Any]:
    """Rates and shares are fractions, money is in the quote currency, times are ISO 8601 in UTC or `_ms` since 1970."""
    run = report.run
    series = run.series
    found: dict[str, Any] = plain(
        {
            "version": VERSION,
            "about": run.about,
            "summary": words.summary(report),
            "limits": words.limits(report),
            "data": {
                "symbol": series.symbol,
                "interval": series.interval,
                "source": series.source,
                "synthetic": report.synthetic,
                "bars": len(series),
            },
            "rules": asdict(run.rules),
            "costs": asdict(run.costs),
            "liquidated": run.liquidated,
            "metrics": asdict(report.metrics),
            "statistics": asdict(report.statistics),
            "trades": trades(run),
        }
    )
    return found


def trades(run: Run) -> list[dict[str, Any]]:
    """One object per row of Run.trades, with the times of its bars and its side and reason in words."""
    opened = [text.at(int(ms)).isoformat() for ms in run.series.ts[run.trades["entry_bar"]]]
    closed = [text.at(int(ms)).isoformat() for ms in run.series.ts[run.trades["exit_bar"]]]
    rows = []
    for row, start, end in zip(run.trades.tolist(), opened, closed, strict=True):
        named = dict(zip(TRADE.names or (), row, strict=True))
        named |= {"side": "long" if named["side"] > 0 else "short", "reason": reason(named["reason"])}
        rows.append({"entry_bar_opens": start, "exit_bar_opens": end, **named})
    return rows


def reason(code: int) -> str:
    return ExitReason(code).name.lower()


def plain(value: Any) -> Any:
    """The same in types that JSON has; a number that is none becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
