"""`tradingbot pine`: export, check and import-trades as they are typed."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.commands import pine
from app.domain.errors import OperatorError
from app.history import synthetic
from app.pine.compare import EquityMatch, deals_of
from app.pine.engines import Account, Engine
from app.pine.script import origin
from app.pine.tester import trade_as_tester
from app.strategies.registry import SHIPPED, definition
from tests.parity.goldens import BARS, candles, load
from tests.unit.pine.charts import FEE, QUANTITY, listed


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """A folder without strategies of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_DIR", raising=False)


def run(*words: object):
    result = CliRunner().invoke(pine.app, [str(word) for word in words])
    if isinstance(result.exception, OperatorError):
        raise result.exception
    return result


# --- export ----------------------------------------------------------------------------------------


def test_a_script_goes_to_the_terminal_or_into_a_file(tmp_path):
    shown = run("export", "supertrend")
    assert shown.stdout == definition("supertrend").pine()
    assert run("export", "supertrend", "--out", tmp_path / "st.pine").stdout == ""
    assert (tmp_path / "st.pine").read_text() == shown.stdout


def test_values_become_the_inputs_defaults():
    script = run("export", "ema_cross", "--params", "fast=9,slow=30", "--params", "stop_atr=2.5").stdout
    assert script == definition("ema_cross").pine({"fast": 9, "slow": 30, "stop_atr": 2.5})
    assert origin(script).params["slow"] == 30


def test_all_are_written_into_a_folder(tmp_path):
    assert "9 scripts" in run("export", "--all", "--out", tmp_path / "all").stdout
    assert {path.stem for path in (tmp_path / "all").glob("*.pine")} == set(SHIPPED)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("export",), "name one strategy, or say --all"),
        (("export", "supertrend", "--all"), "name one strategy, or say --all"),
        (("export", "--all", "--params", "fast=9"), "of one strategy"),
        (("export", "supertrand"), "did you mean supertrend"),
        (("export", "supertrend", "--params", "facter=2"), "did you mean factor"),
        (("export", "supertrend", "--params", "factor=200"), "between 1 and 8"),
    ],
)
def test_export_says_what_to_type_instead(words, complaint):
    with pytest.raises(OperatorError, match=complaint):
        run(*words)


# --- check -----------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "supertrend.pine"
    file.write_text(definition("supertrend").pine())
    return file


@pytest.fixture
def recorded(monkeypatch):
    """An engine that says what the real ones said when they were recorded, and candles it was said of."""
    account = load("supertrend").account
    # Equity is recorded for some bars only; that it is compared is another test's affair.
    monkeypatch.setattr("app.pine.tester.compare_equity", lambda *_args, **_options: EquityMatch(BARS, 0.0, None))
    monkeypatch.setattr(pine.engines, "installed", lambda _folder: (Engine("Recorded", "1", (), None),))
    monkeypatch.setattr(pine.engines, "refused_by_parser", lambda *_args: "")
    monkeypatch.setattr(pine, "_candles", lambda *_args: candles())
    said = {"account": account}
    monkeypatch.setattr(pine.engines, "run", lambda *_args: said["account"])
    return said


def test_agreement_is_said_and_ends_well(script, recorded):
    result = run("check", script)
    assert result.exit_code == 0, result.output
    assert f"supertrend on {BARS:,} bars of BTCUSDT 1h" in result.stdout
    assert "pynescript: parses" in result.stdout
    assert f"{len(recorded['account'].deals)} of {len(recorded['account'].deals)} trades are the same" in result.stdout


def test_a_difference_is_said_and_ends_badly(script, recorded):
    whole = recorded["account"]
    recorded["account"] = Account(
        "Recorded 1", whole.capital, whole.fee_rate, whole.signals, whole.equity, whole.deals[1:]
    )
    result = run("check", script)
    assert result.exit_code == 1
    assert "NOT the same" in result.stdout
    assert "1 only here" in result.stdout
    data = json.loads(run("check", script, "--json").stdout)
    assert (data["agrees"], data["engines"][0]["agrees"], data["parses"]) == (False, False, True)
    assert len(data["engines"][0]["trades"]["only_here"]) == 1


def test_a_script_the_parser_refuses_ends_badly(script, recorded, monkeypatch):
    monkeypatch.setattr(pine.engines, "refused_by_parser", lambda *_args: "line 7: no")
    result = run("check", script)
    assert result.exit_code == 1
    assert "pynescript: line 7: no" in result.stdout


def test_an_engine_that_does_nothing_does_not_agree(script, recorded):
    whole = recorded["account"]
    silent = {name: np.zeros_like(values) for name, values in whole.signals.items()}
    recorded["account"] = Account("Recorded 1", whole.capital, whole.fee_rate, silent, whole.equity * 0 + 1e4, ())
    result = run("check", script)
    assert result.exit_code == 1
    assert "enter_long is on here and off there on bar" in result.stdout
    assert "0 of" in result.stdout


def test_nothing_traded_is_not_agreement(script, recorded, monkeypatch):
    monkeypatch.setattr(pine, "_candles", lambda *_args: candles()[:150])
    whole = recorded["account"]
    few = {name: values[:150] for name, values in whole.signals.items()}
    recorded["account"] = Account("Recorded 1", whole.capital, whole.fee_rate, few, whole.equity, ())
    with pytest.raises(OperatorError, match=r"no trade was closed on 150 bars.*more candles"):
        run("check", script)


def test_without_an_engine_it_is_said_how_to_get_one(script, tmp_path):
    with pytest.raises(OperatorError, match=r"no Pine engine(.|\n)*npm install(.|\n)*pip install"):
        run("check", script, "--engines-dir", tmp_path)


def test_a_script_of_somebody_elses_is_not_checked(tmp_path):
    (tmp_path / "x.pine").write_text('//@version=6\nstrategy("x")\n')
    with pytest.raises(OperatorError, match="tradingbot pine export"):
        run("check", tmp_path / "x.pine")


# --- import-trades ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    series = synthetic("BTCUSDT", "1h", 1500, 5, datetime(2024, 2, 1, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("candles")
    columns = {name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")}
    table = pa.table({"ts": pa.array(series.ts, pa.timestamp("ms", tz="UTC")), **columns})
    pq.write_table(table, folder / "BTCUSDT-perp-1h.parquet")
    return series, folder


@pytest.fixture
def trades(market, tmp_path):
    """`trades(clock)`: the list that a chart on these candles would export, and how many trades it has."""
    series, _ = market

    def write(clock: str = "UTC", skip: int = 0):
        signals = definition("supertrend").signals(series)
        deals = deals_of(trade_as_tester(series, signals, capital=1e6, quantity=QUANTITY, fee_rate=FEE))
        (tmp_path / "trades.csv").write_text("\n".join(listed(series, deals[skip:], clock)))
        return tmp_path / "trades.csv", len(deals) - skip

    return write


def import_trades(file, market, *words: str):
    return run("import-trades", file, "--strategy", "supertrend", "--data-dir", market[1], *words)


def test_a_list_that_agrees_is_said_to(trades, market):
    file, count = trades("Europe/Berlin")
    result = import_trades(file, market)
    assert result.exit_code == 0, result.output
    assert f"{count} closed trades in the list, 0 of them outside BTCUSDT-perp-1h.parquet" in result.stdout
    assert f"({count} of {count} entries are the open of their bar)" in result.stdout
    assert "commission: 0.0400% on each side (from the list's profits)" in result.stdout
    assert f"{count} trades are the same, 0 differ, 0 only here, 0 only on the chart" in result.stdout


def test_differences_are_shown_in_a_table_and_as_data(trades, market):
    file, count = trades()
    words = ("--params", "target_atr=6")
    result = import_trades(file, market, *words)
    assert result.exit_code == 1
    assert "what differs" in result.stdout
    assert "exit price" in result.stdout
    data = json.loads(import_trades(file, market, *words, "--json").stdout)
    assert not data["agrees"]
    assert data["listed"] == count
    assert data["trades"]["same"] + len(data["trades"]["different"]) + len(data["trades"]["only_there"]) == count
    assert data["trades"]["different"][0]["differences"]


def test_a_commission_can_be_told(trades, market):
    file, _ = trades()
    result = import_trades(file, market, "--commission", "0.1", "--limit", "1")
    assert result.exit_code == 1
    assert "0.1000% on each side (given)" in result.stdout
    assert result.stdout.count("check the") == 1


def test_candles_have_to_be_named(trades):
    with pytest.raises(OperatorError, match=r"--data-dir is needed"):
        run("import-trades", trades()[0], "--strategy", "supertrend")


def test_a_list_without_trades_is_an_error(market, tmp_path):
    (tmp_path / "none.csv").write_text("Trade #,Type,Date/Time,Price,Contracts\n")
    with pytest.raises(OperatorError, match="no closed trade"):
        import_trades(tmp_path / "none.csv", market)
