"""What the stages work with: every port and every rule, bundled once by the bootstrap."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.domain.ids import AccountId, StrategyId
from app.domain.policy import RiskPolicy, StrategyProfile, VerdictPolicy
from app.pipeline.risk_rules.checks import Readiness
from app.pipeline.verdict import Jury
from app.ports import Clock, EventLog, Exchange, Lanes, MarketData, Metrics, Outbox, Records


@dataclass(slots=True)
class Health:
    """What the running process knows about its own fitness to trade; changed by the caretaker and by refusals."""

    looked_at: dict[AccountId, float] = field(default_factory=dict)  # monotonic time of the last look, if complete
    fresh_s: float = 30.0  # a look vouches for the account this long
    clock_skew_s: dict[AccountId, float] = field(default_factory=dict)
    halted: dict[AccountId, tuple[str, float]] = field(default_factory=dict)  # why entries are halted, and since when

    def halt(self, account: AccountId, why: str, now: float) -> None:
        """Until a complete look that begins after `now` (monotonic)."""
        self.halted[account] = (why, now)

    def why_halted(self, account: AccountId) -> str:
        """Empty when entries are not halted."""
        return self.halted.get(account, ("", 0.0))[0]

    def looked(self, account: AccountId, began: float, ended: float) -> None:
        """A complete look: it vouches for the account, and ends a halt that is older than the look. Monotonic times."""
        self.looked_at[account] = ended
        if account in self.halted and self.halted[account][1] <= began:
            del self.halted[account]

    def reconciled(self, account: AccountId, now: float) -> bool:
        """`now` is monotonic."""
        looked = self.looked_at.get(account)
        return looked is not None and now - looked <= self.fresh_s

    def readiness(self, account: AccountId, now: float) -> Readiness:
        return Readiness(
            reconciled=self.reconciled(account, now),
            clock_skew_s=self.clock_skew_s.get(account, math.nan),  # not measured is not known good
            halted=self.why_halted(account),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the order path waits, in real seconds."""

    send_deadline_s: float = 2.0  # after the intent was marked sent, it must leave within this or never
    fill_wait_s: float = 10.0  # for an accepted market order to become final
    unknown_give_up_s: float = 120.0  # then the alert is put back, its order still unresolved
    poll_s: float = 0.05  # first pause between looks; doubles up to `poll_max_s`
    poll_max_s: float = 1.0
    lag_s: float = 3.5  # a venue may show what it has just done this late: orders, fills, positions
    lease_s: float = 5.0  # of the lane, renewed before anything is taken off the book
    stop_tries: int = 3
    stop_pause_s: float = 0.5  # after the first try that left no stop; doubles


@dataclass(frozen=True, slots=True)
class Bot:
    log: EventLog
    records: Records
    lanes: Lanes
    exchanges: Mapping[AccountId, Exchange]
    market: Mapping[AccountId, MarketData]
    jury: Jury
    outbox: Outbox
    clock: Clock
    metrics: Metrics
    profile_of: Callable[[StrategyId], StrategyProfile | None]
    risk_policy: RiskPolicy
    verdict_policy: VerdictPolicy
    health: Health
    timing: Timing = field(default_factory=Timing)
