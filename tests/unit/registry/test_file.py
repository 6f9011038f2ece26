"""The registry file: what it may say, and how it complains."""

import hashlib
from decimal import Decimal

import pytest

from app.domain.errors import BadRegistry
from app.domain.ids import AccountId
from app.domain.money import Money
from app.domain.policy import OwnRun, TakeProfitRule
from app.domain.side import Side
from app.registry.edit import HEADER
from app.registry.parse import Entry, parse

SECRET = "kEvJ3mPq8sXz1LwT5yRb7NcH2fGd9AuV4oQi6eZt0xM"


def read(text: str, *, paper: bool = False) -> dict[str, Entry]:
    entries = parse(text, file="strategies.yaml", paper=paper, accounts=[AccountId("main"), AccountId("second")])
    return {str(name): entry for name, entry in entries.items()}


def complaint(text: str, *, paper: bool = False) -> str:
    with pytest.raises(BadRegistry) as raised:
        read(text, paper=paper)
    return str(raised.value)


def test_everything_a_strategy_can_have() -> None:
    text = f"""
version: 1
strategies:
  supertrend-btc-1h:
    secret: {SECRET}
    next_secret_sha256: "{hashlib.sha256(b"next").hexdigest()}"
    account: second
    symbols: [BINANCE:BTCUSDT.P, ETH/USDT:USDT]
    sides: [long]
    max_notional: 5000.50
    max_leverage: 3
    risk_per_trade: 0.005
    max_entries: 2
    take_profits:
      - {{reward_risk: 1.5, ratio: 0.5}}
      - {{reward_risk: 3, ratio: 0.5}}
    min_win_rate: 0.6
    enabled: false
"""
    entry = read(text)["supertrend-btc-1h"]
    profile = entry.profile
    assert entry.current == hashlib.sha256(SECRET.encode()).digest()
    assert entry.upcoming == hashlib.sha256(b"next").digest()
    assert profile.account == "second"
    assert profile.symbols == {"BTCUSDT", "ETHUSDT"}
    assert profile.sides == {Side.LONG}
    assert profile.max_notional == Money(Decimal("5000.50"))
    assert (profile.max_leverage, profile.max_entries) == (3, 2)
    assert (profile.risk_per_trade, profile.min_win_rate) == (Decimal("0.005"), Decimal("0.6"))
    half = Decimal("0.5")
    assert profile.take_profits == (TakeProfitRule(Decimal("1.5"), half), TakeProfitRule(Decimal(3), half))
    assert not profile.enabled


@pytest.mark.parametrize("text", ["", "# nothing\n", "strategies:\n", "version: 1\nstrategies: {}\n", HEADER])
def test_a_file_may_hold_no_strategy(text: str) -> None:
    assert read(text) == {}


def test_a_strategy_may_say_nothing_at_all() -> None:
    entry = read("strategies:\n  mine:\n")["mine"]
    assert (entry.current, entry.upcoming) == (None, None)
    assert (entry.profile.account, entry.profile.symbols, entry.profile.enabled) == ("main", frozenset(), True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max_levrage: 3", "did you mean max_leverage?"),
        ("secrt: abc", "did you mean secret?"),
        ("colour: red", "there are secret, next_secret"),
        ("max_leverage: 0", "a whole number from 1 to 125; write e.g. max_leverage"),
        ("max_leverage: 2.5", "a whole number"),
        ("max_leverage: 1000000000000000000000", "a whole number"),
        ("max_leverage:", "must be a single value"),
        ("max_notional: -5", "must be above 0"),
        ("max_notional: 5_000", "is not a number"),
        ("max_notional: .nan", "is not a number"),
        ("risk_per_trade: 1.5", "at most 1; write e.g. 0.01 for 1 %"),
        ("risk_per_trade: 1%", "is not a number"),
        ("min_win_rate: [1]", "must be a single value"),
        ("account: scond", "did you mean second?"),
        ("account: elsewhere", "there are main, second"),
        ("symbols: BTCUSDT", "must be a list, e.g. [BTCUSDT, ETHUSDT]"),
        ("symbols: [BTCUSDT_DLY]", "delayed"),
        ("sides: [UP]", "LONG, SHORT or both"),
        ("sides: []", "LONG, SHORT or both"),
        ("enabled: 1", "must be true or false"),
        ("take_profits: [{reward_risk: 1.5}]", "needs reward_risk and ratio"),
        ("take_profits: [{reward_risk: 1, ratio: 0.7}, {reward_risk: 2, ratio: 0.7}]", "more than the whole position"),
        ("take_profits: [1.5]", "must be a mapping"),
        ("secret_sha256: abc", "64 characters"),
        ("secret: short", "is shorter than 8 characters"),
        ("secret: a-secret-that-can-be-guessed", "too easy to guess"),
        ("secret: " + "a" * 64, "too easy to guess"),
        ("secret: " + "0123456789abcdef" * 3, "too easy to guess"),
        ("secret: CHANGE-ME-kEvJ3mPq8sXz1LwT5yRb7NcH2fGd9AuV4oQi6eZt0xM", "is a placeholder"),
        ("{a: b", "this is not YAML"),
        ("\taccount: main", "this is not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_write(line: str, expected: str) -> None:
    said = complaint(f"version: 1\nstrategies:\n  mine:\n    {line}\n")
    assert said.startswith("strategies.yaml line "), said
    assert expected.replace("write e.g. max_leverage", "write e.g. 3") in said


def test_the_line_is_the_right_one() -> None:
    said = complaint("version: 1\nstrategies:\n  mine:\n    account: main\n    max_leverage: many\n")
    assert said.startswith("strategies.yaml line 5: strategies.mine.max_leverage ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "must be a mapping"),
        ("strategy: {}\n", "did you mean strategies?"),
        ("version: 2\n", "must be 1"),
        ("strategies: [a]\n", "must be a mapping"),
        ("strategies:\n  a b: {}\n", "is not a name"),
        ("strategies:\n  a: {}\n  a: {}\n", "is there twice"),
        ("strategies:\n  a: {account: main, account: second}\n", "is there twice"),
        (f"strategies:\n  a: {{secret: {SECRET}}}\n  b: {{secret: {SECRET}}}\n", "has the same secret as a"),
        (f"strategies:\n  a: {{secret: {SECRET}, secret_sha256: {'0' * 64}}}\n", "keep one"),
        ("a: &x [*x\n", "not YAML"),
    ],
)
def test_mistakes_of_the_whole_file(text: str, expected: str) -> None:
    assert expected in complaint(text)


def test_no_complaint_repeats_a_secret() -> None:
    weak = "hunter2hunter2"
    assert weak not in complaint(f"strategies:\n  a: {{secret: {weak}}}\n")


def test_paper_trading_takes_simple_secrets() -> None:
    assert read("strategies:\n  a: {secret: paper-secret}\n", paper=True)["a"].current


def test_hashes_may_look_like_numbers() -> None:
    text = f"strategies:\n  a: {{secret_sha256: {'1' * 64}}}\n"
    assert read(text)["a"].current == bytes.fromhex("1" * 64)


# --- strategies that the bot runs itself ---------------------------------------------------------------


def test_a_strategy_that_the_bot_runs_itself() -> None:
    text = """
strategies:
  own:
    runs: supertrend
    interval: 4h
    parameters: {atr_period: 14, factor: 2.5, shift: -1}
    symbols: [BTCUSDT]
  usual:
    runs: ema_cross
    symbols: [ETHUSDT]
"""
    own, usual = (read(text)[name].profile.runs for name in ("own", "usual"))
    parameters = (("atr_period", Decimal(14)), ("factor", Decimal("2.5")), ("shift", Decimal(-1)))
    assert own == OwnRun("supertrend", "4h", parameters)
    assert usual == OwnRun("ema_cross", "1h")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("interval: 1h", "interval belongs to a strategy that the bot runs: add runs:"),
        ("parameters: {a: 1}", "parameters belongs to a strategy"),
        ("runs: supertrend", "needs symbols"),
        ("{runs: supertrend, symbols: [], interval: 1h}", "needs symbols"),
        ("{runs: supertrend, symbols: [BTCUSDT], interval: 7m}", "interval must be one of 1m, 3m"),
        ("{runs: supertrend, symbols: [BTCUSDT], interval: 3d}", "use 1d"),
        ("{runs: supertrend, symbols: [BTCUSDT], parameters: {factor: big}}", "parameters.factor"),
        ("{runs: supertrend, symbols: [BTCUSDT], parameters: [1]}", "must be a mapping"),
        ("{runs: two words, symbols: [BTCUSDT]}", "runs may have up to 64 letters"),
    ],
)
def test_what_is_wrong_with_one_is_said(lines: str, said: str) -> None:
    assert said in complaint(f"strategies:\n  own:\n    {lines}\n")
