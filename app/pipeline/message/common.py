"""What all formats share: words, the split of take-profits, and the checks a message must pass as a whole."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from app.domain.ids import StrategyId
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.domain.signal import TakeProfit
from app.pipeline.message.fields import Fields
from app.pipeline.message.model import Malformed, Message, Secret
from app.pipeline.message.symbols import DEFAULT_INTERVAL, interval_of

ACTIONS = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}
TARGETS = {"long": Target.LONG, "short": Target.SHORT, "flat": Target.FLAT}
MAX_TAKE_PROFITS = 10
LONGEST_SECRET = 512
_SHARE_STEP = Decimal("0.0001")


def secret_of(fields: Fields, *names: str) -> Secret:
    """The secret under the first of these names that is there; an absent one is empty, and nobody's."""
    found = ""
    for name in names:
        found = found or fields.text(name, longest=LONGEST_SECRET)
    return Secret(found)


def strategy_of(fields: Fields, *names: str) -> StrategyId | None:
    for name in names:
        value = fields.text(name, longest=64)
        if value:
            return StrategyId(value)
    return None


def interval_or_default(fields: Fields, name: str) -> tuple[str, tuple[str, ...]]:
    text = fields.text(name)
    if text:
        return interval_of(text, fields.path(name)), ()
    return DEFAULT_INTERVAL, (f"no interval in the message: judged on {DEFAULT_INTERVAL} candles",)


def ignored(names: Sequence[str], why: str = "") -> tuple[str, ...]:
    """The note that says which fields had no effect."""
    if not names:
        return ()
    shown = ", ".join(name[:64] for name in names[:20])
    return (f"ignored: {shown}{f' ({why})' if why else ''}",)


SIZED_BY_RISK = "the bot sizes by its own risk rules"


def split(found: Sequence[tuple[Price, Decimal | None]], field: str) -> tuple[TakeProfit, ...]:
    """Take-profits with their shares of the position; without any shares, equal ones. Together at most 1."""
    shares = [share for _, share in found if share is not None]
    if not shares:
        equal = (1 / Decimal(max(len(found), 1))).quantize(_SHARE_STEP, rounding=ROUND_DOWN)
        rest = 1 - equal * (len(found) - 1)
        found = [(price, rest if index == len(found) - 1 else equal) for index, (price, _) in enumerate(found)]
    elif len(shares) != len(found):
        raise Malformed(field, "give every take-profit its share, or none of them")
    elif sum(shares) > 1:
        raise Malformed(field, f"the shares add up to {sum(shares)}, which is more than the whole position")
    return tuple(TakeProfit(price, share) for price, share in found if share is not None)


def coherent(message: Message, *, action: str, target: str, time: str) -> Message:
    """Check what no single field can show. The names say which field to blame. Raises Malformed."""
    if message.action is None and message.target is None and message.verb != "CANCEL":
        raise Malformed(action, f"is missing: say what to do ({action}) or what to hold afterwards ({target})")
    if message.bar_time is None and message.fired_at is None:
        raise Malformed(
            time,
            "is missing: without a time a resend cannot be told from a new alert; add {{timenow}} to the message",
        )
    if message.target is Target.FLAT:
        return _plain_exit(message)
    side = message.target.side if message.target else None
    if side and message.size == 0:
        raise Malformed(target, f"says {side.value.lower()}, but the position size is 0")
    turned = message.prev_target is not None and message.prev_target is not message.target
    if side and turned and message.action not in (None, side.entry):
        raise Malformed(action, f"is {message.action}, which cannot turn {message.prev_target} into {message.target}")
    return message


def _plain_exit(message: Message) -> Message:
    """An exit needs no stop and no targets; what it brings along is dropped with a note, never a reason to refuse."""
    extras = bool(message.stop_loss or message.take_profits or message.trailing_stop)
    notes = (*message.notes, *ignored(["stop and take-profits"] if extras else [], "an exit has none"))
    return replace(message, stop_loss=None, take_profits=(), trailing_stop=None, notes=notes)
