"""The least that one backtest needs, so that a fresh process can be timed: python -m benchmarks.first one JOB.npz."""

from importlib.metadata import version
from typing import Any

from app.backtest.engine import backtest, score
from benchmarks.jobs import rows, told
from benchmarks.peers.stopwatch import Work, main

NAME = f"ours {version('tradingbot-ai')}"


def scored(job: Any) -> Work:
    """All figures of `Scores`; no trade and no equity is kept."""
    asked = told(job)
    return lambda: score(*asked), lambda found: [found.trades]


def trades(job: Any) -> list[Any]:
    return rows(backtest(*told(job)))


if __name__ == "__main__":
    main(NAME, trades, {"one": scored})
