"""`tradingbot strategy`: the secret is shown once, and what TradingView then sends is let in."""

import json
import time
from pathlib import Path

import pytest

from app.commands.strategy import tradingview_message
from app.domain.ids import StrategyId
from app.pipeline.message.model import Secret
from app.registry import Registry

FILE = Path("strategies.yaml")


def registry() -> Registry:
    return Registry(FILE, paper=False, webhook_secret="", monotonic=time.monotonic, alarm=lambda _: None)


def test_add_shows_the_secret_once_and_a_message_that_carries_it(run):
    result = run(
        "strategy", "add", "st-btc", "--symbols", "BTCUSDT, ETHUSDT", "--max-notional", "500.5", "--sides", "LONG"
    )
    assert result.exit_code == 0, result.output
    message = json.loads(result.stdout[result.stdout.index("{\n") :])
    assert result.stdout.count(message["secret"]) == 2  # alone, and in the message
    assert message["secret"] not in FILE.read_text()
    proven = registry().authenticate(StrategyId("st-btc"), Secret(message["secret"]))
    assert proven is not None
    profile = proven.profile
    assert (sorted(profile.symbols), str(profile.max_notional)) == (["BTCUSDT", "ETHUSDT"], "500.5")


def test_programs_get_secret_and_message(run):
    data = json.loads(run("strategy", "add", "st-btc", "--json").stdout)
    assert data["message"] == json.loads(tradingview_message("st-btc", data["secret"]))


def test_adding_twice_is_refused_in_one_line(run):
    run("strategy", "add", "st-btc")
    result = run("strategy", "add", "st-btc")
    assert result.exit_code == 2
    assert "there is a strategy st-btc already" in result.stderr


def test_list_and_check(run):
    assert "no strategies yet" in run("strategy", "list").stdout
    run("strategy", "add", "st-btc", "--symbols", "BTCUSDT", "--max-leverage", "3")
    assert "st-btc: account main, symbols BTCUSDT" in run("strategy", "list").stdout
    (listed,) = json.loads(run("strategy", "list", "--json").stdout)
    assert (listed["strategy"], listed["max_leverage"], listed["enabled"]) == ("st-btc", 3, True)
    assert "in order; strategies: 1" in run("strategy", "check").stdout
    assert json.loads(run("strategy", "check", "--json").stdout) == {"ok": True, "strategies": 1}


def test_a_file_with_a_mistake_is_refused_with_its_line(run):
    FILE.write_text("version: 1\nstrategies:\n  st-btc:\n    symbls: [BTCUSDT]\n")
    result = run("strategy", "check")
    assert result.exit_code == 2
    assert "strategies.yaml line 4" in result.stderr


def test_rotation_accepts_both_secrets_until_it_is_finished(run):
    old = json.loads(run("strategy", "add", "st-btc", "--json").stdout)["secret"]
    new = json.loads(run("strategy", "rotate", "st-btc", "--json").stdout)["secret"]
    name = StrategyId("st-btc")
    assert all(registry().authenticate(name, Secret(secret)) for secret in (old, new))
    assert run("strategy", "rotate", "st-btc", "--finish").exit_code == 0
    assert registry().authenticate(name, Secret(new))
    assert registry().authenticate(name, Secret(old)) is None


def test_rotate_says_how_it_ends(run):
    run("strategy", "add", "st-btc")
    assert "tradingbot strategy rotate st-btc --finish" in run("strategy", "rotate", "st-btc").stdout


@pytest.mark.parametrize("text", ["much", "1,5"])
def test_limits_are_numbers(run, text):
    result = run("strategy", "add", "st-btc", "--max-notional", text)
    assert result.exit_code == 2
    assert "is not a number" in result.stderr
    assert not FILE.exists()


def test_another_file_can_be_named(run, tmp_path):
    other = tmp_path / "other.yaml"
    run("strategy", "add", "st-btc", "--file", str(other))
    assert other.exists()
    assert not FILE.exists()


def test_a_strategy_the_bot_runs_itself_needs_no_secret(run):
    words = ("--runs", "ema_cross", "--interval", "4h", "--params", "fast=8,slow=34", "--symbols", "BTCUSDT")
    result = run("strategy", "add", "own", *words)
    assert result.exit_code == 0, result.output
    assert "a running bot starts it within seconds, on 4h candles" in result.stdout
    assert "secret" not in FILE.read_text().partition("strategies:")[2]
    assert "runs ema_cross, interval 4h, parameters fast=8/slow=34" in run("strategy", "list").stdout
    assert "in order" in run("strategy", "check").stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--runs", "ema_cros", "--symbols", "BTCUSDT"), "did you mean ema_cross"),
        (("--runs", "ema_cross", "--symbols", "BTCUSDT", "--params", "fsat=3"), "did you mean fast"),
        (("--runs", "ema_cross", "--symbols", "BTCUSDT", "--params", "fast=3000"), "fast"),
        (("--runs", "ema_cross", "--symbols", "BTCUSDT", "--interval", "7m"), "must be one of 1m"),
        (("--runs", "ema_cross"), "needs symbols"),
    ],
)
def test_what_could_not_run_is_not_added(run, words, why):
    result = run("strategy", "add", "own", *words)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not FILE.exists()


def test_check_names_a_definition_that_is_gone(run):
    FILE.write_text("strategies:\n  own: {runs: gone, symbols: [BTCUSDT]}\n")
    result = run("strategy", "check")
    assert result.exit_code == 2
    assert "own cannot run: there is no strategy 'gone'" in result.stderr
    doctor = run("doctor", "--json")
    assert "own cannot run" in doctor.stdout
