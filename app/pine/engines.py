"""Runs Pine scripts under engines on this machine, each in a process and an environment of its own.

No engine comes with the product: PineTS is under the AGPL, and PyneCore needs an environment of its own. An engine that
is not installed is left out; a script that an engine refuses, or takes too long over, raises OperatorError with the
engine's own words.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.errors import OperatorError
from app.history import CandleSeries, Floats, interval_ms
from app.pine.compare import Deal
from app.pine.script import EQUITY_PLOT, instrumented, shown

RUNNERS = Path(__file__).parent / "runners"
FOLDER = Path("var/parity")  # where the engines are looked for, and where `make parity` puts them
_NODE, _PYNE = "node", "pyne"  # PineTS and PyneCore in it
TIMEOUT_S = 900  # per script; the slower engine takes about a minute for six years of hours
_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
_MINUTE_MS, _DAY_MS, _WEEK_MS = 60_000, 86_400_000, 7 * 86_400_000

PINNED = {"pinets": "0.9.34", "pynesys-pynecore": "6.11.0", "opencode-pine2pyne": "0.2.4", "pynescript": "0.3.0"}


@dataclass(frozen=True, slots=True)
class Engine:
    """A Pine engine that is installed here."""

    name: str
    version: str
    command: tuple[str, ...]  # takes a request file and a result file; Python's -I keeps our environment out of it
    folder: Path  # where it is run


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What one engine says about a script on some candles."""

    engine: str
    capital: float  # quote currency, at the start
    fee_rate: float  # commission on each side, as a fraction of the notional
    signals: Mapping[str, Floats]  # (n,) per field of Signals that the script has; flags are 0 or 1, NaN = none
    equity: Floats  # (n,) at each bar's close
    deals: tuple[Deal, ...]  # closed trades, in order of entry


def installed(folder: Path = FOLDER) -> tuple[Engine, ...]:
    """The engines found below `folder`: PineTS in node/, PyneCore in pyne/."""
    return tuple(engine for engine in (_pinets(folder / _NODE), _pynecore(folder / _PYNE)) if engine)


def how_to_install(folder: Path = FOLDER) -> str:
    """Commands for a person to type."""
    python = " ".join(f"{name}=={PINNED[name]}" for name in PINNED if name != "pinets")
    return (
        "Both, in a checkout of the project: make parity\n"
        f"PineTS (needs Node.js 20 or newer):\n  npm install --prefix {folder / _NODE} pinets@{PINNED['pinets']}\n"
        f"PyneCore, with a transpiler and a parser (needs Python 3.11 or newer):\n  python3 -m venv {folder / _PYNE}\n"
        f"  {folder / _PYNE / 'bin' / 'pip'} install {python}"
    )


def _pinets(folder: Path) -> Engine | None:
    package = folder / "node_modules" / "pinets" / "package.json"
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None or not package.is_file():
        return None
    version = str(json.loads(package.read_text(encoding="utf-8"))["version"])
    return Engine("PineTS", version, (node, str(RUNNERS / "pinets_runner.mjs")), folder)


def _pynecore(folder: Path) -> Engine | None:
    python = _python(folder)
    version = _version(folder, "pynesys_pynecore")
    if python is None or version is None or _version(folder, "opencode_pine2pyne") is None:
        return None
    return Engine("PyneCore", version, (str(python), "-I", str(RUNNERS / "pynecore_runner.py")), folder)


def _python(folder: Path) -> Path | None:
    """The environment's interpreter. Not resolved: what it links to is the interpreter without the environment."""
    found = [path.absolute() for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe")]
    return next((path for path in found if path.is_file()), None)


def _version(folder: Path, package: str) -> str | None:
    found = [
        *folder.glob(f"lib/python*/site-packages/{package}-*.dist-info"),
        *folder.glob(f"Lib/site-packages/{package}-*.dist-info"),
    ]
    return found[0].name.removeprefix(f"{package}-").removesuffix(".dist-info") if found else None


# --- parsing ---------------------------------------------------------------------------------------


def refused_by_parser(scripts: Mapping[str, str], folder: Path = FOLDER) -> str | None:
    """What pynescript has against the first of some scripts it refuses, by name; empty = nothing; None = not installed.

    It takes half a minute over one script and little more over all of them, so they are asked about together.
    """
    python = _python(folder / _PYNE)
    if python is None or _version(folder / _PYNE, "pynescript") is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{name}.pine" for name in scripts]
        for file, source in zip(files, scripts.values(), strict=True):
            file.write_text(source, encoding="utf-8")
        command = (str(python), "-I", str(RUNNERS / "pynescript_parser.py"), *map(str, files))
        done = _finish(command, Path(scratch), "pynescript")
    return "" if done.returncode == 0 else _last_words(done)


# --- running ---------------------------------------------------------------------------------------


def run(engine: Engine, source: str, series: CandleSeries) -> Account:
    """What `engine` makes of the script on these candles. Raises OperatorError when it refuses."""
    asked = shown(source)
    request = {
        "source": instrumented(source),
        "symbol": series.symbol,
        "timeframe": timeframe(series.interval),
        "columns": {name: getattr(series, name).tolist() for name in _COLUMNS},
        "plots": [EQUITY_PLOT, *asked],
    }
    result = _ask(engine, request)
    plots = {title: np.array(values, dtype=np.float64) for title, values in result["plots"].items()}
    if any(len(values) != len(series) for values in plots.values()):
        raise OperatorError(f"{engine.name} answered for another number of bars than the {len(series):,} it was given")
    declared = result["declared"]
    if declared["commission_type"] != "percent" or declared["slippage"]:
        raise OperatorError("parity needs commission_type=strategy.commission.percent and no slippage in strategy()")
    return Account(
        engine=f"{engine.name} {engine.version}",
        capital=float(declared["initial_capital"]),
        fee_rate=float(declared["commission_value"]) / 100,
        signals={name: plots[title] for title, name in asked.items()},
        equity=plots[EQUITY_PLOT],
        deals=tuple(sorted((Deal(**deal) for deal in result["trades"]), key=lambda deal: deal.entry_bar)),
    )


def timeframe(interval: str) -> str:
    """Pine's name of an interval: minutes, days or weeks."""
    length = interval_ms(interval)
    if length % _WEEK_MS == 0:
        return f"{length // _WEEK_MS}W"
    return f"{length // _DAY_MS}D" if length % _DAY_MS == 0 else str(length // _MINUTE_MS)


def _ask(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "request.json", Path(scratch) / "result.json"
        files[0].write_text(json.dumps(request), encoding="utf-8")
        done = _finish((*engine.command, *map(str, files)), engine.folder, engine.name)
        if done.returncode:
            raise OperatorError(f"{engine.name} {engine.version} refused the script: {_last_words(done)}")
        answer: dict[str, Any] = json.loads(files[1].read_text(encoding="utf-8"))
        return answer


def _finish(command: tuple[str, ...], folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - a fixed runner; the script is handed over in a file
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise OperatorError(f"{name} did not finish within {TIMEOUT_S} s: give it fewer candles") from None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return " ".join(lines[-3:]) or f"exit code {done.returncode}"
