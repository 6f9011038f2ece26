"""An alert: what arrived at the webhook, before anyone believes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import AccountId, AlertId, StrategyId, Symbol


class Preset(StrEnum):
    """The message formats that are recognised by their keys."""

    NATIVE = "native"
    THREE_COMMAS = "3commas"
    OKX_SIGNAL_A = "okx-signal-a"
    OKX_SIGNAL_B = "okx-signal-b"
    TRADERSPOST = "traderspost"
    KEY_VALUE = "key-value"


class AlertState(StrEnum):
    """PENDING and WORKING are on the way; the others are final."""

    PENDING = "pending"
    WORKING = "working"
    FILLED = "filled"  # an entry was filled and is protected
    CLOSED = "closed"  # an exit or reduction was executed
    REFUSED = "refused"  # a stage said no, with a reason
    EXPIRED = "expired"  # proven never to have reached the market, and too old to try
    FAILED = "failed"  # the venue rejected it, or it broke its handler three times

    @property
    def final(self) -> bool:
        return self not in (AlertState.PENDING, AlertState.WORKING)


@dataclass(frozen=True, slots=True)
class Alert:
    """A stored alert. `body` is the bytes as received, with the secret blanked out."""

    alert_id: AlertId
    strategy: StrategyId
    account: AccountId
    symbol: Symbol
    preset: Preset
    dedupe_key: str
    body: bytes
    received_at: datetime
    sender: str  # client address, as far as the trusted proxies vouch for it
