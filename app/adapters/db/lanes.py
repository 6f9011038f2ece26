"""Serial lanes, one per (account, symbol), held by lease; the fencing token grows with every change of hands.

A lease runs out by real time. Whoever lost one finds out where it counts: the event log refuses the old token.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db.store import Store, WallClock, is_due
from app.adapters.db.tables import lanes
from app.domain.errors import LaneLost
from app.domain.ids import AccountId, Symbol
from app.ports import Fence

LONGEST_LEASE_S = 60.0


class SqlLanes:
    """Lanes on a database."""

    def __init__(self, store: Store, wall_clock: WallClock) -> None:
        self._store = store
        self._wall_clock = wall_clock

    async def take(self, account: AccountId, symbol: Symbol, owner: str, lease_s: float) -> Fence | None:
        async with self._store.write() as connection:
            await create_lanes(self._store, connection, {(account, symbol)})
            token = await take_lane(connection, (account, symbol), owner=owner, now=self._wall_clock(), lease_s=lease_s)
        return None if token is None else Fence(account, symbol, token)

    async def renew(self, fence: Fence, lease_s: float) -> None:
        until = self._wall_clock() + timedelta(seconds=lease_s)
        async with self._store.write() as connection:
            renewed = await connection.execute(sa.update(lanes).where(*held_by(fence)).values(expires_at=until))
        if not renewed.rowcount:
            raise LaneLost(f"lane {fence.account}/{fence.symbol}: token {fence.token} is no longer the newest")

    async def give_back(self, fence: Fence) -> None:
        async with self._store.write() as connection:
            await free_lane(connection, fence)


async def create_lanes(store: Store, connection: AsyncConnection, wanted: set[tuple[str, str]]) -> None:
    """Make sure the rows exist. In order, so that two who create the same lanes cannot wait for each other."""
    rows = [
        {"account": account, "symbol": symbol, "owner": "", "token": 0, "expires_at": None}
        for account, symbol in sorted(wanted)
    ]
    await connection.execute(store.insert(lanes).on_conflict_do_nothing(), rows)


def lane_is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(lanes.c.owner == "", is_due(lanes.c.expires_at, now, longest_s=LONGEST_LEASE_S))


async def take_lane(
    connection: AsyncConnection, lane: tuple[str, str], *, owner: str, now: datetime, lease_s: float
) -> int | None:
    """The new token; None when the lane is not free."""
    taken = (
        sa.update(lanes)
        .where(lanes.c.account == lane[0], lanes.c.symbol == lane[1], lane_is_free(now))
        .values(owner=owner, token=lanes.c.token + 1, expires_at=now + timedelta(seconds=lease_s))
        .returning(lanes.c.token)
    )
    token: int | None = await connection.scalar(taken)
    return token


async def free_lane(connection: AsyncConnection, fence: Fence) -> bool:
    """False when it was not ours any more."""
    freed = await connection.execute(sa.update(lanes).where(*held_by(fence)).values(owner="", expires_at=None))
    return bool(freed.rowcount)


def held_by(fence: Fence) -> list[sa.ColumnElement[bool]]:
    return [
        lanes.c.account == fence.account,
        lanes.c.symbol == fence.symbol,
        lanes.c.token == fence.token,
        lanes.c.owner != "",
    ]
