"""What Pine engines said about the shipped strategies on generated candles, recorded once and read in every test run.

`make parity` compares with the engines themselves; these files keep a part of that in runs that have no engine.
Recording needs both engines: python -m tests.parity.goldens
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.history import CandleSeries, Floats, synthetic
from app.pine import engines
from app.pine.compare import FLAGS, LEVELS, Deal, compare_deals
from app.pine.engines import Account
from app.strategies.registry import SHIPPED, definition

FOLDER = Path(__file__).parent / "golden"
BARS = 4000
EVERY = 50  # bars between the equities that are kept
DIGITS = 12  # of what is kept; far finer than what is compared


def candles() -> CandleSeries:
    return synthetic("BTCUSDT", "1h", BARS, 11, datetime(2024, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Golden:
    """One strategy's account. Signals and levels are dense again; equity is kept for `equity_bars` only."""

    strategy: str
    params: dict[str, float]
    account: Account
    equity_bars: list[int]


def load(name: str) -> Golden:
    said = json.loads((FOLDER / f"{name}.json").read_text())
    signals = {flag: _dense(bars, 1.0) for flag, bars in said["flags"].items()}
    for level, values in said["levels"].items():
        signals[level] = _dense(said["flags"][LEVELS[level]], values)
    bars = list(range(0, BARS, EVERY))
    deals = tuple(Deal(*row) for row in said["deals"])
    return Golden(
        strategy=said["strategy"],
        params=said["params"],
        account=Account(
            " and ".join(said["engines"]), said["capital"], said["fee_rate"], signals, np.array(said["equity"]), deals
        ),
        equity_bars=bars,
    )


def _dense(bars: list[int], values: float | list[float]) -> Floats:
    column = np.full(BARS, np.nan)
    column[bars] = np.array(values, dtype=np.float64)
    return column


def record(name: str) -> None:
    """Ask both engines and keep what they say, if they say the same."""
    found = definition(name)
    accounts = [engines.run(one, found.pine(), candles()) for one in engines.installed()]
    if len(accounts) != 2:
        sys.exit(f"recording needs both engines:\n{engines.how_to_install()}")
    first, second = accounts
    if not (_same_signals(first, second) and compare_deals(first.deals, second.deals).agrees):
        sys.exit(f"{name}: {first.engine} and {second.engine} do not agree; nothing recorded")
    flags = {flag: np.flatnonzero(second.signals[flag] > 0).tolist() for flag in FLAGS if flag in second.signals}
    data: dict[str, Any] = {
        "strategy": name,
        "params": found.check(),
        "engines": [account.engine for account in accounts],
        "capital": second.capital,
        "fee_rate": second.fee_rate,
        "flags": flags,
        "levels": {
            level: _rounded(second.signals[level][flags[flag]])
            for level, flag in LEVELS.items()
            if level in second.signals
        },
        "deals": [[deal.side, deal.entry_bar, deal.exit_bar, *_rounded(_amounts(deal))] for deal in second.deals],
        "equity": _rounded(second.equity[::EVERY]),
    }
    rows = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text("{\n" + rows + "\n}\n")
    sys.stdout.write(f"{name}: {len(second.deals)} trades\n")


def _same_signals(first: Account, second: Account) -> bool:
    return all(np.array_equal(first.signals[name], second.signals[name]) for name in FLAGS if name in second.signals)


def _amounts(deal: Deal) -> tuple[float, ...]:
    return deal.quantity, deal.entry_price, deal.exit_price, deal.pnl


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


if __name__ == "__main__":
    for strategy in sys.argv[1:] or SHIPPED:
        record(strategy)
