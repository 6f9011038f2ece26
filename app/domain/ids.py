"""Names of things: which alert, which strategy, which account, which order."""

import hashlib
from typing import NewType

AlertId = NewType("AlertId", str)  # 26 characters, sortable by time of arrival
StrategyId = NewType("StrategyId", str)  # as in the registry, e.g. "supertrend-btc-1h"
AccountId = NewType("AccountId", str)  # the venue account a strategy trades on, e.g. "main"
ClientOrderId = NewType("ClientOrderId", str)  # 32 characters [0-9a-f], ours
Symbol = NewType("Symbol", str)  # the venue-neutral name, e.g. "BTCUSDT"


def client_order_id(alert_id: str, leg: str, epoch: int) -> ClientOrderId:
    """The one id scheme of every venue: SHA-256 of (alert, leg, attempt epoch), 32 hexadecimal characters.

    The same leg of the same alert always has the same id, so a crashed attempt can be looked up.
    A leg that may safely be sent again (an exit, a stop) takes the next epoch.
    """
    return ClientOrderId(hashlib.sha256(f"{alert_id}|{leg}|{epoch}".encode()).hexdigest()[:32])


def trace_id(alert_id: str) -> str:
    """The alert's name in a tracing system: 32 hexadecimal characters, always the same for the same alert."""
    return hashlib.sha256(f"trace|{alert_id}".encode()).hexdigest()[:32]


def alert_stream(alert_id: str) -> str:
    """The event stream that tells one alert's story."""
    return f"alert:{alert_id}"


def account_stream(account: str) -> str:
    """The event stream of one account's switches, latches and reservations."""
    return f"account:{account}"


def position_stream(account: str, symbol: str) -> str:
    """The event stream of what happened to a position outside any alert (adopted, guarded, liquidated)."""
    return f"position:{account}:{symbol}"
