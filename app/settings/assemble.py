"""From single variables to what consumers get: what follows from the mode, and what cannot be meant together."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from app.domain.policy import RiskPolicy, VerdictPolicy
from app.settings.environment import ANYBODY, TRADINGVIEW, Environment
from app.settings.shapes import (
    CloudConfig,
    DatabaseConfig,
    IntakeConfig,
    KeysConfig,
    LogConfig,
    Mode,
    SeatConfig,
    SeatsConfig,
    ServerConfig,
    Settings,
    SimulatorConfig,
    TelegramConfig,
    VenueConfig,
    WatchConfig,
    WorkConfig,
)

# The simulator's only account. No real key is ever sent to it, whatever the environment holds.
PAPER_KEY, PAPER_SECRET = "paper-trading-key", "paper-trading-secret"

_VENUES = {  # REST, streams, spot (asked only what a key may do)
    Mode.TESTNET: ("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com", "https://demo-api.binance.com"),
    Mode.LIVE: ("https://fapi.binance.com", "wss://fstream.binance.com", "https://api.binance.com"),
}
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_ANYBODY = tuple(map(ip_network, ANYBODY))


def assemble(env: Environment, warnings: tuple[str, ...]) -> Settings:
    """The settings of variables that contradict nothing (see `contradictions`)."""
    paper = env.TRADING_MODE is Mode.PAPER
    senders = env.ALLOWED_SENDERS or tuple(map(ip_network, ANYBODY if paper else TRADINGVIEW))
    return Settings(
        mode=env.TRADING_MODE,
        server=ServerConfig(env.HOST, env.PORT, env.API_TOKEN, env.TRUSTED_PROXIES, senders),
        database=_database(env),
        redis_url=env.REDIS_URL,
        venue=_venue(env),
        seats=_seats(env),
        telegram=TelegramConfig(env.TELEGRAM_BOT_TOKEN, env.TELEGRAM_CHAT_IDS, env.TELEGRAM_BASE_URL)
        if env.TELEGRAM_BOT_TOKEN
        else None,
        intake=IntakeConfig(env.STRATEGIES_FILE, env.STRATEGIES_DIR, env.WEBHOOK_SECRET),
        keys=KeysConfig(env.SECRET_KEY, env.ENCRYPTION_KEY),
        risk=_risk(env),
        verdict=VerdictPolicy(env.AI_QUORUM, env.AI_MIN_CONFIDENCE, env.AI_LSTM_VETO, env.AI_DEADLINE_S),
        work=WorkConfig(env.WORKER_CONCURRENCY, env.WORKER_LEASE_S, env.WORKER_IDLE_POLL_S, env.WORKER_RECONCILE_S),
        simulator=SimulatorConfig(
            env.SIMULATOR_PORT, env.SIMULATOR_SEED, env.SIMULATOR_SPEED, env.SIMULATOR_BALANCE, env.SIMULATOR_JOURNAL
        ),
        data_dir=env.DATA_DIR,
        log=LogConfig(env.LOG_LEVEL, env.LOG_JSON),
        watch=WatchConfig(
            env.RELEASE,
            env.DEPLOYMENT,
            env.METRICS_EMF,
            env.OTEL_EXPORTER_OTLP_ENDPOINT,
            env.OTEL_EXPORTER_OTLP_HEADERS,
            env.SENTRY_DSN,
        ),
        cloud=CloudConfig(
            env.SECRETS_FROM_AWS,
            env.SECRETS_REFRESH_S,
            env.STRATEGIES_SECRET,
            env.SPILL_QUEUE_URL,
            env.REDIS_IAM_USER,
            env.REDIS_IAM_CACHE,
        ),
        backup_url=env.BACKUP_URL,
        given=tuple(
            value for name, value in env if isinstance(value, SecretStr) and name not in ("DATABASE_URL", "REDIS_URL")
        ),
        warnings=(*warnings, *_notices(env)),
    )


def contradictions(env: Environment, *, trades: bool) -> Iterator[str]:
    """What refuses to start in every mode, each with its remedy. What does not trade needs no keys, but a queue."""
    if env.EXCHANGE != "binance":
        yield "EXCHANGE=okx is not available yet: use EXCHANGE=binance"
    scheme = urlsplit(env.DATABASE_URL.get_secret_value()).scheme
    if scheme not in _DRIVERS:
        yield "DATABASE_URL must begin with postgresql:// or sqlite:///"
    elif scheme.startswith("sqlite") and urlsplit(env.DATABASE_URL.get_secret_value()).path in ("", "/", "/:memory:"):
        yield "DATABASE_URL names no file: nothing would survive a restart; use sqlite:///var/tradingbot.sqlite3"
    if env.DATA_DIR is not None and not env.DATA_DIR.is_dir():
        yield f"DATA_DIR={env.DATA_DIR} is not a folder: name one with Parquet candles, or leave it empty"
    if env.STRATEGIES_DIR is not None and not env.STRATEGIES_DIR.is_dir():
        yield f"STRATEGIES_DIR={env.STRATEGIES_DIR} is not a folder: name one with strategies, or leave it empty"
    yield from _at_odds(env)
    if env.TRADING_MODE is Mode.PAPER and env.PORT == env.SIMULATOR_PORT:
        yield "PORT and SIMULATOR_PORT are the same: the bot and the paper exchange both need one"
    yield from _wrong_hosts(env)
    if env.TRADING_MODE is not Mode.PAPER and trades:
        yield from _missing(env)
    if not trades and env.SPILL_QUEUE_URL is None:
        yield "SPILL_QUEUE_URL is missing: it is where an intake without a database puts alerts"


def _at_odds(env: Environment) -> Iterator[str]:
    """Pairs that belong together, or that say the same thing twice."""
    if env.DATABASE_PASSWORD is not None and urlsplit(env.DATABASE_URL.get_secret_value()).password is not None:
        yield "DATABASE_PASSWORD is set and DATABASE_URL holds a password too: leave it in one of them"
    if bool(env.REDIS_IAM_USER) != bool(env.REDIS_IAM_CACHE):
        yield "REDIS_IAM_USER and REDIS_IAM_CACHE belong together: set both or neither"
    if env.BACKUP_URL is not None and "://" in env.BACKUP_URL and not env.BACKUP_URL.startswith("s3://"):
        yield "BACKUP_URL must begin with s3://, or be a folder"
    if bool(env.TELEGRAM_BOT_TOKEN) != bool(env.TELEGRAM_CHAT_IDS):
        yield "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_IDS belong together: set both or neither"


def _missing(env: Environment) -> Iterator[str]:
    where = "demo.binance.com" if env.TRADING_MODE is Mode.TESTNET else "binance.com, with futures on, withdrawals off"
    for name in ("BINANCE_API_KEY", "BINANCE_API_SECRET"):
        if getattr(env, name) is None:
            yield f"{name} is missing: make a key pair at {where}, and put it there"
    if env.API_TOKEN is None:
        yield "API_TOKEN is missing: reads, pause and kill switch need it; take the output of `openssl rand -hex 32`"


def _wrong_hosts(env: Environment) -> Iterator[str]:
    """Addresses that belong to another mode, and keys that would travel in clear."""
    for name in ("BINANCE_BASE_URL", "BINANCE_WS_URL", "BINANCE_SPOT_URL"):
        url = getattr(env, name)
        if url is None:
            continue
        host = urlsplit(url).hostname or ""
        real = host == "binance.com" or host.endswith((".binance.com", ".binancefuture.com"))
        demo = "demo" in host or "testnet" in host or host.endswith(".binancefuture.com")
        if real and env.TRADING_MODE is Mode.PAPER:
            yield f"{name} names Binance itself, and TRADING_MODE is paper: remove it, or choose testnet or live"
        elif real and demo is not (env.TRADING_MODE is Mode.TESTNET):
            yield f"{name}={url} does not belong to TRADING_MODE={env.TRADING_MODE}: remove it, or change the mode"
        elif env.TRADING_MODE is not Mode.PAPER and url.startswith(("http://", "ws://")) and not _local(host):
            yield f"{name} is not encrypted: use https:// or wss://"


def _notices(env: Environment) -> Iterator[str]:
    """What is allowed and worth knowing."""
    live, paper = env.TRADING_MODE is Mode.LIVE, env.TRADING_MODE is Mode.PAPER
    if live and _database(env).embedded:
        # Allowed: one process on one disk is durable. But only a second process can guard stops while one is down.
        yield "SQLite serves one process: while it is down nobody guards the stops. PostgreSQL allows a second one"
    if paper and (env.BINANCE_API_KEY or env.BINANCE_API_SECRET):
        yield "BINANCE_API_KEY and BINANCE_API_SECRET are not used in paper mode"
    if paper and env.API_TOKEN is None and not _local(env.HOST):
        yield f"HOST={env.HOST} can be reached from outside and API_TOKEN is not set"
    if not paper and env.ALLOWED_SENDERS == _ANYBODY:
        yield "ALLOWED_SENDERS lets anybody try the webhook: only the strategy's secret is left to stop them"
    seats = _seats(env)
    filled = sum(seat.filled for seat in (seats.gpt, seats.claude, seats.llama))
    if not seats.stand_ins and filled < env.AI_QUORUM:
        yield (
            f"only {filled} of the 3 language model seats are filled and AI_QUORUM is {env.AI_QUORUM}: "
            "every entry will be refused. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_HOST"
        )


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(env: Environment) -> DatabaseConfig:
    """With the asyncio driver's name, and its word for what other PostgreSQL clients call sslmode."""
    parts = urlsplit(env.DATABASE_URL.get_secret_value())
    driver = _DRIVERS[parts.scheme]
    if driver.startswith("sqlite"):
        path = env.DATABASE_URL.get_secret_value().partition("://")[2]
        return DatabaseConfig(SecretStr(f"{driver}://{path}"), embedded=True)
    query = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(parts.query)]
    where = parts.netloc
    if env.DATABASE_PASSWORD is not None:
        user, _, host = where.rpartition("@")
        where = f"{user}:{quote(env.DATABASE_PASSWORD.get_secret_value(), safe='')}@{host}"
    return DatabaseConfig(SecretStr(urlunsplit((driver, where, parts.path, urlencode(query), ""))), embedded=False)


def _venue(env: Environment) -> VenueConfig:
    if env.TRADING_MODE is Mode.PAPER:
        here = f"{env.SIMULATOR_HOST}:{env.SIMULATOR_PORT}"
        rest = env.BINANCE_BASE_URL or f"http://{here}"
        return VenueConfig(
            exchange=env.EXCHANGE,
            rest_url=rest,
            ws_url=env.BINANCE_WS_URL or rest.replace("http", "ws", 1),
            spot_url=env.BINANCE_SPOT_URL or rest,
            api_key=SecretStr(PAPER_KEY),
            api_secret=SecretStr(PAPER_SECRET),
        )
    rest, streams, spot = _VENUES[env.TRADING_MODE]
    return VenueConfig(
        exchange=env.EXCHANGE,
        rest_url=env.BINANCE_BASE_URL or rest,
        ws_url=env.BINANCE_WS_URL or streams,
        spot_url=env.BINANCE_SPOT_URL or spot,
        api_key=env.BINANCE_API_KEY or SecretStr(""),
        api_secret=env.BINANCE_API_SECRET or SecretStr(""),
    )


def _seats(env: Environment) -> SeatsConfig:
    gpt, claude = env.OPENAI_API_KEY, env.ANTHROPIC_API_KEY
    return SeatsConfig(
        gpt=SeatConfig(gpt is not None, env.GPT_MODEL, gpt, env.OPENAI_BASE_URL),
        claude=SeatConfig(claude is not None, env.CLAUDE_MODEL, claude, env.ANTHROPIC_BASE_URL),
        llama=SeatConfig(env.OLLAMA_HOST is not None, env.LLAMA_MODEL, None, env.OLLAMA_HOST),
        stand_ins=env.TRADING_MODE is Mode.PAPER,
    )


def _risk(env: Environment) -> RiskPolicy:
    return RiskPolicy(
        entry_max_age_s=env.RISK_ENTRY_MAX_AGE_S,
        exit_max_age_s=env.RISK_EXIT_MAX_AGE_S,
        max_clock_skew_s=env.RISK_MAX_CLOCK_SKEW_S,
        cooldown_s=env.RISK_COOLDOWN_S,
        orders_per_minute=env.RISK_ORDERS_PER_MINUTE,
        max_positions=env.RISK_MAX_POSITIONS,
        max_leverage=env.RISK_MAX_LEVERAGE,
        max_notional=env.RISK_MAX_NOTIONAL,
        max_exposure_rate=env.RISK_MAX_EXPOSURE_RATE,
        risk_per_trade=env.RISK_PER_TRADE,
        daily_loss_rate=env.RISK_DAILY_LOSS_RATE,
        max_drawdown_rate=env.RISK_MAX_DRAWDOWN_RATE,
        min_reward_risk=env.RISK_MIN_REWARD_RISK,
        min_win_rate=env.RISK_MIN_WIN_RATE,
        win_rate_min_trades=env.RISK_WIN_RATE_MIN_TRADES,
        atr_stop_multiple=env.RISK_ATR_STOP_MULTIPLE,
        take_profits=env.RISK_TAKE_PROFITS,
        allow_unconfirmed=env.RISK_ALLOW_UNCONFIRMED,
    )
