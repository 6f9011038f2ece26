"""What has to be true before anything is opened: one small question each, answered with a Refusal or nothing. Pure.

`risk.py` holds the order in which they are asked. What the venue did not answer is None, and refused after the checks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.domain.candle import MarketView
from app.domain.decision import DenyReason, Move, Refusal
from app.domain.instrument import Instrument
from app.domain.policy import RiskPolicy, StrategyProfile
from app.domain.position import AccountBalance, Position
from app.domain.side import Side
from app.domain.signal import Signal
from app.pipeline.risk_rules.latches import daily_loss, drawn_down, utc_day
from app.pipeline.risk_rules.refusals import percent, refused, say
from app.ports import AccountFacts, StrategyRecord

# TradingView's clock and ours may differ a little; a signal from further ahead carries a time that cannot be believed.
FUTURE_TOLERANCE: Final = timedelta(seconds=5)
RATE_WINDOW: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the outside world is known well enough to open anything."""

    reconciled: bool  # our records were compared with the venue since the start
    clock_skew_s: float  # our clock minus the venue's
    halted: str = ""  # why entries are halted (rate limit, key trouble); "" when they are not


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """All that a check of an entry may look at."""

    signal: Signal
    move: Move
    side: Side  # to be entered
    position: Position | None
    view: MarketView | None
    instrument: Instrument | None
    listed: bool  # False: the venue answered, and does not name the symbol
    balance: AccountBalance | None
    facts: AccountFacts
    record: StrategyRecord
    newest: Signal | None
    policy: RiskPolicy
    profile: StrategyProfile
    now: datetime
    ready: Readiness


# --- is the signal itself in order -------------------------------------------------------------------


def fresh(e: Entering) -> Refusal | None:
    age = e.now - e.signal.fired_at
    if age > timedelta(seconds=e.policy.entry_max_age_s):
        return stale(age, e.policy.entry_max_age_s)
    if -age > FUTURE_TOLERANCE:
        detail = f"The alert says it fires {-age.total_seconds():.3f} s from now: its time cannot be believed."
        return refused(DenyReason.STALE, detail, age_s=age.total_seconds())
    return None


def confirmed(e: Entering) -> Refusal | None:
    if e.signal.confirmed or e.policy.allow_unconfirmed:
        return None
    return refused(DenyReason.UNCONFIRMED, "The bar was still open when the alert fired: the signal may yet vanish.")


def newest_of_its_strategy(e: Entering) -> Refusal | None:
    if e.newest and overtakes(e.newest, e.signal):
        return superseded(e.newest, "came first")
    return None


def symbol_allowed(e: Entering) -> Refusal | None:
    symbol, rules = e.signal.symbol, e.instrument
    if e.profile.symbols and symbol not in e.profile.symbols:
        return refused(DenyReason.SYMBOL_NOT_ALLOWED, f"{e.profile.strategy} may not trade {symbol}.")
    if not e.listed or (rules is not None and not _tradable(rules)):
        return refused(DenyReason.SYMBOL_NOT_ALLOWED, f"The venue does not list {symbol} as trading.")
    return None


def _tradable(rules: Instrument) -> bool:
    return rules.trading and rules.tick > 0 and max(rules.step, rules.market_step) > 0


def side_allowed(e: Entering) -> Refusal | None:
    if e.side in e.profile.sides:
        return None
    return refused(DenyReason.SIDE_NOT_ALLOWED, f"{e.profile.strategy} may not go {e.side}.", side=e.side)


# --- may the bot open anything now -------------------------------------------------------------------


def not_killed(e: Entering) -> Refusal | None:
    return refused(DenyReason.KILLED, "The kill switch is on; resume by hand.") if e.facts.killed else None


def not_paused(e: Entering) -> Refusal | None:
    if not e.profile.enabled:
        return refused(DenyReason.PAUSED, f"{e.profile.strategy} is switched off in the registry.")
    return refused(DenyReason.PAUSED, "Trading is paused; resume by hand.") if e.facts.paused else None


def venue_known(e: Entering) -> Refusal | None:
    if not e.ready.reconciled:
        return refused(DenyReason.NOT_RECONCILED, "Our records have not been compared with the venue yet.")
    if e.ready.halted:
        return refused(DenyReason.NOT_RECONCILED, f"Entries are halted: {e.ready.halted}.")
    return None


def clock_true(e: Entering) -> Refusal | None:
    skew, most = e.ready.clock_skew_s, e.policy.max_clock_skew_s
    if abs(skew) <= most:  # written so that NaN, an unknown skew, refuses
        return None
    detail = f"Our clock is {skew:+.3f} s off the venue's; {most:g} s is the limit."
    return refused(DenyReason.CLOCK_SKEW, detail, skew_s=skew, max_skew_s=most)


def within_daily_loss(e: Entering) -> Refusal | None:
    latched = e.facts.daily_loss_day
    if latched is not None and latched >= utc_day(e.now):
        detail = f"The daily loss limit was reached on {latched}; entries are allowed again the next UTC day."
        return refused(DenyReason.DAILY_LOSS_LIMIT, detail, day=latched)
    loss = daily_loss(e.facts, e.balance.equity, e.policy, e.now) if e.balance else None
    if loss is None:
        return None
    lost, limit = loss
    detail = f"{say(lost.value)} lost today, the limit is {say(limit.value)} ({percent(e.policy.daily_loss_rate)})."
    return refused(DenyReason.DAILY_LOSS_LIMIT, detail, lost=lost, limit=limit)


def within_drawdown(e: Entering) -> Refusal | None:
    if e.facts.drawdown_latched:
        return refused(DenyReason.DRAWDOWN_LATCHED, "The drawdown limit was reached; resume by hand.")
    peak = drawn_down(e.facts, e.balance.equity, e.policy) if e.balance else None
    if peak is None or e.balance is None:
        return None
    limit = percent(e.policy.max_drawdown_rate)
    detail = f"Equity {say(e.balance.equity.value)} is {limit} or more below its peak {say(peak.value)}."
    return refused(DenyReason.DRAWDOWN_LATCHED, detail, equity=e.balance.equity, peak=peak)


def cooled_down(e: Entering) -> Refusal | None:
    last = e.facts.last_entry_at.get(e.signal.symbol)
    if last is None or e.now - last >= timedelta(seconds=e.policy.cooldown_s):
        return None
    since = (e.now - last).total_seconds()
    detail = f"The last {e.signal.symbol} entry was {since:.3f} s ago; {e.policy.cooldown_s:g} s is the pause."
    return refused(DenyReason.COOLDOWN, detail, since_s=since, cooldown_s=e.policy.cooldown_s)


def within_rate(e: Entering) -> Refusal | None:
    count, most = sum(e.now - at < RATE_WINDOW for at in e.facts.entries_at), e.policy.orders_per_minute
    if count < most:
        return None
    return refused(DenyReason.RATE_LIMIT, f"{count} entries in the last minute; {most} is the limit.", entries=count)


# --- does it fit beside what is open -----------------------------------------------------------------


def room_for_position(e: Entering) -> Refusal | None:
    """Other symbols that are held or promised, against the number of positions allowed."""
    others = {item.symbol for item in e.facts.positions}
    others |= {room.symbol for room in e.facts.reservations if room.alert_id != e.signal.alert_id}
    count, most = len(others - {e.signal.symbol}), e.policy.max_positions
    if count < most:
        return None
    detail = f"{count} other positions are open or being opened; {most} is the limit."
    return refused(DenyReason.MAX_POSITIONS, detail, positions=count, limit=most)


def room_for_entry(e: Entering) -> Refusal | None:
    """The position still is what the move was chosen for, and takes another entry."""
    held, most = e.position, e.profile.max_entries
    if e.move is Move.ADD and (held is None or held.side is not e.side):
        return refused(DenyReason.ALREADY_FLAT, f"There is no {e.side} {e.signal.symbol} position to add to.")
    if held is None or (e.move is Move.REVERSE and held.side is not e.side):
        return None
    if e.move is Move.ADD and held.entries < most:
        return None
    detail = f"A {held.side} position of {held.quantity} is open, built by {held.entries} of at most {most} entries."
    return refused(DenyReason.ALREADY_IN_POSITION, detail, entries=held.entries, limit=most)


# --- is the strategy worth it ------------------------------------------------------------------------


def wins_often_enough(e: Entering) -> Refusal | None:
    """Checked after the levels. Exactly the minimum is not enough: the rule is "more than 55 %"."""
    trades, wins = e.record.trades, e.record.wins
    least = max(e.policy.min_win_rate, e.profile.min_win_rate or e.policy.min_win_rate)
    if trades < max(1, e.policy.win_rate_min_trades) or wins > least * trades:
        return None
    detail = f"{wins} of {trades} trades won; more than {percent(least)} is asked for."
    return refused(DenyReason.WIN_RATE, detail, wins=wins, trades=trades, minimum=least)


# --- shared with exits --------------------------------------------------------------------------------


def overtakes(newest: Signal, signal: Signal) -> bool:
    """True when another alert is strictly newer: by bar, then by firing time. Bars compare only within one interval."""
    if newest.alert_id == signal.alert_id:
        return False
    if newest.bar_time and signal.bar_time and newest.interval == signal.interval:
        return (newest.bar_time, newest.fired_at) > (signal.bar_time, signal.fired_at)
    return newest.fired_at > signal.fired_at


def stale(age: timedelta, most_s: float) -> Refusal:
    detail = f"The alert fired {age.total_seconds():.3f} s ago; {most_s:g} s is the limit."
    return refused(DenyReason.STALE, detail, age_s=age.total_seconds(), max_age_s=most_s)


def superseded(newest: Signal, what: str) -> Refusal:
    detail = f"A newer signal of the strategy, fired {newest.fired_at.isoformat()}, {what}."
    return refused(DenyReason.SUPERSEDED, detail, newer=newest.alert_id)
