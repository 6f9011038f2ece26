"""The settings as consumers get them: frozen, checked, grouped by who reads them. Secrets do not show in a repr."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from app.domain.policy import RiskPolicy, VerdictPolicy

Network = IPv4Network | IPv6Network


class Mode(StrEnum):
    PAPER = "paper"  # the local simulator, made-up money, stand-ins for seats without a key
    TESTNET = "testnet"  # the exchange's demo environment
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    host: str
    port: int
    api_token: SecretStr | None  # None only in paper mode: reads and controls are then closed or opened by the caller
    trusted_proxies: int  # how many hops of X-Forwarded-For were appended by machines of ours
    allowed_senders: tuple[Network, ...]  # of webhooks


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    url: SecretStr  # may hold a password
    embedded: bool  # SQLite


@dataclass(frozen=True, slots=True)
class VenueConfig:
    exchange: str  # "binance"
    rest_url: str
    ws_url: str
    spot_url: str  # only asked what a key may do
    api_key: SecretStr
    api_secret: SecretStr


@dataclass(frozen=True, slots=True)
class SeatConfig:
    """One language model's seat. It is filled by the model when `filled`, else left to a stand-in or empty."""

    filled: bool
    model: str
    api_key: SecretStr | None  # None for a local model
    base_url: str | None  # None = the service's own


@dataclass(frozen=True, slots=True)
class SeatsConfig:
    gpt: SeatConfig
    claude: SeatConfig
    llama: SeatConfig
    stand_ins: bool  # labelled offline stand-ins for seats that are not filled: paper mode only


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    bot_token: SecretStr
    chat_ids: tuple[int | str, ...]  # numbers, or "@name" of a public channel
    base_url: str


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    strategies_file: Path
    strategies_dir: Path | None  # of the user's own strategies; None = ./strategies, when it is there
    webhook_secret: SecretStr | None  # accepted from strategies that have no secret of their own


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """For users' sessions and for credentials at rest."""

    secret_key: SecretStr | None
    encryption_key: SecretStr | None  # 32 bytes, as hexadecimal or base64


@dataclass(frozen=True, slots=True)
class WorkConfig:
    concurrency: int  # alerts at a time, each on its own symbol
    lease_s: float  # after a crash, another worker takes over this much later
    idle_poll_s: float
    reconcile_s: float


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    port: int
    seed: int  # of the synthetic candles
    speed: float  # simulated seconds per real second
    balance: Decimal  # USDT at the start
    journal: Path | None  # where the exchange remembers its account between runs; None = nowhere


@dataclass(frozen=True, slots=True)
class LogConfig:
    level: str
    json: bool


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a setting's value is kept: `secret` is a name or ARN in Secrets Manager."""

    name: str  # of the setting
    secret: str
    key: str  # of the JSON object in it; "" = the whole text


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """What is only there on AWS. Region and credentials are boto3's business."""

    secrets: tuple[SecretRef, ...]
    refresh_s: float  # between looks for rotated secrets
    strategies_secret: str | None  # whose text is kept in STRATEGIES_FILE
    spill_queue_url: str | None  # takes alerts while the database does not; drained by workers
    redis_user: str | None  # signs in to ElastiCache with the task's own identity …
    redis_cache: str | None  # … at this replication group


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Who else is told how the bot does."""

    release: str  # which build this is: a version or a commit, given when the image was built
    deployment: str  # "prod": a label on metrics, traces and error reports
    emf: bool  # print metrics as CloudWatch reads them
    otlp_endpoint: str | None  # where traces go; None = nowhere
    otlp_headers: SecretStr | None  # name=value, separated by commas
    sentry_dsn: SecretStr | None


@dataclass(frozen=True, slots=True)
class Settings:
    mode: Mode
    server: ServerConfig
    database: DatabaseConfig
    redis_url: SecretStr | None  # may hold a password
    venue: VenueConfig
    seats: SeatsConfig
    telegram: TelegramConfig | None  # None = messages go to the console
    intake: IntakeConfig
    keys: KeysConfig
    risk: RiskPolicy
    verdict: VerdictPolicy
    work: WorkConfig
    simulator: SimulatorConfig
    data_dir: Path | None  # Parquet candles; None = synthetic ones
    log: LogConfig
    watch: WatchConfig
    cloud: CloudConfig
    backup_url: str | None  # s3://bucket/prefix or a folder; None = nowhere
    given: tuple[SecretStr, ...]  # every secret there is, used or not
    warnings: tuple[str, ...]  # what an operator should know, in plain words

    @property
    def paper(self) -> bool:
        return self.mode is Mode.PAPER

    @property
    def label(self) -> str:
        """Opens every message that is not about real money."""
        return "" if self.mode is Mode.LIVE else f"[{self.mode}] "

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log's redaction."""
        addresses = [self.database.url, *([self.redis_url] if self.redis_url else [])]
        passwords = [urlsplit(address.get_secret_value()).password for address in addresses]
        found = [secret.get_secret_value() for secret in self.given]
        return (*found, *(spelled for word in passwords if word for spelled in (word, unquote(word))))
