"""Pause, resume, kill: what is recorded, once, whoever else is writing."""

from dataclasses import dataclass, field, replace

import pytest

from app.domain.errors import StorageUnavailable, VenueUnavailable, VersionConflict
from app.domain.events import EquityMarked, KillSwitchThrown, TradingPaused, TradingResumed
from app.domain.ids import AccountId, account_stream
from app.domain.money import Money
from app.pipeline.controls import Controls
from tests import builders as a
from tests.fakes import FakeClock

SPARE = AccountId("spare")


@dataclass
class Ledger:
    """Account streams in memory, the way the database keeps them: appended at the right version or not at all."""

    streams: dict[str, list] = field(default_factory=dict)
    intruders: int = 0  # how many times somebody else appends between the read and the write
    start: dict[str, object] = field(default_factory=dict)  # facts before the first event

    async def account_facts(self, account):
        events = self.streams.get(account_stream(account), [])
        facts = a.facts(**self.start, version=len(events))
        for event in events:
            match event:
                case TradingPaused():
                    facts = replace(facts, paused=True)
                case KillSwitchThrown():
                    facts = replace(facts, killed=True)
                case TradingResumed():
                    facts = replace(facts, paused=False, killed=False, drawdown_latched=False)
        if self.intruders:
            self.intruders -= 1
            self._of(account_stream(account)).append(EquityMarked(account, a.money(1), a.money(1)))
        return facts

    async def append(self, *appends, fence=None, messages=()):
        for append in appends:
            if append.expected_version != len(self._of(append.stream)):
                raise VersionConflict(append.stream)
        for append in appends:
            self._of(append.stream).extend(append.events)

    def _of(self, stream):
        return self.streams.setdefault(stream, [])

    def switched(self, account=a.ACCOUNT):
        return [event for event in self._of(account_stream(account)) if not isinstance(event, EquityMarked)]


@dataclass
class Bell:
    rung: int = 0

    def ring(self):
        self.rung += 1

    async def wait(self, timeout_s):
        raise AssertionError("nobody waits here")


@dataclass
class Room:
    ledger: Ledger = field(default_factory=Ledger)
    bell: Bell = field(default_factory=Bell)
    clock: FakeClock = field(default_factory=FakeClock)
    accounts: tuple = (a.ACCOUNT,)
    equity: Money = field(default_factory=lambda: a.money("9876.5"))

    @property
    def controls(self):
        async def equity(account):
            if not self.equity:
                raise VenueUnavailable("no answer")
            return self.equity

        return Controls(self.ledger, self.ledger, self.accounts, clock=self.clock, doorbell=self.bell, equity=equity)


async def test_pausing_is_recorded_once_with_who_and_why():
    room = Room()
    assert await room.controls.pause("ann", "news") == "main is paused: no new entries, exits and stops go on."
    assert await room.controls.pause("bob", "again") == "main was already paused."
    assert room.ledger.switched() == [TradingPaused(a.ACCOUNT, "ann", "news")]
    assert room.bell.rung


async def test_killing_is_recorded_once_and_also_while_paused():
    room = Room()
    await room.controls.pause("ann")
    assert await room.controls.kill("ann", "smoke") == "main is killed: no entries, every position is being closed."
    assert await room.controls.kill("ann", "fire") == "The kill switch of main was already on."
    assert room.ledger.switched()[1:] == [KillSwitchThrown(a.ACCOUNT, "ann", "smoke")]


@pytest.mark.parametrize("stopped", ["paused", "killed", "drawdown_latched"])
async def test_resuming_ends_each_kind_of_stop_and_records_todays_equity(stopped):
    room = Room(Ledger(start={stopped: True}))
    assert await room.controls.resume("ann") == "main may trade again, from an equity of 9876.5."
    assert room.ledger.switched() == [TradingResumed(a.ACCOUNT, "ann", a.money("9876.5"))]


async def test_resuming_what_is_not_stopped_changes_nothing_and_asks_nobody():
    room = Room(equity=a.money(0))
    assert await room.controls.resume("ann") == "main was not stopped."
    assert room.ledger.switched() == []


async def test_resuming_twice_resumes_once():
    room = Room()
    await room.controls.kill("ann")
    await room.controls.resume("ann")
    assert await room.controls.resume("ann") == "main was not stopped."
    assert len(room.ledger.switched()) == 2


async def test_resuming_says_that_the_daily_loss_limit_still_holds():
    room = Room(Ledger(start={"paused": True, "daily_loss_day": a.NOW.date()}))
    assert (await room.controls.resume("ann")).endswith("The daily loss limit holds until the next UTC day.")
    room.clock.advance(86_400)
    assert await room.controls.resume("ann") == "main was not stopped."


async def test_resuming_without_an_equity_to_measure_from_is_not_recorded():
    room = Room(Ledger(start={"killed": True}), equity=a.money(0))
    with pytest.raises(VenueUnavailable):
        await room.controls.resume("ann")
    assert room.ledger.switched() == []


@pytest.mark.parametrize("press", ["pause", "kill", "resume"])
async def test_a_switch_gets_its_turn_beside_a_busy_account(press):
    room = Room(Ledger(intruders=7, start={"paused": press == "resume"}))
    await getattr(room.controls, press)("ann")
    assert len(room.ledger.switched()) == 1


async def test_a_switch_that_could_not_be_recorded_says_so():
    room = Room(Ledger(intruders=10**6))
    with pytest.raises(StorageUnavailable, match="press again"):
        await room.controls.kill("ann")
    assert room.ledger.switched() == []


async def test_one_switch_serves_all_accounts():
    room = Room(accounts=(a.ACCOUNT, SPARE))
    said = await room.controls.kill("ann", "smoke")
    assert said.startswith("main is killed")
    assert "spare is killed" in said
    assert room.ledger.switched(SPARE) == [KillSwitchThrown(SPARE, "ann", "smoke")]
