"""The worker: takes alerts through the main path, with the caretaker and the delivery of messages beside it.

Any number of workers may run, in any number of processes: lanes decide who acts. A worker that loses its lane stops at
once. An exception in one alert never touches another; an alert that breaks its handler three times is quarantined.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from app.caretaker import Caretaker
from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.errors import LaneLost, Retryable, VersionConflict
from app.domain.ids import alert_stream
from app.endurance import kept, survive
from app.log import redact
from app.pipeline.bot import Bot
from app.pipeline.journal import Journal
from app.pipeline.notify import run_outbox
from app.pipeline.order import Finish
from app.pipeline.run import finish, run
from app.ports import AlertInbox, Claim, Doorbell, Notifier

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    name: str  # who holds the leases: unique per process
    concurrency: int = 8  # alerts at a time, each on its own symbol
    lease_s: float = 5.0
    idle_poll_s: float = 0.5  # looks for work this often when no bell rings
    drain_s: float = 25.0  # at shutdown, what runs may finish for this long
    quarantine_after: int = 3
    longest_rest_s: float = 5.0  # between tries of an alert the venue or the database keeps waiting


class Worker:
    """One process's share of the work. `run` returns when `stop` is set and what was running has ended."""

    def __init__(
        self,
        bot: Bot,
        inbox: AlertInbox,
        doorbell: Doorbell,
        notifier: Notifier,
        *,
        caretaker: Caretaker,
        config: WorkerConfig,
    ) -> None:
        self.bot = bot
        self._inbox = inbox
        self._doorbell = doorbell
        self._notifier = notifier
        self._caretaker = caretaker
        self._config = config

    async def run(self, stop: asyncio.Event) -> None:
        """Raises RuntimeError when a loop ends before it was told to: better a restart than a silent bot."""
        listening = [asyncio.create_task(self._caretaker.listen(account)) for account in self.bot.exchanges]
        loops: list[asyncio.Task[None]] = [
            asyncio.create_task(self._alerts(stop), name="alerts"),
            asyncio.create_task(self._caretaker.run(stop), name="caretaker"),
            asyncio.create_task(run_outbox(self.bot.outbox, self._notifier, self.bot.clock, stop), name="messages"),
        ]
        told = asyncio.create_task(_until(stop))
        ended, _ = await asyncio.wait({told, *listening, *loops}, return_when=asyncio.FIRST_COMPLETED)
        broken = not stop.is_set()
        stop.set()
        self._doorbell.ring()  # nobody waits for work any more
        for task in listening:
            task.cancel()
        _, late = await asyncio.wait(loops, timeout=self._config.drain_s)
        for task in (*late, told):
            task.cancel()
        results = await asyncio.gather(*listening, *loops, told, return_exceptions=True)
        if broken:
            names = ", ".join(task.get_name() for task in ended)
            raise RuntimeError(f"a loop of the worker ended by itself: {names}: {results}")

    def ring(self) -> None:
        """Somebody pressed a switch: look at everything now, not at the next turn."""
        self._caretaker.look_now()
        self._doorbell.ring()

    # --- alerts --------------------------------------------------------------------------------------

    async def _alerts(self, stop: asyncio.Event) -> None:
        """Claim one alert after the other and work on up to `concurrency` at a time. Ends when the last has ended."""
        places = asyncio.Semaphore(self._config.concurrency)
        async with asyncio.TaskGroup() as running:
            while not stop.is_set():
                await places.acquire()
                claim = await self._survive(self._inbox.claim(self._config.name, self._config.lease_s))
                if claim is None:
                    places.release()
                    await self._doorbell.wait(self._config.idle_poll_s)
                else:
                    running.create_task(self._work_on(claim, places))

    async def _work_on(self, claim: Claim, places: asyncio.Semaphore) -> None:
        """One attempt at one alert, with its lane kept until it is over."""
        rest_s = 0.0
        try:
            async with kept(self.bot.lanes, claim.fence, self._config.lease_s):
                rest_s = await self._handle(claim)
        finally:
            await self._survive(self._inbox.release(claim, rest_s=rest_s))
            places.release()
            self._doorbell.ring()  # the lane is free: what waited behind this alert can go on

    async def _handle(self, claim: Claim) -> float:
        """Run the main path. Returns how many seconds to leave the alert alone before it is tried again."""
        alert_id = claim.alert.alert_id
        with structlog.contextvars.bound_contextvars(alert_id=alert_id, symbol=claim.fence.symbol):
            try:
                state = await run(self.bot, claim)
                log.info("alert finished", state=str(state))
            except (LaneLost, VersionConflict) as error:
                log.warning("another worker has taken over", error=str(error))
            except Retryable as error:
                log.warning("not now", error=str(error), attempt=claim.attempt)
                return self._rest_s(claim)
            except Exception as error:
                log.exception("the handler broke", attempt=claim.attempt)
                await self._survive(self._broken(claim, error))
                return self._rest_s(claim)  # what broke it may pass before the last of its tries
        return 0.0

    def _rest_s(self, claim: Claim) -> float:
        return min(self._config.idle_poll_s * 2.0 ** min(claim.attempt, 10), self._config.longest_rest_s)

    async def _broken(self, claim: Claim, error: Exception) -> None:
        journal = await Journal.open(self.bot.log, alert_stream(claim.alert.alert_id), claim.fence)
        failures = journal.story.failures + 1
        await journal.record(ev.HandlerFailed(failures, redact(f"{type(error).__name__}: {error}")[:500]))
        if failures >= self._config.quarantine_after and journal.story.finished is None:
            self.bot.metrics.alarm("quarantined")
            detail = f"it broke its handler {failures} times, last with {type(error).__name__}"
            refusal = Refusal(Stage.ORDER, DenyReason.QUARANTINED, detail)
            await journal.drop_unsent("the alert was quarantined")
            await finish(self.bot, journal, claim.alert, Finish(AlertState.FAILED, detail, refusal))

    async def _survive(self, work: Coroutine[Any, Any, T]) -> T | None:
        return await survive(work, self.bot.metrics, pause_s=self._config.idle_poll_s)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
