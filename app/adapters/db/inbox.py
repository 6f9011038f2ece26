"""The inbox: every accepted alert, durable before its sender hears of it, worked on one at a time per lane.

`put` answers only after the commit. When the connection breaks inside COMMIT it looks again; when that fails too, the
answer is StorageUnavailable and the sender may send again: the dedupe key makes that harmless.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db.event_log import extend_chain, lock_head
from app.adapters.db.group_commit import GroupCommit
from app.adapters.db.lanes import create_lanes, free_lane, lane_is_free, take_lane
from app.adapters.db.store import CommitUnknown, Store, WallClock, is_due
from app.adapters.db.tables import alerts, is_open, lanes
from app.domain.alert import Alert, AlertState, Preset
from app.domain.errors import StorageUnavailable
from app.domain.events import AlertAccepted
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol, alert_stream
from app.ports import Claim, Clock, Fence, PutResult

MAX_PAUSE_S = 5.0  # between two tries of an alert that broke its handler
FIRST_PAUSE_S = 0.25
_LOOKS = 4  # at lanes whose alert was finished by another worker between our look and our lock


class SqlInbox:
    """AlertInbox on a database."""

    def __init__(self, store: Store, clock: Clock, wall_clock: WallClock, *, put_timeout_s: float) -> None:
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock
        self._put_timeout_s = put_timeout_s
        self._intake: GroupCommit[Alert, PutResult] = GroupCommit(self._put_all)

    async def put(self, alert: Alert) -> PutResult:
        try:
            async with asyncio.timeout(self._put_timeout_s):
                return await self._intake.submit(alert)
        except TimeoutError as error:
            raise StorageUnavailable(f"not stored within {self._put_timeout_s:g} s") from error

    async def claim(self, owner: str, lease_s: float) -> Claim | None:
        if self._store.one_writer and not await self._anything_due():
            return None  # looking first keeps idle workers away from the only write lock
        async with self._store.write() as connection:
            now = self._wall_clock()
            for _ in range(_LOOKS):
                lane = (await connection.execute(_next_lane(now))).one_or_none()
                if lane is None:
                    return None
                # The lane is locked now. What we saw before that may be old: look at its head again.
                row = (await connection.execute(_head_of(lane.account, lane.symbol, now))).one_or_none()
                if row is not None:
                    return await self._claimed(connection, row, owner, now, lease_s)
        return None

    async def release(self, claim: Claim, *, rest_s: float = 0.0) -> None:
        """After a failure the alert rests a moment; otherwise it queues behind the other lanes' waiting alerts."""
        async with self._store.write() as connection:
            if not await free_lane(connection, claim.fence):
                return
            mine = sa.and_(alerts.c.alert_id == claim.alert.alert_id, is_open(alerts))
            query = sa.select(alerts.c.failures, alerts.c.failures_at_claim).where(mine)
            row = (await connection.execute(query)).one_or_none()
            if row is not None:
                rest_s = max(rest_s, _pause_s(row.failures, row.failures_at_claim))
                due = self._wall_clock() + timedelta(seconds=rest_s)
                await connection.execute(sa.update(alerts).where(mine).values(due_at=due))

    async def backlog(self) -> int:
        async with self._store.read() as connection:
            count = await connection.scalar(sa.select(sa.func.count()).select_from(alerts).where(is_open(alerts)))
        return int(count or 0)

    async def close(self) -> None:
        await self._intake.close()

    async def _anything_due(self) -> bool:
        async with self._store.read() as connection:
            return (await connection.execute(_next_lane(self._wall_clock()))).first() is not None

    async def _claimed(
        self, connection: AsyncConnection, row: Any, owner: str, now: datetime, lease_s: float
    ) -> Claim | None:
        token = await take_lane(connection, (row.account, row.symbol), owner=owner, now=now, lease_s=lease_s)
        if token is None:
            return None
        counted = {
            "attempts": alerts.c.attempts + 1,
            "failures_at_claim": alerts.c.failures,
            "state": AlertState.WORKING.value,
        }
        await connection.execute(sa.update(alerts).where(alerts.c.alert_id == row.alert_id).values(counted))
        others = (alerts.c.account == row.account, alerts.c.symbol == row.symbol, alerts.c.alert_id != row.alert_id)
        behind = await connection.scalar(sa.select(sa.exists().where(*others, is_open(alerts))))
        return Claim(stored_alert(row), Fence(row.account, row.symbol, token), row.attempts + 1, bool(behind))

    async def _put_all(self, batch: Sequence[Alert]) -> Sequence[PutResult]:
        first: dict[str, AlertId] = {}
        results: list[PutResult] = []
        try:
            async with self._store.write() as connection:
                head = await lock_head(connection)
                first = await _known(connection, batch)
                fresh: list[Alert] = []
                for alert in batch:
                    duplicate = alert.dedupe_key in first
                    if not duplicate:
                        first[alert.dedupe_key] = alert.alert_id
                        fresh.append(alert)
                    results.append(PutResult(first[alert.dedupe_key], duplicate))
                if fresh:
                    await self._store_alerts(connection, head, fresh)
        except CommitUnknown:
            if first != await self._stored(batch):
                raise
        return results

    async def _store_alerts(self, connection: AsyncConnection, head: tuple[int, str], fresh: Sequence[Alert]) -> None:
        await connection.execute(sa.insert(alerts), [_row(alert, self._wall_clock()) for alert in fresh])
        await create_lanes(self._store, connection, {(alert.account, alert.symbol) for alert in fresh})
        accepted = [(alert_stream(alert.alert_id), 1, _accepted(alert)) for alert in fresh]
        await extend_chain(connection, head, accepted, self._clock.now())

    async def _stored(self, batch: Sequence[Alert]) -> dict[str, AlertId]:
        """What is there after an unknown COMMIT. The head's lock waits for the lost transaction to end."""
        async with self._store.write() as connection:
            await lock_head(connection)
            return await _known(connection, batch)


def stored_alert(row: Any) -> Alert:
    """A row of `alerts` as the domain sees it."""
    return Alert(
        alert_id=AlertId(row.alert_id),
        strategy=StrategyId(row.strategy),
        account=AccountId(row.account),
        symbol=Symbol(row.symbol),
        preset=Preset(row.preset),
        dedupe_key=row.dedupe_key,
        body=bytes(row.body),
        received_at=row.received_at,
        sender=row.sender,
    )


def _next_lane(now: datetime) -> sa.Select[Any]:
    """The free lane whose oldest open alert has waited longest. Costs one index look-up per lane, not per alert."""
    waiting = alerts.alias("waiting")
    head = (
        sa.select(waiting.c.alert_id)
        .where(
            waiting.c.account == lanes.c.account,
            waiting.c.symbol == lanes.c.symbol,
            is_open(waiting),
        )
        .order_by(waiting.c.received_at, waiting.c.alert_id)
        .limit(1)
        .correlate(lanes)
        .scalar_subquery()
    )
    return (
        sa.select(lanes.c.account, lanes.c.symbol)
        .join_from(lanes, alerts, alerts.c.alert_id == head)
        .where(lane_is_free(now), is_due(alerts.c.due_at, now, longest_s=MAX_PAUSE_S))
        .order_by(alerts.c.due_at, alerts.c.received_at, alerts.c.alert_id)
        .limit(1)
        .with_for_update(of=lanes, skip_locked=True)
    )


def _head_of(account: str, symbol: str, now: datetime) -> sa.Select[Any]:
    oldest = (
        sa.select(alerts)
        .where(alerts.c.account == account, alerts.c.symbol == symbol, is_open(alerts))
        .order_by(alerts.c.received_at, alerts.c.alert_id)
        .limit(1)
        .subquery()
    )
    return sa.select(oldest).where(is_due(oldest.c.due_at, now, longest_s=MAX_PAUSE_S))


async def _known(connection: AsyncConnection, batch: Sequence[Alert]) -> dict[str, AlertId]:
    """Ids of the alerts that are stored under the batch's dedupe keys."""
    keys = [alert.dedupe_key for alert in batch]
    keys += keys[-1:] * ((1 << (len(keys) - 1).bit_length()) - len(keys))  # few statement lengths: they are cached
    query = sa.select(alerts.c.dedupe_key, alerts.c.alert_id).where(alerts.c.dedupe_key.in_(keys))
    return {row.dedupe_key: AlertId(row.alert_id) for row in await connection.execute(query)}


def _row(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "strategy": alert.strategy,
        "account": alert.account,
        "symbol": alert.symbol,
        "preset": alert.preset.value,
        "dedupe_key": alert.dedupe_key,
        "sender": alert.sender,
        "body": alert.body,
        "body_sha256": hashlib.sha256(alert.body).hexdigest(),
        "received_at": alert.received_at,
        "state": AlertState.PENDING.value,
        "summary": "",
        "failures": 0,
        "attempts": 0,
        "failures_at_claim": 0,
        "due_at": now,
    }


def _accepted(alert: Alert) -> AlertAccepted:
    return AlertAccepted(
        alert_id=alert.alert_id,
        strategy=alert.strategy,
        account=alert.account,
        symbol=alert.symbol,
        preset=alert.preset,
        dedupe_key=alert.dedupe_key,
        body_sha256=hashlib.sha256(alert.body).hexdigest(),
        sender=alert.sender,
    )


def _pause_s(failures: int, failures_at_claim: int) -> float:
    if failures <= failures_at_claim:
        return 0.0
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))
