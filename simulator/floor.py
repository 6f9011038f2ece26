"""The trading floor: venue, clock, journal, faults and listeners held together.

Order of things in every command: time is lived through up to now, the command acts, what changed is on disk, the user
streams hear of it, and only then does anybody get an answer.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from app.domain.errors import BadSettings
from app.history import CandleSeries
from simulator.account import Account
from simulator.clock import Mode, SimClock
from simulator.config import SimulatorConfig
from simulator.events import Event
from simulator.faults import Faults
from simulator.journal import Journal
from simulator.market import Market
from simulator.state import Hooks, State
from simulator.venue import Venue

T = TypeVar("T")
_CHUNK_BARS = 500  # bars walked before other requests get a turn


class Floor:
    """Everything one running simulator consists of, except its wire."""

    def __init__(self, config: SimulatorConfig, clock: SimClock | None = None) -> None:
        self.config = config
        self.journal = Journal(config.journal_path) if config.journal_path else None
        self.listeners: list[Callable[[Event], None]] = []
        self._candles = config.candles()
        meta = self.journal.meta if self.journal else {}
        self._identity = _identity(config, self._candles)
        if meta and meta["market"] != self._identity:
            raise BadSettings("the journal belongs to another market: use the same candles, or remove the journal file")
        self.clock = clock or SimClock(config.mode, self._first_moment(meta), speed=config.speed)
        self.faults = Faults(self.clock.now_ms)
        shift = int(meta["shift_ms"]) if meta else self._shift()
        self.venue = Venue(self._fresh_state(config.balance, shift), config.funding(self._candles, shift))
        if meta and self.journal:
            self.venue.state.account.start_balance = Decimal(meta["start_balance"])
            self.journal.load(self.venue.state)
        self._save()

    def settle(self) -> None:
        """Live up to now."""
        self.venue.advance(self.clock.now_ms())
        self._commit()

    def do(self, command: Callable[[Venue], T]) -> T:
        """Run one command at the present moment."""
        self.settle()
        result = command(self.venue)
        self._commit()
        return result

    async def move_to(self, moment: datetime) -> None:
        """Jump ahead through all bars in between, letting others in now and then. Raises ValueError as the clock."""
        chunk_ms = _CHUNK_BARS * self.venue.state.market.step_ms
        if moment < self.clock.now():
            self.clock.move_to(moment)  # says why not
        while self.clock.now() < moment:
            self.clock.move_to(min(moment, _moment(self.clock.now_ms() + chunk_ms)))
            self.settle()
            await asyncio.sleep(0)

    def reset(self, balance: Decimal | None = None, start: datetime | None = None) -> None:
        """Forget everything and begin again. In real time the candles are laid anew so that `start` is now."""
        self.config = replace(self.config, balance=balance or self.config.balance, start=start or self.config.start)
        self._identity = _identity(self.config, self._candles)
        first = self._first_moment({})
        if first:
            self.clock.restart(first)
        self.faults.set([])
        shift = self._shift()
        self.venue.restart(self._fresh_state(self.config.balance, shift), self.config.funding(self._candles, shift))
        if self.journal:
            self.journal.clear()
        self._save()

    def close(self) -> None:
        if self.journal:
            self.journal.close()

    # --- beginnings ---

    def _first_moment(self, meta: dict[str, str]) -> datetime | None:
        """Where a clock that is not real starts: where the journal left off, or at the start of the candles."""
        if self.config.mode is Mode.REAL:
            return None
        return _moment(int(meta["now_ms"]) if meta else self.config.start_ms(self._candles))

    def _shift(self) -> int:
        """What moves the candles so that their start is now; whole bars, so that bars open on the hour."""
        if self.clock.mode is not Mode.REAL:
            return 0
        step = next(iter(self._candles.values())).step_ms
        return self.clock.now_ms() // step * step - self.config.start_ms(self._candles) // step * step

    def _fresh_state(self, balance: Decimal, shift: int) -> State:
        hooks = Hooks(self.faults.fill_ratio, self.faults.reject_trigger)
        account = Account(start_balance=balance, wallet=balance)
        state = State(Market(self._candles, shift), account, self.config.terms, self.clock.now_ms(), hooks=hooks)
        state.touch("account", 0)
        return state

    # --- after each step ---

    def _commit(self) -> None:
        self._save()
        for event in self.venue.state.take_events():
            for listener in self.listeners:
                listener(event)

    def _save(self) -> None:
        state = self.venue.state
        if self.journal:
            balance, shift = str(state.account.start_balance), str(state.market.shift_ms)
            meta = {"market": self._identity, "start_balance": balance, "shift_ms": shift}
            self.journal.save(state, meta, every_moment=self.clock.mode is Mode.STEPPED)
        else:
            state.touched.clear()


def _identity(config: SimulatorConfig, candles: Mapping[str, CandleSeries]) -> str:
    sources = ";".join(f"{name}={one.source}/{len(one)}" for name, one in sorted(candles.items()))
    return f"{config.interval}|{config.mode}|{sources}"


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
