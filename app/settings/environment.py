"""The names, types, ranges and defaults of everything that can be set from outside. `.env.example` explains them.

One field per variable, spelled as in the environment. Anything that needs more than one variable is decided elsewhere
in this package.
"""

from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.domain.money import Money
from app.domain.policy import RiskPolicy, TakeProfitRule, VerdictPolicy
from app.settings.shapes import Mode, Network, SecretRef

TRADINGVIEW = ("52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32")
ANYBODY = ("0.0.0.0/0", "::/0")

_RISK, _AI = RiskPolicy(), VerdictPolicy()


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _networks(value: Any) -> Any:
    words = _words(value)
    spelled = {"any": ANYBODY, "tradingview": TRADINGVIEW}
    return [ip_network(net) for word in words for net in spelled.get(str(word).lower(), (word,))]


def _chats(value: Any) -> Any:
    words = _words(value)
    if not all(str(word).startswith("@") or str(word).removeprefix("-").isdecimal() for word in words):
        # The value is not repeated: people put the token here by mistake.
        raise ValueError("chat ids are whole numbers or @names, separated by commas")
    return [word if str(word).startswith("@") else int(word) for word in words]


def _file_or_none(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() == "none" else value


def _targets(value: Any) -> Any:
    """1.5:0.5, 3:0.5 means: at 1.5 times the stop distance half of the position, at 3 times the other half."""
    if not isinstance(value, str):
        return value
    rules = [word.split(":") for word in _words(value) if word.lower() != "none"]
    if any(len(rule) != 2 for rule in rules):  # noqa: PLR2004 - a pair
        raise ValueError("write distance:share pairs, such as 1.5:0.5, 3:0.5, or none")
    try:
        parsed = tuple(TakeProfitRule(Decimal(distance), Decimal(share)) for distance, share in rules)
    except ArithmeticError as error:
        raise ValueError("write distance:share pairs of numbers, such as 1.5:0.5, 3:0.5") from error
    if any(not (rule.reward_risk > 0 and 0 < rule.ratio <= 1) for rule in parsed):
        raise ValueError("distances are above 0 and shares between 0 and 1")
    if sum(rule.ratio for rule in parsed) > 1:
        raise ValueError("the shares add up to more than the position")
    return parsed


def _secret_refs(value: Any) -> Any:
    """API_TOKEN=arn:…, DATABASE_PASSWORD=arn:…#password: which secret holds which setting, and under which JSON key."""
    if not isinstance(value, str):
        return value
    refs = []
    for word in _words(value):
        name, _, place = word.partition("=")
        secret, _, key = place.partition("#")
        if name.strip() not in NAMES or not secret.strip():
            raise ValueError(f"write NAME=secret or NAME=secret#key with the name of a setting, not {name.strip()}=…")
        refs.append(SecretRef(name.strip(), secret.strip(), key.strip()))
    return tuple(refs)


def _money(value: Any) -> Any:
    try:
        return Money.of(value) if isinstance(value, str) else value
    except ArithmeticError as error:
        raise ValueError("write an amount, such as 10000") from error


Rate = Annotated[Decimal, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
WsUrl = Annotated[str, Field(pattern=r"^wss?://[^\s/]+")]


class Environment(BaseSettings):
    """Every variable. Values come from the mapping it is given, never from the process behind the caller's back."""

    model_config = SettingsConfigDict(case_sensitive=True, extra="ignore", frozen=True, arbitrary_types_allowed=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    TRADING_MODE: Mode = Mode.PAPER
    EXCHANGE: Literal["binance", "okx"] = "binance"

    HOST: str = "127.0.0.1"
    PORT: Annotated[int, Field(ge=1, le=65535)] = 8001
    API_TOKEN: SecretStr | None = None
    TRUSTED_PROXIES: Annotated[int, Field(ge=0, le=10)] = 0
    ALLOWED_SENDERS: Annotated[tuple[Network, ...], BeforeValidator(_networks)] | None = None
    WEBHOOK_SECRET: SecretStr | None = None
    STRATEGIES_FILE: Path = Path("strategies.yaml")
    STRATEGIES_DIR: Path | None = None
    SECRET_KEY: SecretStr | None = None
    ENCRYPTION_KEY: SecretStr | None = None

    DATABASE_URL: SecretStr = SecretStr("sqlite+aiosqlite:///var/tradingbot.sqlite3")
    DATABASE_PASSWORD: SecretStr | None = None
    REDIS_URL: SecretStr | None = None
    BACKUP_URL: str | None = None
    DATA_DIR: Path | None = None
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    LOG_JSON: bool = False

    BINANCE_API_KEY: SecretStr | None = None
    BINANCE_API_SECRET: SecretStr | None = None
    BINANCE_BASE_URL: Url | None = None
    BINANCE_WS_URL: WsUrl | None = None
    BINANCE_SPOT_URL: Url | None = None
    OKX_API_KEY: SecretStr | None = None
    OKX_API_SECRET: SecretStr | None = None
    OKX_PASSPHRASE: SecretStr | None = None
    OKX_BASE_URL: Url | None = None
    OKX_WS_URL: WsUrl | None = None

    OPENAI_API_KEY: SecretStr | None = None
    OPENAI_BASE_URL: Url | None = None
    GPT_MODEL: str = "gpt-5.4-mini"
    ANTHROPIC_API_KEY: SecretStr | None = None
    ANTHROPIC_BASE_URL: Url | None = None
    CLAUDE_MODEL: str = "claude-haiku-4-5"
    OLLAMA_HOST: Url | None = None
    LLAMA_MODEL: str = "llama3.1:8b"

    AI_QUORUM: Annotated[int, Field(ge=1, le=3)] = _AI.quorum
    AI_MIN_CONFIDENCE: Annotated[float, Field(ge=0, lt=100)] = _AI.min_confidence
    AI_LSTM_VETO: bool = _AI.lstm_veto
    AI_DEADLINE_S: Annotated[float, Field(gt=0, le=30)] = _AI.deadline_s

    TELEGRAM_BOT_TOKEN: SecretStr | None = None
    TELEGRAM_CHAT_IDS: Annotated[tuple[int | str, ...], BeforeValidator(_chats)] = ()
    TELEGRAM_BASE_URL: Url = "https://api.telegram.org"

    RISK_PER_TRADE: Annotated[Decimal, Field(gt=0, le=Decimal("0.1"))] = _RISK.risk_per_trade
    RISK_MAX_POSITIONS: Annotated[int, Field(ge=1)] = _RISK.max_positions
    RISK_MAX_LEVERAGE: Annotated[int, Field(ge=1, le=125)] = _RISK.max_leverage
    RISK_MAX_NOTIONAL: Annotated[Money, BeforeValidator(_money)] = _RISK.max_notional
    RISK_MAX_EXPOSURE_RATE: Annotated[Decimal, Field(gt=0, le=125)] = _RISK.max_exposure_rate
    RISK_DAILY_LOSS_RATE: Rate = _RISK.daily_loss_rate
    RISK_MAX_DRAWDOWN_RATE: Rate = _RISK.max_drawdown_rate
    RISK_COOLDOWN_S: Annotated[float, Field(ge=0, allow_inf_nan=False)] = _RISK.cooldown_s
    RISK_ORDERS_PER_MINUTE: Annotated[int, Field(ge=1, le=300)] = _RISK.orders_per_minute
    RISK_ENTRY_MAX_AGE_S: Seconds = _RISK.entry_max_age_s
    RISK_EXIT_MAX_AGE_S: Seconds = _RISK.exit_max_age_s
    RISK_MAX_CLOCK_SKEW_S: Annotated[float, Field(gt=0, le=5)] = _RISK.max_clock_skew_s
    RISK_MIN_REWARD_RISK: Annotated[Decimal, Field(ge=0)] = _RISK.min_reward_risk
    RISK_MIN_WIN_RATE: Annotated[Decimal, Field(ge=0, le=1)] = _RISK.min_win_rate
    RISK_WIN_RATE_MIN_TRADES: Annotated[int, Field(ge=1)] = _RISK.win_rate_min_trades
    RISK_ATR_STOP_MULTIPLE: Annotated[Decimal, Field(gt=0)] = _RISK.atr_stop_multiple
    RISK_TAKE_PROFITS: Annotated[tuple[TakeProfitRule, ...], BeforeValidator(_targets)] = _RISK.take_profits
    RISK_ALLOW_UNCONFIRMED: bool = _RISK.allow_unconfirmed

    WORKER_CONCURRENCY: Annotated[int, Field(ge=1, le=64)] = 8
    WORKER_LEASE_S: Annotated[float, Field(ge=1, le=10)] = 5.0
    WORKER_IDLE_POLL_S: Annotated[float, Field(gt=0, le=10)] = 0.5
    WORKER_RECONCILE_S: Annotated[float, Field(gt=0, le=60)] = 5.0

    SIMULATOR_HOST: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")] = "127.0.0.1"
    SIMULATOR_PORT: Annotated[int, Field(ge=1, le=65535)] = 8002
    SIMULATOR_SEED: int = 35  # app.history.PAPER_SEED, not imported: this file loads fast
    SIMULATOR_SPEED: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    SIMULATOR_BALANCE: Annotated[Decimal, Field(gt=0)] = Decimal(10_000)
    SIMULATOR_JOURNAL: Annotated[Path | None, BeforeValidator(_file_or_none)] = Path("var/simulator.jsonl")

    RELEASE: Annotated[str, Field(pattern=r"^[\w.+-]{1,64}$")] = "dev"
    DEPLOYMENT: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "local"
    METRICS_EMF: bool = False
    OTEL_EXPORTER_OTLP_ENDPOINT: Url | None = None
    OTEL_EXPORTER_OTLP_HEADERS: SecretStr | None = None
    SENTRY_DSN: SecretStr | None = None

    SECRETS_FROM_AWS: Annotated[tuple[SecretRef, ...], BeforeValidator(_secret_refs)] = ()
    SECRETS_REFRESH_S: Annotated[float, Field(ge=1, le=86400)] = 60.0
    STRATEGIES_SECRET: str | None = None
    SPILL_QUEUE_URL: Url | None = None
    REDIS_IAM_USER: str | None = None
    REDIS_IAM_CACHE: str | None = None


NAMES = frozenset(Environment.model_fields)
