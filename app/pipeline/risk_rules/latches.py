"""The two limits that, once crossed, stay shut: the daily loss and the drawdown. Pure.

The latches live as events of the account, so a restart or a recovery of the price does not open them again: the daily
loss ends with its UTC day, the drawdown when a person resumes trading. A failure here would let a losing day go on, so
the risk stage also compares the live equity with the limits itself, latched or not.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

from app.domain.events import DailyLossLatched, DrawdownLatched, Event
from app.domain.ids import AccountId
from app.domain.money import Money, plain
from app.domain.policy import RiskPolicy
from app.ports import AccountFacts

PEAK_STEP = Decimal("0.001")


def utc_day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def daily_loss(facts: AccountFacts, equity: Money, policy: RiskPolicy, now: datetime) -> tuple[Money, Money] | None:
    """(lost, limit) when today's loss has reached its limit, else None.

    A day later than today's counts as today's: a clock that stepped back does not open the limit.
    """
    if facts.day is None or facts.day_start_equity is None or facts.day < utc_day(now):
        return None
    lost = facts.day_start_equity - equity
    limit = facts.day_start_equity.times(policy.daily_loss_rate)
    return (lost, limit) if lost >= limit else None


def drawn_down(facts: AccountFacts, equity: Money, policy: RiskPolicy) -> Money | None:
    """The peak, when equity has fallen from it by the limit or more, else None."""
    peak = facts.peak_equity
    if peak is None or equity > peak.times(1 - policy.max_drawdown_rate):
        return None
    return peak


def new_latches(
    facts: AccountFacts, equity: Money, policy: RiskPolicy, now: datetime, *, account: AccountId
) -> tuple[Event, ...]:
    """The events of limits crossed just now, for the caller to append to the account's stream."""
    events: list[Event] = []
    today = utc_day(now)
    loss = daily_loss(facts, equity, policy, now)
    if loss and (facts.daily_loss_day is None or facts.daily_loss_day < today):
        events.append(DailyLossLatched(account, today.isoformat(), loss[0], loss[1]))
    peak = drawn_down(facts, equity, policy)
    if peak and not facts.drawdown_latched:
        events.append(DrawdownLatched(account, peak, equity, plain(policy.max_drawdown_rate)))
    return tuple(events)


def equity_mark_due(facts: AccountFacts, equity: Money, now: datetime) -> bool:
    """True for the first equity ever, the first of a UTC day, and a new peak: what the limits are measured from.

    A peak counts once it is PEAK_STEP above the last, or a rising position would write one on every look.
    """
    if facts.day is None or facts.day_start_equity is None or facts.peak_equity is None:
        return True
    return utc_day(now) > facts.day or equity > facts.peak_equity.times(1 + PEAK_STEP)
