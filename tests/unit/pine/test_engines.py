"""Engines as other processes: found where they are installed, asked in files, and believed only when they answer whole.

The engines here are small programs of the test's own; `make parity` runs the real ones.
"""

import json
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.history import synthetic
from app.pine import engines
from app.pine.compare import Deal

SOURCE = "bool enter_long = close > open\nfloat long_stop = low\n"
ANSWER = """
import json, sys
request = json.load(open(sys.argv[1]))
bars = len(request["columns"]["close"])
plots = {name: [None] * bars for name in request["plots"]}
plots["parity:equity"] = request["columns"]["close"]
trade = dict(side=1, entry_bar=4, exit_bar=6, quantity=2, entry_price=10, exit_price=11, pnl=1.5)
declared = dict(initial_capital=5000, commission_value=0.05, commission_type="percent", slippage=0)
json.dump(dict(declared=declared, plots=plots, trades=[dict(trade, entry_bar=8), trade]), open(sys.argv[2], "w"))
"""


@pytest.fixture
def series():
    return synthetic("BTCUSDT", "4h", 12, 1, datetime(2024, 1, 1, tzinfo=UTC))


@pytest.fixture
def engine(tmp_path):
    """`engine("a program")`: an engine that is this program."""

    def of(program: str) -> engines.Engine:
        file = tmp_path / "engine.py"
        file.write_text(program)
        return engines.Engine("Fake", "1.0", (sys.executable, str(file)), tmp_path)

    return of


def test_what_an_engine_says_becomes_an_account(engine, series):
    account = engines.run(engine(ANSWER), SOURCE, series)
    assert (account.engine, account.capital, account.fee_rate) == ("Fake 1.0", 5000.0, 0.0005)
    np.testing.assert_array_equal(account.equity, series.close)
    assert set(account.signals) == {"enter_long", "long_stop"}
    assert np.isnan(account.signals["long_stop"]).all()
    assert account.deals == (Deal(1, 4, 6, 2, 10, 11, 1.5), Deal(1, 8, 6, 2, 10, 11, 1.5))


def test_the_engine_gets_the_script_with_its_plots_and_the_candles(engine, series, tmp_path):
    keep = ANSWER + f"\nimport shutil; shutil.copy(sys.argv[1], {str(tmp_path / 'seen.json')!r})"
    engines.run(engine(keep), SOURCE, series)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["source"].startswith(SOURCE)
    assert 'plot(enter_long ? 1 : 0, "parity:enter_long")' in seen["source"]
    assert (seen["symbol"], seen["timeframe"]) == ("BTCUSDT", "240")
    assert seen["columns"]["ts"] == series.ts.tolist()
    assert seen["columns"]["high"] == series.high.tolist()


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; sys.exit('line 3: what is this?')", "Fake 1.0 refused the script: line 3: what is this?"),
        ("import sys; sys.exit(3)", "refused the script: exit code 3"),
        (ANSWER.replace('["close"]\n', '["close"][1:]\n'), "another number of bars than the 12"),
        (ANSWER.replace("slippage=0", "slippage=2"), "no slippage"),
        (ANSWER.replace('type="percent"', 'type="cash_per_order"'), "commission.percent"),
    ],
)
def test_an_engine_that_refuses_or_answers_in_part_is_not_believed(engine, series, program, complaint):
    with pytest.raises(OperatorError, match=complaint):
        engines.run(engine(program), SOURCE, series)


def test_an_engine_that_hangs_is_given_up(engine, series, monkeypatch):
    monkeypatch.setattr(engines, "TIMEOUT_S", 0.2)
    with pytest.raises(OperatorError, match="did not finish within"):
        engines.run(engine("import threading; threading.Event().wait()"), SOURCE, series)


@pytest.mark.parametrize(
    ("interval", "name"), [("1m", "1"), ("1h", "60"), ("4h", "240"), ("1d", "1D"), ("3d", "3D"), ("1w", "1W")]
)
def test_intervals_as_pine_calls_them(interval, name):
    assert engines.timeframe(interval) == name


# --- what is installed -----------------------------------------------------------------------------


def install(folder, *packages: str) -> None:
    """An environment as pip and npm leave it, without what is in the packages."""
    python = folder / "pyne" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    for package in packages:
        if package == "pinets":
            package_json = folder / "node" / "node_modules" / "pinets" / "package.json"
            package_json.parent.mkdir(parents=True)
            package_json.write_text('{"version": "0.9.34"}')
        else:
            (folder / "pyne" / "lib" / "python3.11" / "site-packages" / f"{package}.dist-info").mkdir(parents=True)


def test_nothing_is_installed_in_a_folder_that_is_not_there(tmp_path):
    assert engines.installed(tmp_path / "nowhere") == ()
    assert engines.refused_by_parser({"x": SOURCE}, tmp_path) is None


def test_pynecore_needs_the_transpiler(tmp_path):
    install(tmp_path, "pynesys_pynecore-6.11.0")
    assert engines.installed(tmp_path) == ()
    install(tmp_path, "opencode_pine2pyne-0.2.4")
    (found,) = engines.installed(tmp_path)
    assert (found.name, found.version) == ("PyneCore", "6.11.0")
    assert found.command[0] == str(tmp_path / "pyne" / "bin" / "python")


def test_pinets_needs_node(tmp_path, monkeypatch):
    install(tmp_path, "pinets")
    monkeypatch.setattr(engines.shutil, "which", lambda *_args, **_options: "/usr/bin/node")
    (found,) = engines.installed(tmp_path)
    assert (found.name, found.version, found.folder) == ("PineTS", "0.9.34", tmp_path / "node")
    monkeypatch.setattr(engines.shutil, "which", lambda *_args, **_options: None)
    assert engines.installed(tmp_path) == ()


def test_the_versions_to_install_are_those_that_parity_is_tested_with():
    how = engines.how_to_install()
    here = engines.RUNNERS.parent.parent.parent / "tests" / "parity"
    locked = json.loads((here / "package-lock.json").read_text())["packages"]
    assert f"pinets@{locked['node_modules/pinets']['version']}" in how
    pins = [line.split(" ")[0] for line in (here / "requirements.txt").read_text().splitlines() if "==" in line]
    assert {f"{name}=={version}" for name, version in engines.PINNED.items() if name != "pinets"} <= set(pins)
    assert all(pin in how for pin in pins if pin.split("==")[0] in engines.PINNED)
