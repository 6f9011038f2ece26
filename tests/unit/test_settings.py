"""Settings: what is said in .env.example is what holds, and what is doubtful does not start with real money."""

import dataclasses
from ipaddress import ip_network
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.domain.errors import BadSettings
from app.domain.money import Money
from app.domain.policy import RiskPolicy, VerdictPolicy
from app.history import PAPER_SEED
from app.settings import Mode, load_settings
from app.settings.environment import NAMES, TRADINGVIEW

EXAMPLE = Path(__file__).parents[2] / ".env.example"
KEY = "k9J3hQ7bV2xT8mW4cR6zN1pL5sD0fG" * 2
LIVE = {
    "TRADING_MODE": "live",
    "BINANCE_API_KEY": KEY,
    "BINANCE_API_SECRET": KEY[::-1],
    "API_TOKEN": "a3f1" * 16 + "9b",
    "DATABASE_URL": "postgresql://bot:pa55@db/bot",
    "OPENAI_API_KEY": "sk-" + KEY,
    "OLLAMA_HOST": "http://127.0.0.1:11434",
}


def settings(**env: str):
    return load_settings(env, None)


def live(**env: str):
    return load_settings({**LIVE, **env}, None)


def problems(env):
    with pytest.raises(BadSettings) as refusal:
        load_settings(env, None)
    return str(refusal.value)


# --- .env.example ----------------------------------------------------------------------------------------


def test_every_setting_is_in_the_example_and_nothing_else():
    assert set(dotenv_values(EXAMPLE)) == NAMES


def test_the_example_says_the_defaults():
    assert load_settings({}, EXAMPLE) == load_settings({}, None)


# --- defaults --------------------------------------------------------------------------------------------


def test_nothing_set_is_paper_trading_on_this_machine_with_the_policies_own_limits():
    s = settings()
    assert (s.mode, s.label) == (Mode.PAPER, "[paper] ")
    assert (s.server.host, s.server.port) == ("127.0.0.1", 8001)
    assert s.venue.rest_url == "http://127.0.0.1:8002"
    assert s.venue.ws_url == "ws://127.0.0.1:8002"
    assert s.database.embedded
    assert s.telegram is None
    assert s.seats.stand_ins
    assert not s.seats.gpt.filled
    assert s.server.allowed_senders == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert (s.risk, s.verdict, s.warnings) == (RiskPolicy(), VerdictPolicy(), ())
    assert s.simulator.seed == PAPER_SEED


def test_live_goes_to_the_exchange_and_listens_to_tradingview_only():
    s = live()
    assert s.venue.rest_url == "https://fapi.binance.com"
    assert s.venue.ws_url == "wss://fstream.binance.com"
    assert s.venue.api_key.get_secret_value() == KEY
    assert s.server.allowed_senders == tuple(map(ip_network, TRADINGVIEW))
    assert not s.seats.stand_ins
    assert s.label == ""
    assert s.warnings == ()


def test_testnet_goes_to_the_demo_exchange():
    s = live(TRADING_MODE="testnet")
    assert s.venue.rest_url == "https://demo-fapi.binance.com"
    assert s.venue.spot_url == "https://demo-api.binance.com"
    assert s.label == "[testnet] "


def test_paper_trading_never_uses_a_real_key():
    s = settings(BINANCE_API_KEY=KEY, BINANCE_API_SECRET=KEY)
    assert KEY not in (s.venue.api_key.get_secret_value(), s.venue.api_secret.get_secret_value())
    assert any("not used in paper mode" in warning for warning in s.warnings)


def test_the_simulator_moves_with_its_port_and_its_address():
    assert settings(SIMULATOR_PORT="9002").venue.ws_url == "ws://127.0.0.1:9002"
    assert settings(BINANCE_BASE_URL="http://simulator:8002").venue.ws_url == "ws://simulator:8002"


# --- reading ---------------------------------------------------------------------------------------------


def test_limits_arrive_in_the_policy():
    risk = settings(
        RISK_MAX_LEVERAGE="3",
        RISK_MAX_NOTIONAL="2500.50",
        RISK_TAKE_PROFITS="2:0.25, 4:0.75",
        RISK_ALLOW_UNCONFIRMED="true",
    ).risk
    assert (risk.max_leverage, risk.max_notional, risk.allow_unconfirmed) == (3, Money.of("2500.50"), True)
    assert [(str(rule.reward_risk), str(rule.ratio)) for rule in risk.take_profits] == [("2", "0.25"), ("4", "0.75")]
    assert settings(RISK_TAKE_PROFITS="none").risk.take_profits == ()


def test_every_limit_of_the_policies_can_be_set():
    names = {f"RISK_{field.name.upper()}" for field in dataclasses.fields(RiskPolicy)} - {"RISK_RISK_PER_TRADE"}
    names |= {f"AI_{field.name.upper()}" for field in dataclasses.fields(VerdictPolicy)}
    assert names <= NAMES


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgres://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("sqlite:///var/x.db", "sqlite+aiosqlite:///var/x.db"),
        ("sqlite:////abs/x.db", "sqlite+aiosqlite:////abs/x.db"),
    ],
)
def test_database_addresses_get_the_right_driver(url, becomes):
    s = settings(DATABASE_URL=url)
    assert s.database.url.get_secret_value() == becomes
    assert s.database.embedded is url.startswith("sqlite")


def test_senders_and_chats_are_lists():
    s = settings(
        ALLOWED_SENDERS="tradingview, 10.0.0.0/8", TELEGRAM_BOT_TOKEN="123:abc", TELEGRAM_CHAT_IDS="7,-100,@me"
    )
    assert s.server.allowed_senders == (*map(ip_network, TRADINGVIEW), ip_network("10.0.0.0/8"))
    assert s.telegram is not None
    assert s.telegram.chat_ids == (7, -100, "@me")


def test_the_environment_goes_before_the_file_and_empty_is_not_set(tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORT=9001\nRISK_MAX_POSITIONS=2 # two\nGPT_MODEL=\n")
    s = load_settings({"PORT": "9009", "LOG_LEVEL": ""}, file)
    assert (s.server.port, s.risk.max_positions, s.log.level) == (9009, 2, "INFO")
    assert s.seats.gpt.model == settings().seats.gpt.model


def test_a_missing_file_is_fine(tmp_path):
    assert load_settings({}, tmp_path / "none") == settings()


def test_nothing_is_read_behind_the_callers_back(monkeypatch):
    monkeypatch.setenv("PORT", "9999")
    assert settings().server.port == 8001
    assert load_settings(None, None).server.port == 9999


# --- refusing --------------------------------------------------------------------------------------------

UNREADABLE = {
    "PORT": "eighty",
    "TRADING_MODE": "dry-run",
    "RISK_PER_TRADE": "1%",
    "RISK_MAX_NOTIONAL": "lots",
    "RISK_COOLDOWN_S": "inf",
    "RISK_DAILY_LOSS_RATE": "5",
    "AI_QUORUM": "0",
    "ALLOWED_SENDERS": "example.com",
    "RISK_TAKE_PROFITS": "1.5",
    "BINANCE_BASE_URL": "fapi.binance.com",
    "LOG_LEVEL": "LOUD",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_value_that_cannot_be_read_refuses_to_start_even_on_paper(name):
    assert f"- {name}: " in problems({name: UNREADABLE[name]})


@pytest.mark.parametrize("targets", ["1.5:x", "0:0.5", "1:1.5", "1:0.6, 2:0.6", "1:2:3"])
def test_targets_that_make_no_sense_are_refused(targets):
    assert "RISK_TAKE_PROFITS" in problems({"RISK_TAKE_PROFITS": targets})


def test_everything_is_reported_at_once():
    text = problems({**UNREADABLE, "EXCHANGE": "okx", "RISK_MAX_LEVRAGE": "3"})
    for name in [*UNREADABLE, "EXCHANGE=okx"]:
        assert name in text
    assert "RISK_MAX_LEVRAGE is not a setting; did you mean RISK_MAX_LEVERAGE?" in text


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"EXCHANGE": "okx"}, "not available yet"),
        ({"DATABASE_URL": "mysql://u:hunter2@h/d"}, "DATABASE_URL must begin"),
        ({"DATABASE_URL": "sqlite://"}, "names no file"),
        ({"TELEGRAM_BOT_TOKEN": "123:abc"}, "belong together"),
        ({"TELEGRAM_CHAT_IDS": "7"}, "belong together"),
        ({"PORT": "8002"}, "PORT and SIMULATOR_PORT"),
        ({"BINANCE_BASE_URL": "https://fapi.binance.com"}, "names Binance itself"),
        ({"BINANCE_WS_URL": "wss://fstream.binance.com"}, "names Binance itself"),
        ({"DATA_DIR": "/nowhere/at/all"}, "is not a folder"),
        ({**LIVE, "BINANCE_BASE_URL": "https://demo-fapi.binance.com"}, "does not belong to TRADING_MODE=live"),
        (
            {**LIVE, "TRADING_MODE": "testnet", "BINANCE_BASE_URL": "https://fapi.binance.com"},
            "does not belong to TRADING_MODE=testnet",
        ),
        ({**LIVE, "BINANCE_BASE_URL": "http://proxy.internal"}, "not encrypted"),
        ({**LIVE, "API_TOKEN": ""}, "API_TOKEN is missing"),
        ({**LIVE, "BINANCE_API_KEY": ""}, "BINANCE_API_KEY is missing"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_remedy(env, words):
    text = problems(env)
    assert words in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        "change-me-please-change-me-please-change",
        "your-api-key",
        "YOUR_TOKEN_HERE",
        "<your key>",
        "xxxxxxxx",
        "0000000000000000000000000000000000000000",
        "${KEY}",
        "***",
        "password",
        "example-key-1234567890",
    ],
)
@pytest.mark.parametrize("name", ["BINANCE_API_KEY", "API_TOKEN", "OPENAI_API_KEY", "WEBHOOK_SECRET"])
def test_placeholders_never_trade_real_money(name, value):
    text = problems({**LIVE, name: value})
    assert f"{name} is a placeholder" in text
    assert value not in text
    assert any(name in warning for warning in settings(**{name: value}).warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_TOKEN", "k9J3hQ7b"), ("WEBHOOK_SECRET", KEY[:40]), ("SECRET_KEY", "Zx81"), ("ENCRYPTION_KEY", KEY[:30])],
)
def test_short_secrets_never_trade_real_money(name, value):
    text = problems({**LIVE, name: value})
    assert name in text
    assert value not in text


def test_the_webhooks_secret_opens_nothing_else():
    assert "must differ" in problems({**LIVE, "WEBHOOK_SECRET": LIVE["API_TOKEN"]})


@pytest.mark.parametrize("key", ["0123456789abcdef" * 4, "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="])
def test_encryption_keys_are_32_bytes_in_either_spelling(key):
    assert live(ENCRYPTION_KEY=key).keys.encryption_key is not None


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("RISK_MAX_LEVRAGE=2", "RISK_MAX_LEVERAGE"),
        ("TRADNG_MODE=paper", "TRADING_MODE"),
        ("risk_max_positions=1", "RISK_MAX_POSITIONS"),
        ("TELEGRAM_CHAT_ID=7", "TELEGRAM_CHAT_IDS"),
    ],
)
def test_misspelt_names_in_the_file_are_noticed(tmp_path, line, meant):
    file = tmp_path / ".env"
    file.write_text(line + "\n")
    assert f"did you mean {meant}?" in "".join(load_settings({}, file).warnings)
    with pytest.raises(BadSettings, match=f"did you mean {meant}"):
        load_settings(LIVE, file)


def test_other_programs_names_are_left_alone(tmp_path):
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=x\nCOMPOSE_PROJECT_NAME=y\n")
    assert load_settings({**LIVE, "HOME": "/root", "OPENAI_ORG_ID": "org", "PATH": "/bin"}, file).warnings == ()


# --- what is worth knowing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"DATABASE_URL": "sqlite:///var/x.db"}, "SQLite serves one process"),
        ({"ALLOWED_SENDERS": "any"}, "ALLOWED_SENDERS lets anybody"),
        ({"OPENAI_API_KEY": ""}, "only 1 of the 3 language model seats"),
    ],
)
def test_what_is_allowed_but_weak_is_a_warning(env, words):
    assert any(words in warning for warning in live(**env).warnings)


def test_an_open_paper_bot_is_a_warning():
    assert any("API_TOKEN is not set" in warning for warning in settings(HOST="0.0.0.0").warnings)


# --- keeping secrets ---------------------------------------------------------------------------------------


def test_no_secret_shows_in_a_repr_and_all_are_known_to_the_redactor():
    secret = {
        name: f"canary{index}{KEY}"
        for index, name in enumerate(sorted(NAMES - {"STRATEGIES_SECRET"}))
        if name.endswith(("KEY", "SECRET", "PASSPHRASE", "DSN", "HEADERS"))
    }
    secret |= {"API_TOKEN": "canaryT" + KEY, "TELEGRAM_BOT_TOKEN": "canaryB" + KEY, "ENCRYPTION_KEY": "ab" * 31 + "cd"}
    s = live(
        **secret, TELEGRAM_CHAT_IDS="7", REDIS_URL="redis://:pa55w0rd@h", DATABASE_URL="postgresql://u:pa55w0rd@h/d"
    )
    assert "canary" not in repr(s)
    assert "pa55w0rd" not in repr(s)
    assert {*secret.values(), "pa55w0rd"} <= set(s.secrets())


def test_a_secret_that_was_stored_with_a_newline_is_the_secret_without(tmp_path):
    """As `--secret-string file://…` leaves it: it would pass every check, and open nothing."""
    file = tmp_path / ".env"
    file.write_text('ENCRYPTION_KEY="' + "ab" * 31 + 'cd\n"\n')
    env = {**LIVE, "BINANCE_API_KEY": f" {KEY}\r\n", "DATABASE_URL": f"{LIVE['DATABASE_URL']}\n"}
    env |= {"SECRETS_FROM_AWS": "API_TOKEN=token,WEBHOOK_SECRET=hook"}
    kept = {"API_TOKEN": f"{LIVE['API_TOKEN']}\n", "WEBHOOK_SECRET": "h7" * 22 + "\n"}
    s = load_settings(env, file, fetch=lambda _: kept)
    assert s.venue.api_key.get_secret_value() == KEY
    assert s.server.api_token.get_secret_value() == LIVE["API_TOKEN"]
    assert s.intake.webhook_secret.get_secret_value() == "h7" * 22
    assert s.keys.encryption_key.get_secret_value() == "ab" * 31 + "cd"
    assert not any(value != value.strip() for value in s.secrets())
    assert "must differ" in problems({**LIVE, "SECRET_KEY": LIVE["API_TOKEN"] + "\n"})


def test_a_password_inside_an_address_is_kept_out_of_the_log_in_either_spelling():
    known = settings(DATABASE_URL="postgresql://bot:p%40ss%2Fword@host/trading").secrets()
    assert {"p%40ss%2Fword", "p@ss/word"} <= set(known)


def test_a_password_of_its_own_joins_the_address_of_the_database():
    s = settings(DATABASE_URL="postgresql://bot@host:5432/trading?sslmode=require", DATABASE_PASSWORD="p@ss/w:rd#1")
    assert s.database.url.get_secret_value() == (
        "postgresql+asyncpg://bot:p%40ss%2Fw%3Ard%231@host:5432/trading?ssl=require"
    )
    assert "p@ss/w:rd#1" in s.secrets()


def test_what_secrets_manager_holds_goes_before_the_environment():
    asked = []

    def fetch(refs):
        asked.extend(refs)
        return {"API_TOKEN": "b" * 40 + "1", "DATABASE_PASSWORD": "fresh"}

    env = {
        "API_TOKEN": "a" * 40 + "1",
        "DATABASE_URL": "postgresql://bot@host/trading",
        "SECRETS_FROM_AWS": "API_TOKEN=bot/token, DATABASE_PASSWORD=arn:aws:x#password",
    }
    s = load_settings(env, env_file=None, fetch=fetch)
    assert [(ref.name, ref.secret, ref.key) for ref in asked] == [
        ("API_TOKEN", "bot/token", ""),
        ("DATABASE_PASSWORD", "arn:aws:x", "password"),
    ]
    assert s.server.api_token.get_secret_value() == "b" * 40 + "1"
    assert ":fresh@" in s.database.url.get_secret_value()


@pytest.mark.parametrize("given", ["API_TOKEN", "API_TOKN=x", "API_TOKEN="])
def test_a_list_of_secrets_that_cannot_be_read_refuses_to_start(given):
    assert "SECRETS_FROM_AWS: write NAME=secret" in problems({"SECRETS_FROM_AWS": given})


def test_a_token_in_the_wrong_place_is_not_repeated():
    assert "canary" not in problems({"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_CHAT_IDS": "123:canary", "PORT": "canary"})
