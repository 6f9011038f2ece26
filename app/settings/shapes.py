"""The settings as consumers get them: frozen, checked, grouped by who reads them. Secrets do not show in a repr."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

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
        seats = (self.seats.gpt, self.seats.claude, self.seats.llama)
        held = (
            self.server.api_token,
            self.venue.api_key,
            self.venue.api_secret,
            *(seat.api_key for seat in seats),
            self.telegram.bot_token if self.telegram else None,
            self.intake.webhook_secret,
            self.keys.secret_key,
            self.keys.encryption_key,
        )
        addresses = [self.database.url, *([self.redis_url] if self.redis_url else [])]
        passwords = [urlsplit(address.get_secret_value()).password for address in addresses]
        return (*(secret.get_secret_value() for secret in held if secret), *(word for word in passwords if word))
