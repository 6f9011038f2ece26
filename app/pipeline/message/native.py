"""Our own message: what exported Pine scripts send and what the documentation tells people to paste.

It is read strictly: a key that looks like a misspelt one of ours is refused, because a stop that is silently ignored
costs money. Keys that are plainly something else are noted and ignored.
"""

from decimal import Decimal

from app.domain.alert import Preset
from app.domain.side import OrderSide, Target
from app.domain.signal import TakeProfit, TrailingStop
from app.pipeline.message.common import (
    ACTIONS,
    MAX_TAKE_PROFITS,
    TARGETS,
    coherent,
    ignored,
    interval_or_default,
    secret_of,
    split,
    strategy_of,
)
from app.pipeline.message.fields import Fields, near_misses
from app.pipeline.message.model import Malformed, Message
from app.pipeline.message.symbols import symbol_of

KEYS = frozenset(
    {
        *("secret", "strategy", "symbol", "exchange", "interval", "bar_time", "fired_at", "action", "order_id"),
        *("market_position", "market_position_size", "prev_market_position", "prev_market_position_size", "price"),
        *("stop_loss", "take_profits", "trailing_stop", "confirmed", "comment"),
    }
)
_VERBS: dict[str, OrderSide | Target] = {**ACTIONS, "close": Target.FLAT, "exit": Target.FLAT}
_CALLBACK_RATES = (Decimal("0.001"), Decimal("0.1"))  # what the venues take


def read(fields: Fields) -> Message:
    """Raises Malformed with the field to blame."""
    interval, notes = interval_or_default(fields, "interval")
    verb = fields.word("action", _VERBS)
    held = fields.word("market_position", TARGETS)
    if isinstance(verb, Target) and held not in (None, verb):
        raise Malformed("market_position", f"says {held}, but action says to close")
    action = verb if isinstance(verb, OrderSide) else None
    target = verb if isinstance(verb, Target) else held
    message = Message(
        preset=Preset.NATIVE,
        secret=secret_of(fields, "secret"),
        strategy=strategy_of(fields, "strategy"),
        symbol=symbol_of(fields.required("symbol"), "symbol", fields.text("exchange")),
        interval=interval,
        verb=action or target or "",
        action=action,
        target=target,
        prev_target=fields.word("prev_market_position", TARGETS),
        bar_time=fields.time("bar_time"),
        fired_at=fields.time("fired_at"),
        size=fields.amount("market_position_size"),
        prev_size=fields.amount("prev_market_position_size"),
        price=fields.price("price"),
        stop_loss=fields.price("stop_loss"),
        take_profits=_take_profits(fields),
        trailing_stop=_trailing_stop(fields),
        confirmed=fields.flag("confirmed") is not False,
        order_id=fields.text("order_id", longest=256),
        notes=(*notes, *_leftovers(fields)),
    )
    return coherent(message, action="action", target="market_position", time="fired_at")


def _take_profits(fields: Fields) -> tuple[TakeProfit, ...]:
    found = []
    for item in fields.children("take_profits", most=MAX_TAKE_PROFITS):
        price, ratio = item.price("price"), item.number("ratio")
        if ratio is not None and not 0 < ratio <= 1:
            raise Malformed(item.path("ratio"), "is a share of the position, above 0 and at most 1")
        _refuse_unknown(item, ("price", "ratio"))
        if price is not None:  # a script leaves the price of a target it does not use empty
            found.append((price, ratio))
    return split(found, "take_profits")


def _trailing_stop(fields: Fields) -> TrailingStop | None:
    child = fields.child("trailing_stop")
    if child is None:
        return None
    rate, activation = child.number("callback_rate"), child.price("activation")
    _refuse_unknown(child, ("callback_rate", "activation"))
    if rate is None:
        if activation is not None:
            raise Malformed(child.path("callback_rate"), "is missing")
        return None
    low, high = _CALLBACK_RATES
    if not low <= rate <= high:
        raise Malformed(child.path("callback_rate"), f"is a fraction between {low} and {high}: 0.01 means 1 %")
    return TrailingStop(rate, activation)


def _refuse_unknown(fields: Fields, known: tuple[str, ...]) -> None:
    unknown = fields.unread()
    if unknown:
        raise Malformed(unknown[0][:128], f"is not known here; there are {' and '.join(known)}")


def _leftovers(fields: Fields) -> tuple[str, ...]:
    fields.skip("comment")
    unknown = fields.unread()
    slip = near_misses(unknown, KEYS)
    if slip:
        raise Malformed(slip[0][:64], f"is not a field of the message; did you mean {slip[1]}?")
    return ignored(unknown)
