"""The other way in: look after every account and symbol, again and again, whatever the alerts are doing.

Every few seconds everything is looked at, thoroughly once a minute; news from the venue only make a symbol's turn come
sooner, and never put off the full look. One symbol that fails, whatever the reason, costs no other symbol its guard. An
account is fit for entries for as long as its last complete look is fresh.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from app.domain import events as ev
from app.domain.errors import LaneLost, VersionConflict
from app.domain.ids import AccountId, Symbol, account_stream
from app.domain.position import VenuePosition
from app.endurance import kept, survive
from app.pipeline.bot import Bot
from app.pipeline.desk import Desk
from app.pipeline.guardian import guard, is_in_order
from app.pipeline.risk_rules.latches import equity_mark_due, new_latches
from app.pipeline.wording import message_for_event
from app.ports import Append, Message

log = structlog.get_logger(__name__)
T = TypeVar("T")
Place = tuple[AccountId, Symbol]
_AT_A_TIME = 4  # symbols that are looked at


@dataclass(frozen=True, slots=True)
class CaretakerConfig:
    name: str  # who holds the leases: unique per process
    lease_s: float = 5.0
    every_s: float = 5.0  # between full looks
    thorough_s: float = 60.0  # a symbol that looks in order is compared fill by fill this often
    again_s: float = 0.5  # a symbol somebody else was working on is looked at again after this
    silence_s: float = 60.0  # without a complete look, before people are told


@dataclass(slots=True)
class Caretaker:
    """One process's eyes on the venue. Several may run: lanes decide who acts."""

    bot: Bot
    config: CaretakerConfig
    _dirty: set[Place] = field(default_factory=set)  # to be looked at before the next full look
    _looked: dict[Place, float] = field(default_factory=dict)  # monotonic time of this process's last thorough look
    _known: set[AccountId] = field(default_factory=set)  # looked at completely at least once
    _looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_A_TIME))
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _full_at: float = 0.0  # monotonic time of the next full look
    _trouble_since: dict[AccountId, float] = field(default_factory=dict)

    def look_now(self) -> None:
        """A full look, now. Never blocks."""
        self._full_at = 0.0
        self._bell.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._bell.clear()
            now = self.bot.clock.monotonic()
            full = now >= self._full_at
            if full:
                self._full_at = now + self.config.every_s
            dirty, self._dirty = self._dirty, set()
            for account in self.bot.exchanges:
                symbols = {symbol for owner, symbol in dirty if owner == account}
                fine = await self._look_after(account, symbols, full=full)
                if full:
                    await self._survive(self._judge(account, now, fine=fine))
                    if not fine:  # after a crash the lanes are still held for a moment by a process that is dead
                        self._full_at = min(self._full_at, self.bot.clock.monotonic() + 2 * self.config.again_s)
            await self._pause(stop)

    async def listen(self, account: AccountId) -> None:
        """The user stream rings; what changed is read over REST. Runs until cancelled."""
        while True:
            await self._survive(self._follow(account))

    async def _follow(self, account: AccountId) -> None:
        async for news in self.bot.exchanges[account].news():
            if news.symbol is None:
                self.look_now()
            else:
                self._dirty.add((account, news.symbol))
                self._bell.set()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Until something is to be looked at, or the end."""
        left_s = max(self._full_at - self.bot.clock.monotonic(), 0.0)
        waits = [asyncio.ensure_future(self._bell.wait()), asyncio.ensure_future(stop.wait())]
        timeout_s = min(left_s, self.config.again_s) if self._dirty else left_s
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    # --- looking -------------------------------------------------------------------------------------

    async def _look_after(self, account: AccountId, symbols: set[Symbol], *, full: bool) -> bool:
        """Reconcile and guard. True when nothing was left out."""
        complete = True
        if full:
            complete &= await self._survive(self._measure_clock(account)) is not None
            held = await self._survive(self._held(account))
            in_use = await self._survive(self._in_use(account))
            complete = complete and held is not None and in_use is not None
            for symbol in (set(held or ()) | (in_use or set())) - symbols:
                if held is None or not await self._survive(self._seems_fine(account, symbol, held.get(symbol))):
                    symbols = symbols | {symbol}
        looks = await asyncio.gather(*(self._look_in_turn(account, symbol) for symbol in sorted(symbols)))
        complete &= all(looks)
        if full or symbols:
            complete &= await self._survive(self._mark_equity(account)) is not None
        return complete

    async def _look_in_turn(self, account: AccountId, symbol: Symbol) -> bool:
        """Some at a time: a symbol whose orders go unanswered keeps no other one waiting."""
        async with self._looking:
            return bool(await self._survive(self._look_at(account, symbol)))

    async def _seems_fine(self, account: AccountId, symbol: Symbol, held: VenuePosition | None) -> bool:
        """A quick look, which costs the venue a tenth of a thorough one, and is believed until the next one is due."""
        looked = self._looked.get((account, symbol))
        due = looked is None or self.bot.clock.monotonic() - looked >= self.config.thorough_s
        return not due and await is_in_order(self.bot, account, symbol, held)

    async def _held(self, account: AccountId) -> dict[Symbol, VenuePosition]:
        return {position.symbol: position for position in await self.bot.exchanges[account].positions()}

    async def _in_use(self, account: AccountId) -> set[Symbol]:
        return set(await self.bot.records.symbols_in_use(account))

    async def _look_at(self, account: AccountId, symbol: Symbol) -> bool:
        """False when the symbol is not known to be in order."""
        config = self.config
        fence = await self.bot.lanes.take(account, symbol, f"{config.name}/guardian", config.lease_s)
        if fence is None:
            # Somebody works on it, and looks; what changed meanwhile is looked at afterwards. Only after our own start
            # is that not good enough: the lane may still belong to a process that is dead.
            self._dirty.add((account, symbol))
            return account in self._known or (account, symbol) in self._looked
        try:
            async with kept(self.bot.lanes, fence, config.lease_s):
                await guard(Desk(self.bot, fence))
        except (LaneLost, VersionConflict) as error:
            log.warning("somebody else has taken over the symbol", symbol=symbol, error=str(error))
            return False
        finally:
            await self._survive(self.bot.lanes.give_back(fence))
        self._looked[account, symbol] = self.bot.clock.monotonic()
        return True

    # --- the account ---------------------------------------------------------------------------------

    async def _judge(self, account: AccountId, began: float, *, fine: bool) -> None:
        """Only after a complete look is the account fit for entries; lasting trouble is told to people."""
        health, now = self.bot.health, self.bot.clock.monotonic()
        if fine:
            health.looked(account, began, now)
            self._known.add(account)
            since = self._trouble_since.pop(account, None)
            if since is not None and now - since >= self.config.silence_s:
                await self._tell(f"{account}/well/{since:.0f}", "✅ everything is reconciled with the venue again.")
            return
        health.looked_at.pop(account, None)
        since = self._trouble_since.setdefault(account, now)
        if now - since >= self.config.silence_s:
            self.bot.metrics.alarm("venue_silent")
            text = "🚨 no complete look at the venue for a minute: no entries until there is one. Stops still rest."
            await self._tell(f"{account}/trouble/{since:.0f}", text)

    async def _tell(self, key: str, text: str) -> None:
        await self.bot.outbox.put(f"{self.config.name}/{key}", text)

    async def _measure_clock(self, account: AccountId) -> float:
        """Seconds between the venue's clock and ours, half way through the question."""
        before = self.bot.clock.now()
        venue = await self.bot.exchanges[account].server_time()
        half_way = (self.bot.clock.now() - before) / 2
        skew_s = abs(venue - before - half_way).total_seconds()
        self.bot.health.clock_skew_s[account] = skew_s
        return skew_s

    async def _mark_equity(self, account: AccountId) -> bool:
        """Record what the daily-loss and drawdown limits are measured from, and latch them when they are crossed."""
        balance = await self.bot.exchanges[account].balance()
        facts = await self.bot.records.account_facts(account)
        now = self.bot.clock.now()
        events: list[ev.Event] = []
        if equity_mark_due(facts, balance.equity, now):
            events.append(ev.EquityMarked(account, balance.equity, balance.wallet))
        latches = new_latches(facts, balance.equity, self.bot.risk_policy, now, account=account)
        if events or latches:
            stream = account_stream(account)
            texts = {f"{stream}/{facts.version}/{latch.type}": message_for_event(latch) for latch in latches}
            with contextlib.suppress(VersionConflict):  # somebody else has just marked it
                await self.bot.log.append(
                    Append(stream, facts.version, (*events, *latches)),
                    messages=[Message(key, text) for key, text in texts.items() if text],
                )
        return True

    async def _survive(self, work: Coroutine[Any, Any, T]) -> T | None:
        return await survive(work, self.bot.metrics, pause_s=self.config.again_s)
