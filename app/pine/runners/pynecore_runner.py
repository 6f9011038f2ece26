"""Runs one Pine script under PyneCore: `python pynecore_runner.py REQUEST RESULT`, in an environment that has it.

Nothing of the product is imported: the interpreter is another one. The script goes through pine2pyne first. A script
that cannot be run ends with exit code 1 and the reason on stderr.
"""

import json
import math
import sys
import tempfile
from datetime import time
from pathlib import Path
from typing import Any

import pine2pyne  # type: ignore[import-not-found]
from pynecore.core.script_runner import ScriptRunner  # type: ignore[import-not-found]
from pynecore.core.syminfo import SymInfo, SymInfoInterval, SymInfoSession  # type: ignore[import-not-found]
from pynecore.types.ohlcv import OHLCV  # type: ignore[import-not-found]

TICK_DECIMALS = 8  # so fine that levels are not rounded: TradingView's tick is not known here
MIDNIGHT = time(0, 0)
WEEK = range(7)


def main(request_file: str, result_file: str) -> None:
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(pine2pyne.transpile(request["source"]), encoding="utf-8")
        result = run(script, request)
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


def run(script: Path, request: dict[str, Any]) -> dict[str, Any]:
    columns = request["columns"]
    names = ("ts", "open", "high", "low", "close", "volume")
    bars = [OHLCV(*row) for row in zip(*(columns[name] for name in names), strict=True)]
    runner = ScriptRunner(script, bars, market(request), lossless_prices=True, lossless_volume=True)
    plots: dict[str, list[float | None]] = {name: [] for name in request["plots"]}
    trades = []
    for _, values, closed in runner.run_iter():
        for name, found in plots.items():
            value = float(values[name])
            found.append(value if math.isfinite(value) else None)
        trades += [describe(trade) for trade in closed]
    declared = {
        name: getattr(runner.script, name)
        for name in ("initial_capital", "commission_value", "commission_type", "slippage")
    }
    declared["commission_type"] = str(declared["commission_type"])
    return {"declared": declared, "plots": plots, "trades": trades}


def describe(trade: Any) -> dict[str, float]:
    return {
        "side": 1 if trade.size > 0 else -1,
        "entry_bar": int(trade.entry_bar_index),
        "exit_bar": int(trade.exit_bar_index),
        "quantity": abs(float(trade.size)),
        "entry_price": float(trade.entry_price),
        "exit_price": float(trade.exit_price),
        "pnl": float(trade.profit),
    }


def market(request: dict[str, Any]) -> SymInfo:
    """A market that never closes."""
    return SymInfo(
        prefix="EXCHANGE",
        description=request["symbol"],
        ticker=request["symbol"],
        currency="USDT",
        basecurrency=None,
        period=request["timeframe"],
        type="crypto",
        mintick=10.0**-TICK_DECIMALS,
        pricescale=10**TICK_DECIMALS,
        pointvalue=1.0,
        mincontract=1e-8,
        opening_hours=[SymInfoInterval(day, MIDNIGHT, MIDNIGHT) for day in WEEK],
        session_starts=[SymInfoSession(day, MIDNIGHT) for day in WEEK],
        session_ends=[SymInfoSession(day, MIDNIGHT) for day in WEEK],
        timezone="UTC",
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except Exception as error:  # noqa: BLE001 - whatever stops the engine is told to the caller
        sys.exit(f"{type(error).__name__}: {error}")
