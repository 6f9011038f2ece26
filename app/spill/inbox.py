"""Where the webhook puts alerts on AWS: the database with the queue behind it, or the queue alone.

StorageUnavailable means that neither has confirmed. One of them may have the alert all the same; then the sender's
repeat is a duplicate.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from app.domain.alert import Alert
from app.domain.errors import StorageUnavailable
from app.ports import AlertInbox, Claim, PutResult
from app.spill.model import SpillQueue

log = structlog.get_logger(__name__)
T = TypeVar("T")
BACKLOG_S = 0.2
DATABASE_S = 0.8  # together with the queue's answer less than the 2 s the webhook has


class SpillingInbox:
    """The database's inbox; what it does not take within `database_s` is put into the queue as well."""

    def __init__(
        self, inbox: AlertInbox, queue: SpillQueue, *, database_s: float = DATABASE_S, backlog_s: float = BACKLOG_S
    ) -> None:
        self._inbox = inbox
        self._queue = queue
        self._database_s = database_s
        self._backlog_s = backlog_s
        self._begun: set[asyncio.Task[Any]] = set()

    async def put(self, alert: Alert) -> PutResult:
        """Returns as soon as one of the two has confirmed."""
        stored = self._begin(self._inbox.put(alert))
        sent: asyncio.Task[None] | None = None
        try:
            await asyncio.wait({stored}, timeout=self._database_s)
            if stored.done() and not isinstance(stored.exception(), StorageUnavailable):
                return stored.result()
            sent = self._begin(self._queue.put(alert))
            return await _either(alert, stored, sent)
        finally:
            stored.cancel()
            if sent is not None:
                sent.cancel()

    async def claim(self, owner: str, lease_s: float) -> Claim | None:
        return await self._inbox.claim(owner, lease_s)

    async def release(self, claim: Claim, *, rest_s: float = 0.0) -> None:
        await self._inbox.release(claim, rest_s=rest_s)

    async def backlog(self) -> int:
        """0 while the database does not tell: the queue has room."""
        counted = self._begin(self._inbox.backlog())
        try:
            await asyncio.wait({counted}, timeout=self._backlog_s)
            known = counted.done() and not isinstance(counted.exception(), StorageUnavailable)
            return counted.result() if known else 0
        finally:
            counted.cancel()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task whose clean-up nobody waits for: on a dead connection that takes longer than an answer may."""
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waited has it, or has the answer from elsewhere


async def _either(alert: Alert, stored: asyncio.Task[PutResult], sent: asyncio.Task[None]) -> PutResult:
    """The first that succeeds; of both the database, for it knows a duplicate."""
    pending: set[asyncio.Task[Any]] = {stored, sent}
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if stored.done() and stored.exception() is None:
            return stored.result()
        if sent.done() and sent.exception() is None:
            log.warning("alert spilled", alert_id=alert.alert_id, symbol=alert.symbol)
            return PutResult(alert.alert_id, duplicate=False)
    why = str(stored.exception()).removeprefix("the database: ")
    raise StorageUnavailable(f"database: {why}; queue: {sent.exception()}")


@dataclass(frozen=True, slots=True)
class QueuedAlerts:
    """The queue alone, for an intake without a database: workers find out what is a duplicate."""

    queue: SpillQueue

    async def put(self, alert: Alert) -> PutResult:
        await self.queue.put(alert)
        return PutResult(alert.alert_id, duplicate=False)

    async def backlog(self) -> int:
        """Nobody has to be turned away: the queue has room, and entries that waited too long are refused later."""
        return 0
