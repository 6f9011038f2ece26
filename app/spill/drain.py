"""Takes alerts out of the queue and into the database, beside the worker.

A message is deleted after the commit, never before. While the database is away the messages in hand are kept, and no
more are taken: the queue counts how often it has to hand one out, and puts it aside as hopeless in the end. That is
meant for messages that cannot be read, which are left to it with an alarm; a person has to look at those.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from app.domain.alert import Alert
from app.domain.errors import Retryable
from app.ports import AlertInbox, Bell, Clock, Metrics, PutResult
from app.spill.model import Spilled, SpillSource

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrainConfig:
    """Seconds."""

    poll_s: int = 1  # a poll cannot be broken off without losing what it brings: a stop waits for it
    hidden_s: int = 20  # after a crash, another worker gets the messages so much later
    useless_s: int = 2  # until a message that cannot be read is handed out again, on its way to the dead letters
    first_pause_s: float = 0.25
    longest_pause_s: float = 5.0
    depth_every_s: float = 15.0


class Drain:
    """`run` returns when `stop` is set and what it held is stored or handed back. Any number of drains may run."""

    def __init__(
        self,
        source: SpillSource,
        inbox: AlertInbox,
        bell: Bell,
        metrics: Metrics,
        *,
        depth: Callable[[int | None], None],
        clock: Clock,
        config: DrainConfig | None = None,
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._bell = bell
        self._metrics = metrics
        self._depth = depth  # told how many messages there are; None = the queue did not say
        self._clock = clock
        self._config = config or DrainConfig()
        self._looked_at: float | None = None
        self._queue_trouble = _Trouble("the spill queue does not answer", "the spill queue answers again")
        self._database_trouble = _Trouble("spilled alerts wait for the database", "spilled alerts are stored again")

    async def run(self, stop: asyncio.Event) -> None:
        pauses = self._pauses(stop)
        while not stop.is_set():
            try:
                await self._look()
                batch = await self._source.receive(wait_s=self._config.poll_s, hidden_s=self._config.hidden_s)
                self._queue_trouble.over()
                await self._take_in(batch, stop)
                pauses = self._pauses(stop)
                continue
            except Retryable as error:
                self._queue_trouble.begins(error)
            except Exception:
                log.exception("unexpected in a loop")
                self._metrics.alarm("worker_loop")
            await pauses.rest()

    # --- messages --------------------------------------------------------------------------------------

    async def _take_in(self, batch: Sequence[Spilled], stop: asyncio.Event) -> None:
        """Store all of it, however long the database is away. Told to stop, hand back what is left."""
        pauses = self._pauses(stop)
        hidden_at = self._clock.monotonic()
        while batch := await self._store(batch):
            if stop.is_set():
                await self._ask(self._source.hide(batch, 0))
                return
            await pauses.rest()
            if self._clock.monotonic() - hidden_at >= self._config.hidden_s / 3:
                hidden_at = self._clock.monotonic()
                await self._ask(self._source.hide(batch, self._config.hidden_s))
                await self._look()

    async def _store(self, batch: Sequence[Spilled]) -> list[Spilled]:
        """One try. Returns what the database did not take, in its order."""
        groups: dict[str, list[Spilled]] = {}
        for message in batch:
            groups.setdefault(message.group, []).append(message)
        done: list[Spilled] = []
        useless: list[Spilled] = []
        left = await asyncio.gather(*(self._store_group(group, done, useless) for group in groups.values()))
        if done:
            self._database_trouble.over()
            self._bell.ring()
            await self._ask(self._source.delete(done))
        if useless:
            await self._ask(self._source.hide(useless, self._config.useless_s))
        return [message for rest in left for message in rest]

    async def _store_group(
        self, group: Sequence[Spilled], done: list[Spilled], useless: list[Spilled]
    ) -> Sequence[Spilled]:
        """In order. Returns what has to wait: the first that was not stored, and all behind it.

        Those behind a useless one go on: they would wait for nothing, and end among the dead letters with it.
        """
        for place, message in enumerate(group):
            if message.alert is None:
                self._is_useless(message, message.why)
                useless.append(message)
                continue
            try:
                self._tell(message.alert, await self._inbox.put(message.alert))
                done.append(message)
            except Retryable as error:
                self._database_trouble.begins(error)
                return group[place:]
            except Exception as error:
                log.exception("a spilled alert cannot be stored", alert_id=message.alert.alert_id)
                self._is_useless(message, type(error).__name__)
                useless.append(message)
        return ()

    def _is_useless(self, message: Spilled, why: str) -> None:
        self._metrics.alarm("spill_unreadable")
        log.error("a message of the spill queue is of no use", why=why, group=message.group, received=message.received)

    def _tell(self, alert: Alert, stored: PutResult) -> None:
        log.info(
            "spilled alert stored",
            alert_id=stored.alert_id,
            status="duplicate" if stored.duplicate else "accepted",
            answered_as=alert.alert_id,  # not the same when two repeats were taken in before either was stored
            waited_s=round((self._clock.now() - alert.received_at).total_seconds(), 3),
        )

    # --- the queue itself ------------------------------------------------------------------------------

    async def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        """Of the queue, what may as well fail: the messages are handed out again, and stored once all the same."""
        try:
            await work
        except Retryable as error:
            self._queue_trouble.begins(error)

    async def _look(self) -> None:
        """How much is waiting, now and then."""
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < self._config.depth_every_s:
            return
        self._looked_at = now
        try:
            self._depth(await self._source.depth())
        except Retryable:  # whether the queue answers at all, the next poll says
            self._depth(None)

    def _pauses(self, stop: asyncio.Event) -> "_Pauses":
        return _Pauses(stop, self._config.first_pause_s, self._config.longest_pause_s)


@dataclass(slots=True)
class _Trouble:
    """Says when it begins and when it is over, once each."""

    beginning: str
    end: str
    _on: bool = False

    def begins(self, error: Exception) -> None:
        if not self._on:
            self._on = True
            log.warning(self.beginning, why=str(error))

    def over(self) -> None:
        if self._on:
            self._on = False
            log.info(self.end)


@dataclass(slots=True)
class _Pauses:
    """Each twice as long as the one before, up to `longest_s`; cut short by the stop."""

    stop: asyncio.Event
    next_s: float
    longest_s: float

    async def rest(self) -> None:
        told = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({told}, timeout=self.next_s)
        told.cancel()
        self.next_s = min(2 * self.next_s, self.longest_s)
