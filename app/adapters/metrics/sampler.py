"""Reads what the gauges show, again and again, in the background. Trading never waits for it, nor stops with it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

from app.adapters.metrics.prometheus import PrometheusMetrics
from app.domain.errors import Retryable
from app.domain.ids import AccountId
from app.ports import AccountFacts, AlertInbox, Clock, Exchange, Queries

log = structlog.get_logger(__name__)
T = TypeVar("T")
_SLOW = 3  # rounds between questions that cost the venue an answer or the database a count


@dataclass(frozen=True, slots=True)
class Vitals:
    """What else a running bot can tell. `facts` and `messages` raise Retryable."""

    reconciled: Callable[[AccountId], bool] = lambda _: True
    facts: Callable[[AccountId], Awaitable[AccountFacts]] | None = None
    messages: Callable[[], Awaitable[Mapping[str, int]]] | None = None  # to people, by state


class GaugeSampler:
    """`every_s` in real seconds."""

    def __init__(
        self,
        metrics: PrometheusMetrics,
        inbox: AlertInbox,
        queries: Queries,
        exchanges: Mapping[AccountId, Exchange],
        clock: Clock,
        *,
        vitals: Vitals | None = None,
        every_s: float = 5.0,
    ) -> None:
        self._metrics = metrics
        self._inbox = inbox
        self._queries = queries
        self._exchanges = exchanges
        self._clock = clock
        self._vitals = vitals or Vitals()
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sample, in the background."""
        self._task = self._task or asyncio.create_task(self._run())

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def sample(self) -> None:
        """Read everything once. What does not answer is shown as unknown."""
        await self._sample_storage()
        await self._sample_slowly()

    async def _run(self) -> None:
        rounds = 0
        while True:
            try:
                await self._sample_storage()
                if rounds % _SLOW == 0:
                    await self._sample_slowly()
            except Exception:
                log.exception("gauges_not_sampled")
            rounds += 1
            await self._clock.sleep(self._every_s)

    # --- what the database knows -----------------------------------------------------------------------

    async def _sample_storage(self) -> None:
        started = self._clock.monotonic()
        backlog = await _or_none(self._inbox.backlog())
        self._metrics.probed("database", None if backlog is None else self._clock.monotonic() - started)
        positions = None if backlog is None else await _or_none(self._queries.positions())
        self._metrics.set_backlog(None if positions is None else backlog)
        now = self._clock.now()
        for account in self._exchanges:
            held = None if positions is None else [one for one in positions if one.account == account]
            naked = [(now - one.opened_at).total_seconds() for one in held or () if one.stop_price is None]
            self._metrics.set_open_positions(account, None if held is None else len(held))
            self._metrics.set_naked_seconds(account, None if held is None else max(naked, default=0.0))
            await self._sample_switches(account, answers=positions is not None)

    async def _sample_switches(self, account: AccountId, *, answers: bool) -> None:
        vitals = self._vitals
        if vitals.facts is None:
            return
        facts = await _or_none(vitals.facts(account)) if answers else None
        today = self._clock.now().date()
        self._metrics.set_entries_off(
            account,
            {
                "paused": None if facts is None else facts.paused,
                "killed": None if facts is None else facts.killed,
                "daily_loss": None if facts is None else facts.daily_loss_day == today,
                "drawdown": None if facts is None else facts.drawdown_latched,
                "not_reconciled": not vitals.reconciled(account),
            },
        )

    # --- what costs more -------------------------------------------------------------------------------

    async def _sample_slowly(self) -> None:
        for account, exchange in self._exchanges.items():
            started = self._clock.monotonic()
            balance = await _or_none(exchange.balance())
            self._metrics.probed("venue", None if balance is None else self._clock.monotonic() - started)
            self._metrics.set_equity(account, None if balance is None else balance.equity)
        if self._vitals.messages is not None:
            self._metrics.set_messages(await _or_none(self._vitals.messages()))


async def _or_none(question: Awaitable[T]) -> T | None:
    try:
        return await question
    except Retryable:
        return None
