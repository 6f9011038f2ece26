"""`tradingbot optimize` as it is typed, in a folder of its own."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from app.commands.optimize import METHODS, app
from app.domain.errors import OperatorError
from app.history import synthetic
from app.optimize.study import Method

SMALL = (
    *("ema_cross", "--bars", "3000", "--min-trades", "5"),
    *("--search", "fast=4:20:4", "--search", "slow=30:90:15"),
)


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


def test_a_newcomer_gets_the_best_points_and_is_told_what_they_are_worth() -> None:
    said = " ".join(typed(*SMALL, "--method", "grid", "--walk-forward", "2").stdout.split())
    for words in (
        "The candles are generated",
        "25 of 25 points tried, best by sharpe:",
        "Walk-forward: chosen on the past, traded on what followed",
        "How much of it is luck",
        "Deflated Sharpe ratio:",
        "Probability of backtest overfitting:",
        "Cross-validation on",
        "report: var/studies/ema_cross-BTCUSDT-1h-grid-sharpe/report.html",
    ):
        assert words in said
    page = Path("var/studies/ema_cross-BTCUSDT-1h-grid-sharpe/report.html").read_text()
    for words in (  # what is shown to others says it too
        "Chosen among 25: the best of many looks good by luck alone, and its intervals do not know that.",
        "Cross-validation on",
        "Walk-forward returned",
        "the best of them is shown",
        "funding left out",
    ):
        assert words in page


def test_it_goes_on_where_it_stopped_and_ends_at_the_same_best() -> None:
    quick = ("--method", "grid", "--walk-forward", "0", "--report", "")
    first = figures(*SMALL, *quick, "--trials", "10")
    assert first["tried"] == 10
    whole = figures(*SMALL, *quick, "--trials", "25")
    assert whole["tried"] == 25
    afresh = figures(*SMALL, *quick, "--trials", "25", "--fresh")
    assert afresh["best"] == whole["best"]
    assert afresh["best"]["value"] == max(one["value"] for one in afresh["top"])


def test_a_study_is_not_continued_on_other_candles_of_the_same_length() -> None:
    quick = ("--method", "grid", "--trials", "2", "--walk-forward", "0", "--report", "", "--study", "one")
    typed(*SMALL, *quick, "--data-dir", candles("one", 1))
    typed(*SMALL, *quick, "--data-dir", candles("one", 1), "--trials", "3")
    with pytest.raises(OperatorError, match=r"something else \(candles changed\)"):
        typed(*SMALL, *quick, "--data-dir", candles("one", 2))


def candles(name: str, seed: int) -> str:
    series = synthetic("BTCUSDT", "1h", 1000, seed, datetime(2024, 1, 1, tzinfo=UTC))
    columns = {name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")}
    Path(name).mkdir(exist_ok=True)
    times = pa.array(series.ts, pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table({"ts": times, **columns}), f"{name}/BTCUSDT-perp-1h.parquet")
    return name


def test_a_study_is_not_continued_on_other_terms() -> None:
    quick = ("--method", "random", "--trials", "5", "--walk-forward", "0", "--report", "", "--study", "one")
    assert typed(*SMALL, *quick).exit_code == 0
    with pytest.raises(OperatorError, match="study of something else"):
        typed(*SMALL, *quick, "--fee", "0.002")


def test_several_markets_count_together_and_parameters_stay_where_they_are_put() -> None:
    found = figures(
        *SMALL,
        *("--symbol", "BTCUSDT", "--symbol", "ETHUSDT", "--params", "stop_atr=2"),
        *("--method", "genetic", "--trials", "20", "--population", "10", "--walk-forward", "0", "--report", ""),
    )
    assert found["markets"] == ["BTCUSDT 1h", "ETHUSDT 1h"]
    assert found["best"]["parameters"]["stop_atr"] == 2.0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("ema_cros",), "did you mean ema_cross"),
        (("ema_cross", "--search", "fats=1:2"), "did you mean fast"),
        (("ema_cross", "--search", "fast=1:500"), "fast"),
        (("ema_cross", "--metric", "sharp"), "did you mean sharpe"),
        (("ema_cross", "--method", "gird"), "did you mean grid"),
        (("ema_cross", "--risk", "0.01", "--share", "1"), "give one"),
        (("ema_cross", "--min-trades", "100000", "--trials", "5", "--bars", "500"), "none of 5 points says enough"),
    ],
)
def test_what_cannot_be_searched_is_said(words, why) -> None:
    with pytest.raises(OperatorError, match=why):
        typed(*words)


def test_the_help_names_what_there_is() -> None:
    assert set(METHODS) == set(Method)
