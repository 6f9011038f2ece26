"""One process's application: what was joined together, and how it is opened, run and closed.

Opening raises OperatorError when a person must change something; a venue or Redis that does not answer yet is no reason
not to start, for alerts must be taken in all the same. What trades real money waits until its key has been looked at.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from app.adapters.db.database import Database
from app.adapters.exchanges.binance.exchange import BinanceExchange
from app.api.deps import AccountView, Api
from app.domain.errors import OperatorError, VenueUnavailable
from app.domain.ids import AccountId, Symbol
from app.domain.money import Money
from app.live.engine import LiveEngine
from app.pipeline.bot import Bot
from app.ports import Records
from app.settings import Mode, Settings

log = structlog.get_logger(__name__)
ACCOUNT = AccountId("main")  # the one venue account there is so far
INSTRUMENTS_EVERY_S = 600.0
INSTRUMENTS_RETRY_S = 1.0  # while the venue has not told yet

Loop = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set and what it had begun has ended."""


class Role(StrEnum):
    """What a process does. Any number of each may run on one database."""

    ALL = "all"
    API = "api"  # takes alerts in and answers; trades nothing
    WORKER = "worker"  # trades; over HTTP it only says how it is

    @property
    def works(self) -> bool:
        return self is not Role.API

    @property
    def answers(self) -> bool:
        """To senders of alerts and to people, beyond its own health."""
        return self is not Role.WORKER


@dataclass(slots=True)
class Venue:
    """The venue as the API sees it: what it lists, and what its account holds."""

    exchange: BinanceExchange
    mode: Mode
    records: Records
    _instruments: frozenset[Symbol] = frozenset()

    def listed(self) -> Collection[Symbol]:
        return self._instruments

    async def refresh_instruments(self) -> None:
        """Ask what is listed now. Keeps the old list when the venue is silent."""
        try:
            found = await self.exchange.instruments()
        except VenueUnavailable as error:
            log.warning("the venue does not list its instruments yet", error=str(error))
            return
        self._instruments = frozenset(found)

    async def equity(self, _: AccountId) -> Money:
        return (await self.exchange.balance()).equity

    async def accounts(self) -> Sequence[AccountView]:
        try:
            balance = await self.exchange.balance()
        except VenueUnavailable:
            balance = None
        facts = await self.records.account_facts(ACCOUNT)
        return [AccountView(ACCOUNT, self.exchange.name, self.mode.value, balance, facts)]

    async def answers(self) -> str:
        """A readiness check."""
        return f"{self.exchange.name}, its time is {(await self.exchange.server_time()).isoformat(timespec='seconds')}"

    async def refuse_unfit_key(self) -> None:
        """Nothing is traded with a key the venue does not take, nor real money with one that could do more than trade.

        Raises OperatorError when that is so, VenueUnavailable while it cannot be known and real money depends on it.
        """
        try:
            refusal = await self.exchange.refusal_of_key()
            dangers = await self.exchange.key_dangers() if refusal is None else []
        except VenueUnavailable as error:
            if self.mode is Mode.LIVE:
                raise VenueUnavailable(f"what this API key may do could not be checked: {error}") from error
            log.warning("what the API key may do could not be checked", error=str(error))
            return
        if refusal is not None:
            raise OperatorError(
                f"the exchange does not take this API key: {refusal}. Look at BINANCE_API_KEY and BINANCE_API_SECRET, "
                f"at the addresses the key is bound to, and whether it may trade futures in TRADING_MODE={self.mode}"
            )
        if dangers and self.mode is Mode.LIVE:
            raise OperatorError("this API key must not trade real money: " + "; ".join(dangers))
        for danger in dangers:
            log.warning("the API key should be tightened before live use", danger=danger)


@dataclass(slots=True)
class Application:
    """Everything that runs in one process, built and not yet started."""

    settings: Settings
    role: Role
    database: Database
    venue: Venue
    api: Api
    bot: Bot | None  # None where nothing trades
    live: LiveEngine | None
    loops: Sequence[Loop]  # what works until it is told to stop
    notes: tuple[str, ...]  # who sits in which seat
    _opening: Sequence[Callable[[], Awaitable[None]]]
    _closing: Sequence[Callable[[], Awaitable[None]]]

    async def open(self, *, migrate: bool) -> None:
        """Connect: alerts can be taken in. Raises OperatorError, or Retryable while the database is silent."""
        await self.database.open(migrate=migrate)
        await self.venue.exchange.open()
        for begin in self._opening:
            await begin()
        if self.role.answers:
            await self.venue.refresh_instruments()

    async def check_key(self) -> None:
        """Before `run`. Raises OperatorError for a key that must not trade, VenueUnavailable while it is not known."""
        if self.role.works and not self.settings.paper:
            await self.venue.refuse_unfit_key()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""
        loops = [*self.loops, self._follow_instruments] if self.role.answers else self.loops
        async with asyncio.TaskGroup() as tasks:
            for loop in loops:
                tasks.create_task(_run(loop, stop))

    async def _follow_instruments(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            wait_s = INSTRUMENTS_EVERY_S if self.venue.listed() else INSTRUMENTS_RETRY_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
            if not stop.is_set():
                await self.venue.refresh_instruments()

    async def close(self) -> None:
        """Let go of everything; one that fails does not keep the others open."""
        for close in (self.venue.exchange.close, *self._closing, self.database.close):
            try:
                await close()
            except Exception:
                log.exception("while closing")


async def _run(loop: Loop, stop: asyncio.Event) -> None:
    await loop(stop)
