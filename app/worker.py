"""The worker: takes alerts through the main path, keeps records equal to the venue, guards stops, delivers messages.

Any number of workers may run, in any number of processes: lanes decide who acts. A worker that loses its lane stops at
once. An exception in one alert never touches another; an alert that breaks its handler three times is quarantined.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.errors import LaneLost, Retryable, VersionConflict
from app.domain.ids import AccountId, Symbol, account_stream, alert_stream
from app.pipeline.bot import Bot
from app.pipeline.desk import Desk
from app.pipeline.guardian import guard
from app.pipeline.journal import Journal
from app.pipeline.notify import run_outbox
from app.pipeline.order import Finish
from app.pipeline.risk import equity_mark_due, new_latches
from app.pipeline.run import finish, run
from app.pipeline.wording import message_for_event
from app.ports import AlertInbox, Append, Claim, Doorbell, Fence, Message, Notifier

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    name: str  # who holds the leases: unique per process
    concurrency: int = 8  # alerts at a time, each on its own symbol
    lease_s: float = 5.0
    idle_poll_s: float = 0.5  # looks for work this often when no bell rings
    reconcile_s: float = 5.0
    drain_s: float = 25.0  # at shutdown, what runs may finish for this long
    quarantine_after: int = 3
    silence_s: float = 60.0  # of the venue, before people are told
    longest_rest_s: float = 5.0  # between tries of an alert the venue or the database keeps waiting


class Worker:
    """One process's share of the work. `run` returns when `stop` is set and what was running has ended."""

    def __init__(
        self, bot: Bot, inbox: AlertInbox, doorbell: Doorbell, notifier: Notifier, config: WorkerConfig
    ) -> None:
        self.bot = bot
        self._inbox = inbox
        self._doorbell = doorbell
        self._notifier = notifier
        self._config = config
        self._dirty: set[tuple[AccountId, Symbol]] = set()
        self._look = asyncio.Event()
        self._silent_since: dict[AccountId, float] = {}
        self._look_at_all = True

    async def run(self, stop: asyncio.Event) -> None:
        loops: list[Coroutine[Any, Any, None]] = [
            self._alerts(stop),
            self._reconcile(stop),
            run_outbox(self.bot.outbox, self._notifier, self.bot.clock, stop),
        ]
        background = [asyncio.create_task(self._news(account)) for account in self.bot.exchanges]
        tasks = [asyncio.create_task(loop) for loop in loops]
        await stop.wait()
        for task in background:
            task.cancel()
        done, late = await asyncio.wait(tasks, timeout=self._config.drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*background, *late, return_exceptions=True)
        for task in done:
            if (error := task.exception()) is not None:
                log.error("a worker loop ended badly", error=repr(error))

    def ring(self) -> None:
        """Somebody pressed a switch: look at everything now, not at the next turn."""
        self._look_at_all = True
        self._look.set()
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
            async with self._kept(claim.fence):
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
                return min(self._config.idle_poll_s * 2.0 ** min(claim.attempt, 10), self._config.longest_rest_s)
            except Exception as error:
                log.exception("the handler broke", attempt=claim.attempt)
                await self._survive(self._broken(claim, error))
        return 0.0

    async def _broken(self, claim: Claim, error: Exception) -> None:
        journal = await Journal.open(self.bot.log, alert_stream(claim.alert.alert_id), claim.fence)
        failures = journal.story.failures + 1
        await journal.record(ev.HandlerFailed(failures, f"{type(error).__name__}: {error}"[:500]))
        if failures >= self._config.quarantine_after and journal.story.finished is None:
            self.bot.metrics.alarm("quarantined")
            detail = f"it broke its handler {failures} times, last with {type(error).__name__}"
            refusal = Refusal(Stage.ORDER, DenyReason.QUARANTINED, detail)
            await finish(self.bot, journal, claim.alert, Finish(AlertState.FAILED, detail, refusal))

    @contextlib.asynccontextmanager
    async def _kept(self, fence: Fence) -> AsyncIterator[None]:
        """Renew the lease while the block runs."""
        renewal = asyncio.create_task(self._renew(fence))
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _renew(self, fence: Fence) -> None:
        while True:
            await asyncio.sleep(self._config.lease_s / 3)
            try:
                await self.bot.lanes.renew(fence, self._config.lease_s)
            except Retryable:
                continue  # the fence decides, not this timer: if the lease ran out, the next append says so

    # --- reconciliation --------------------------------------------------------------------------------

    async def _news(self, account: AccountId) -> None:
        while True:
            await self._survive(self._listen(account))

    async def _listen(self, account: AccountId) -> None:
        """The user stream rings; what changed is read over REST."""
        async for news in self.bot.exchanges[account].news():
            if news.symbol is None:
                self._look_at_all = True
            else:
                self._dirty.add((account, news.symbol))
            self._look.set()

    async def _reconcile(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            everything, self._look_at_all = self._look_at_all, False
            dirty, self._dirty = self._dirty, set()
            for account in self.bot.exchanges:
                symbols = {symbol for owner, symbol in dirty if owner == account}
                done = await self._survive(self._look_after(account, symbols, everything=everything))
                if everything:
                    await self._survive(self._judge_health(account, fine=bool(done)))
            self._look.clear()
            if not self._dirty and not self._look_at_all:
                await self._pause(stop)

    async def _pause(self, stop: asyncio.Event) -> None:
        """Until the bell rings, the interval is over (then everything is looked at), or the end."""
        waits = [asyncio.ensure_future(self._look.wait()), asyncio.ensure_future(stop.wait())]
        done, _ = await asyncio.wait(waits, timeout=self._config.reconcile_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._look_at_all |= not done

    async def _judge_health(self, account: AccountId, *, fine: bool) -> None:
        """Only after a complete look is the account fit for entries; a venue that stays silent is told to people."""
        health, now = self.bot.health, self.bot.clock.monotonic()
        if fine:
            health.reconciled.add(account)
            health.halted.pop(account, None)  # the venue answers signed questions again
            since = self._silent_since.pop(account, None)
            if since is not None and now - since >= self._config.silence_s:
                await self._tell(f"{account}/answers/{since:.0f}", "✅ the venue answers again, all is reconciled.")
            return
        health.reconciled.discard(account)
        since = self._silent_since.setdefault(account, now)
        if now - since >= self._config.silence_s:
            self.bot.metrics.alarm("venue_silent")
            text = "🚨 the venue cannot be reconciled since a minute: no entries until it can. Stops rest at the venue."
            await self._tell(f"{account}/silent/{since:.0f}", text)

    async def _tell(self, key: str, text: str) -> None:
        await self.bot.outbox.put(f"{self._config.name}/{key}", text)

    async def _look_after(self, account: AccountId, symbols: set[Symbol], *, everything: bool) -> bool:
        """Reconcile and guard. True when nothing was left out."""
        if everything:
            await self._measure_clock(account)
            held = {position.symbol for position in await self.bot.exchanges[account].positions()}
            symbols = symbols | held | set(await self.bot.records.symbols_in_use(account))
        complete = True
        for symbol in sorted(symbols):
            complete &= await self._look_at(account, symbol)
        await self._mark_equity(account)
        return complete

    async def _look_at(self, account: AccountId, symbol: Symbol) -> bool:
        """False when the symbol could not be looked at and nobody else is at it."""
        fence = await self.bot.lanes.take(account, symbol, f"{self._config.name}/guardian", self._config.lease_s)
        if fence is None:
            return True  # whoever holds the lane has just looked, and looks again when it is done
        try:
            async with self._kept(fence):
                await guard(Desk(self.bot, fence))
        except (LaneLost, VersionConflict, Retryable) as error:
            log.warning("could not look after the symbol", symbol=symbol, error=str(error))
            return False
        finally:
            await self._survive(self.bot.lanes.give_back(fence))
        return True

    async def _measure_clock(self, account: AccountId) -> None:
        before = self.bot.clock.now()
        venue = await self.bot.exchanges[account].server_time()
        half_way = (self.bot.clock.now() - before) / 2
        self.bot.health.clock_skew_s[account] = abs(venue - before - half_way).total_seconds()

    async def _mark_equity(self, account: AccountId) -> None:
        """Record what the daily-loss and drawdown limits are measured from, and latch them when they are crossed."""
        balance = await self.bot.exchanges[account].balance()
        facts = await self.bot.records.account_facts(account)
        now = self.bot.clock.now()
        events: list[ev.Event] = []
        if equity_mark_due(facts, balance.equity, now):
            events.append(ev.EquityMarked(account, balance.equity, balance.wallet))
        latches = new_latches(facts, balance.equity, self.bot.risk_policy, now, account=account)
        if not events and not latches:
            return
        texts = {f"{account_stream(account)}/{facts.version}/{e.type}": message_for_event(e) for e in latches}
        with contextlib.suppress(VersionConflict):  # somebody else has just marked it
            await self.bot.log.append(
                Append(account_stream(account), facts.version, (*events, *latches)),
                messages=[Message(key, text) for key, text in texts.items() if text],
            )

    async def _survive(self, work: Coroutine[Any, Any, T]) -> T | None:
        """None instead of an exception: the loops go on whatever the database or the venue throws."""
        try:
            return await work
        except (LaneLost, VersionConflict, Retryable) as error:
            log.warning("will try again", error=f"{type(error).__name__}: {error}")
        except Exception:
            log.exception("unexpected in a worker loop")
            self.bot.metrics.alarm("worker_loop")
        await asyncio.sleep(self._config.idle_poll_s)
        return None
