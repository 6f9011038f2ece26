"""An account's switches, latches and high-water marks, folded from its events into one row.

This is the one projection that needs the row as it was: a peak is the larger of two amounts, and SQLite cannot
compare exact amounts in SQL.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy as sa

from app.adapters.db.tables import accounts
from app.domain import events as ev
from app.domain.ids import AccountId

AccountEvent = (
    ev.EquityMarked
    | ev.TradingPaused
    | ev.TradingResumed
    | ev.KillSwitchThrown
    | ev.DailyLossLatched
    | ev.DrawdownLatched
)
KINDS = (
    ev.EquityMarked,
    ev.TradingPaused,
    ev.TradingResumed,
    ev.KillSwitchThrown,
    ev.DailyLossLatched,
    ev.DrawdownLatched,
)


class Executor(Protocol):
    """What projecting needs of a connection."""

    async def execute(self, statement: sa.Executable, /) -> sa.CursorResult[Any]: ...


@dataclass(frozen=True)
class AccountState:
    """The row of one account."""

    account: AccountId
    paused: bool = False
    killed: bool = False
    daily_loss_day: date | None = None
    drawdown_latched: bool = False
    day: date | None = None  # UTC
    day_start_equity: Decimal | None = None
    peak_equity: Decimal | None = None
    equity: Decimal | None = None
    wallet: Decimal | None = None
    marked_at: datetime | None = None


def fold(state: AccountState, event: AccountEvent, at: datetime) -> AccountState:
    """The state after one event."""
    match event:
        case ev.EquityMarked():
            return _marked(state, event, at)
        case ev.TradingPaused():
            return replace(state, paused=True)
        case ev.KillSwitchThrown():
            return replace(state, killed=True)
        case ev.DailyLossLatched(day=day):
            return replace(state, daily_loss_day=date.fromisoformat(day))
        case ev.DrawdownLatched():
            return replace(state, drawdown_latched=True)
        case ev.TradingResumed(equity=equity):
            return replace(state, paused=False, killed=False, drawdown_latched=False, peak_equity=equity.value)


def _marked(state: AccountState, event: ev.EquityMarked, at: datetime) -> AccountState:
    equity = event.equity.value
    peak = equity if state.peak_equity is None else max(state.peak_equity, equity)
    # Days only move forward: a clock that steps back over midnight must not reopen the daily-loss limit.
    if state.day is None or at.date() > state.day:
        state = replace(state, day=at.date(), day_start_equity=equity)
    return replace(state, peak_equity=peak, equity=equity, wallet=event.wallet.value, marked_at=at)


async def load(connection: Executor, account: AccountId) -> AccountState:
    row = (await connection.execute(sa.select(accounts).where(accounts.c.account == account))).one_or_none()
    return AccountState(**row._mapping) if row else AccountState(account)  # noqa: SLF001 - SQLAlchemy's public name


async def apply(connection: Executor, recorded: ev.Recorded) -> None:
    """Fold one recorded event into the account's row, inside the caller's transaction."""
    event = recorded.event
    if not isinstance(event, KINDS):
        return
    state = fold(await load(connection, event.account), event, recorded.at)
    await connection.execute(sa.delete(accounts).where(accounts.c.account == event.account))
    await connection.execute(sa.insert(accounts).values(asdict(state)))
