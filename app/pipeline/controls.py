"""The switches a person has: pause, resume, kill. Each is an event of the account, so it holds across restarts.

Pressing a switch twice changes nothing. A failure is raised to whoever pressed it (StorageUnavailable, or for `resume`
VenueUnavailable): a switch that was not recorded must never look as if it had been.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from app.domain.errors import StorageUnavailable, VersionConflict
from app.domain.events import Event, KillSwitchThrown, TradingPaused, TradingResumed
from app.domain.ids import AccountId, account_stream
from app.domain.money import Money
from app.pipeline.risk_rules.latches import utc_day
from app.ports import AccountFacts, Append, Bell, Clock, EventLog, Records

# An account's stream moves with every approved entry; a switch is retried until it has its turn.
TRIES: Final = 20
PAUSE_S: Final = 0.02

_Press = Callable[[AccountId, AccountFacts], Awaitable[tuple[Event | None, str]]]


class Controls:
    """One set of switches for all accounts of the bot. `equity` asks the venue for an account's current equity."""

    def __init__(
        self,
        log: EventLog,
        records: Records,
        accounts: Sequence[AccountId],
        *,
        clock: Clock,
        doorbell: Bell,
        equity: Callable[[AccountId], Awaitable[Money]],
    ) -> None:
        self._log = log
        self._records = records
        self._accounts = tuple(accounts)
        self._clock = clock
        self._doorbell = doorbell
        self._equity = equity

    async def pause(self, by: str, why: str = "") -> str:
        """No entries until resumed; positions, stops and exits go on."""

        async def press(account: AccountId, facts: AccountFacts) -> tuple[Event | None, str]:
            if facts.paused:
                return None, f"{account} was already paused."
            return TradingPaused(account, by, why), f"{account} is paused: no new entries, exits and stops go on."

        return await self._on_all(press)

    async def resume(self, by: str) -> str:
        """End a pause, the kill switch and the drawdown latch; the drawdown is measured from today's equity again.

        The daily-loss latch is not for people to open: it ends with its UTC day.
        """

        async def press(account: AccountId, facts: AccountFacts) -> tuple[Event | None, str]:
            latched = facts.daily_loss_day is not None and facts.daily_loss_day >= utc_day(self._clock.now())
            rest = " The daily loss limit holds until the next UTC day." if latched else ""
            if not (facts.paused or facts.killed or facts.drawdown_latched):
                return None, f"{account} was not stopped.{rest}"
            equity = await self._equity(account)
            return TradingResumed(account, by, equity), f"{account} may trade again, from an equity of {equity}.{rest}"

        return await self._on_all(press)

    async def kill(self, by: str, why: str = "") -> str:
        """No entries, and every position is closed by the worker."""

        async def press(account: AccountId, facts: AccountFacts) -> tuple[Event | None, str]:
            if facts.killed:
                return None, f"The kill switch of {account} was already on."
            return KillSwitchThrown(
                account, by, why
            ), f"{account} is killed: no entries, every position is being closed."

        return await self._on_all(press)

    async def _on_all(self, press: _Press) -> str:
        said = [await self._on(account, press) for account in self._accounts]
        self._doorbell.ring()
        return " ".join(said)

    async def _on(self, account: AccountId, press: _Press) -> str:
        """Append after exactly the version that was read; whoever was faster makes us read again."""
        for tried in range(TRIES):
            facts = await self._records.account_facts(account)
            event, sentence = await press(account, facts)
            if event is None:
                return sentence
            try:
                await self._log.append(Append(account_stream(account), facts.version, (event,)))
            except VersionConflict:
                await self._clock.sleep(PAUSE_S * (tried + 1))
                continue
            return sentence
        raise StorageUnavailable(f"the log of {account} is too busy: nothing was recorded, press again")
