"""`tradingbot backtest` as it is typed, in a folder of its own."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from app.commands.backtest import app
from app.domain.errors import BadSettings, OperatorError
from app.history import synthetic
from app.strategies.registry import definition
from tests.unit.backtest.runs import START

SHORT = ("--bars", "1500")


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_DIR", raising=False)


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def figures(*words: str) -> dict:
    result = typed(*words, "--json")
    assert result.exit_code == 0
    assert not result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Candles as `tradingbot data` leaves them in a flat folder, with funding for a part of the time."""
    series = synthetic("BTCUSDT", "1h", 1200, 3, START)
    columns = {name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")}
    times = pa.array(series.ts, pa.timestamp("ms", "UTC"))
    data = tmp_path / "candles"
    data.mkdir()
    pq.write_table(pa.table({"ts": times, **columns}), data / "BTCUSDT-perp-1h.parquet")
    charged = times[400::8]
    rates = pa.table({"ts": charged, "funding_rate": [0.0005] * len(charged)})
    pq.write_table(rates, data / "BTCUSDT-perp-funding-8h.parquet")
    return data


def test_a_newcomer_gets_figures_a_report_and_a_warning(tmp_path) -> None:
    result = typed("ema_cross", *SHORT)
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert said.startswith("The candles are generated. They resemble no real market")
    for words in (
        "Sharpe ratio",
        "Profit factor",
        "Deepest drawdown",
        "What these numbers can't say",
        "AI verdict was",
    ):
        assert words in said
    assert len(result.stdout.splitlines()) < 40  # one screen
    path = tmp_path / re.search(r"report: (\S+)", result.stdout)[1]
    assert "<title>ema_cross on BTCUSDT, 1h</title>" in path.read_text()


def test_json_is_the_same_run(tmp_path) -> None:
    found = figures("ema_cross", *SHORT, "--report", "json")
    assert found["data"]["synthetic"]
    whole = json.loads((tmp_path / found["reports"]["json"]).read_text())
    assert whole["metrics"] == found["metrics"]
    assert len(whole["trades"]) == found["metrics"]["trades"]["count"] > 0
    assert figures("ema_cross", *SHORT, "--report", "")["reports"] == {}


def test_parameters_and_sizes_are_used_and_told() -> None:
    found = figures("ema_cross", *SHORT, "--report", "", "--params", "fast=5,slow=30", "--quantity", "0.01")
    assert "fast=5, slow=30" in found["about"]["parameters"]
    assert (found["rules"]["sizing"], found["rules"]["size"]) == ("quantity", 0.01)
    assert found["rules"]["max_notional"] is None  # no limit
    twice = figures(
        "ema_cross", *SHORT, "--report", "", "--params", "fast=5", "--params", "slow=30", "--quantity", "0.02"
    )
    assert twice["metrics"]["use"]["fees"] == pytest.approx(2 * found["metrics"]["use"]["fees"])
    free = figures(
        "ema_cross", *SHORT, "--report", "", "--params", "fast=5,slow=30", "--quantity", "0.01", "--fee", "0"
    )
    assert free["metrics"]["use"]["fees"] < found["metrics"]["use"]["fees"]


def test_targets_cost_what_the_live_bot_pays_unless_they_are_said_to_rest() -> None:
    live = figures("ema_cross", *SHORT, "--report", "")
    resting = figures("ema_cross", *SHORT, "--report", "", "--maker-fee", "0.0002")
    assert (live["costs"]["market_targets"], resting["costs"]["market_targets"]) == (True, False)
    assert live["metrics"]["growth"]["total"] < resting["metrics"]["growth"]["total"]


def test_entries_the_live_bot_refuses_for_too_little_reward_are_not_traded() -> None:
    near = ("--params", "stop_atr=5,target_atr=5", "--report", "")
    assert figures("ema_cross", *SHORT, *near)["metrics"]["trades"]["count"] == 0
    assert figures("ema_cross", *SHORT, *near, "--min-reward-risk", "0.5")["metrics"]["trades"]["count"] > 0
    assert figures("ema_cross", *SHORT, *near, "--share", "1")["metrics"]["trades"]["count"] > 0


def test_entries_below_the_venues_smallest_are_left_out_when_it_is_said() -> None:
    poor = ("--equity", "50", "--report", "")
    assert figures("ema_cross", *SHORT, *poor)["metrics"]["trades"]["count"] > 0
    assert figures("ema_cross", *SHORT, *poor, "--min-notional", "100")["metrics"]["trades"]["count"] == 0
    assert figures("ema_cross", *SHORT, *poor, "--quantity-step", "0.01")["metrics"]["trades"]["count"] == 0


@pytest.mark.parametrize(("sides", "other"), [("long", "shorts"), ("short", "longs")])
def test_one_side_only(sides: str, other: str) -> None:
    trades = figures("ema_cross", *SHORT, "--report", "", "--sides", sides)["metrics"]["trades"]
    assert trades["count"] > 0
    assert trades[other] == 0


def test_a_folder_of_candles_with_its_funding(folder) -> None:
    found = figures("ema_cross", "--data-dir", str(folder), "--report", "")
    assert not found["data"]["synthetic"]
    assert found["data"]["bars"] == 1200
    assert found["about"]["funding"] == "as the venue charged it where that is known, 33 of 50 days"
    assert found["metrics"]["use"]["funding"] != 0
    free = figures("ema_cross", "--data-dir", str(folder), "--report", "", "--no-funding")
    assert free["metrics"]["use"]["funding"] == 0
    assert free["about"]["funding"] == "left out"


def test_a_part_of_the_time(folder) -> None:
    found = figures(
        "ema_cross", "--data-dir", str(folder), "--report", "", "--from", "2024-01-11", "--to", "2024-02-01"
    )
    assert found["data"]["bars"] == 31 * 24  # what there is before it comes along to warm up on
    late = figures("ema_cross", "--data-dir", str(folder), "--report", "", "--from", "2024-02-01", "--to", "2024-02-11")
    assert late["data"]["bars"] == 10 * 24 + definition("ema_cross").warm_up()
    measured = datetime.fromtimestamp(late["metrics"]["span"]["start_ms"] / 1000, UTC)
    assert measured == datetime(2024, 2, 1, 1, tzinfo=UTC)  # the bar after the first signal could be given
    with pytest.raises(BadSettings, match="is not before --to"):
        typed("ema_cross", "--from", "2024-02-01", "--to", "2024-01-01")
    with pytest.raises(OperatorError, match="bars to warm up, and there are 96"):
        typed("ema_cross", "--data-dir", str(folder), "--to", "2024-01-05")
    with pytest.raises(BadSettings, match="there are some from 2024-01-01 to 2024-02-19"):
        typed("ema_cross", "--data-dir", str(folder), "--from", "2031-01-01")


def test_all_of_them_are_compared(tmp_path, folder) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "broken.py").write_text("this is no Python")
    result = typed("--all", "--data-dir", str(folder), "--strategies-dir", str(own))
    assert result.exit_code == 0
    assert "broken.py" in result.stderr
    said = " ".join(result.stdout.split())
    for words in (
        "supertrend",
        "combiner",
        "The best of 9 looks good by luck alone",
        "probability of overfitting",
        "AI verdict was left out",
    ):
        assert words in said
    index = tmp_path / re.search(r"report: (\S+)", result.stdout)[1]
    linked = re.findall(r'href="(\w+\.html)"', index.read_text())
    assert len(linked) == 9
    assert all((index.parent / page).exists() for page in linked)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "name one strategy, or say --all"),
        (("ema_cross", "--all"), "name one strategy, or say --all"),
        (("ema_crss",), "did you mean ema_cross"),
        (("ema_cross", "--params", "fsat=3"), "did you mean fast"),
        (("ema_cross", "--params", "fast"), "is not name=number"),
        (("--all", "--params", "fast=3"), "--params are of one strategy"),
        (("ema_cross", "--risk", "0.01", "--share", "1"), "give one"),
        (("ema_cross", "--report", "docx"), "unknown report format 'docx'"),
        (("ema_cross", "--interval", "7h"), "unknown interval '7h'"),
        (("ema_cross", "--data-dir", "nowhere"), "not a folder of candles"),
        (("ema_cross", "--equity", "-5"), "equity"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(OperatorError, match=complaint):
        typed(*words)


def test_votes_of_a_strategy_that_was_never_judged_are_refused(
    sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{sqlite_template}")
    with pytest.raises(OperatorError, match="judged no alert of a strategy 'own'; there are: none"):
        typed("ema_cross", *SHORT, "--votes", "own")


def test_without_a_database_there_are_no_votes_to_replay(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/none.sqlite3")
    with pytest.raises(OperatorError, match="there is no database"):
        typed("ema_cross", *SHORT, "--votes", "own")
