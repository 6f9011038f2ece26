"""Formats of other services, for people who come from there: 3Commas, OKX signal bots, TradersPost.

Each function reads one format. Sizes in the message have no effect here: the bot sizes by its own risk rules, and says
so in the notes. Field references: help.3commas.io 9374557 and 8894481, okx.com "Signal Bot Alert Message
Specifications" sections A and B, docs.traderspost.io "Signal Message Reference".
"""

from collections.abc import Mapping
from decimal import Decimal

from app.domain.alert import Preset
from app.domain.money import Price
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import TakeProfit, TrailingStop
from app.pipeline.message.common import (
    ACTIONS,
    SIZED_BY_RISK,
    TARGETS,
    coherent,
    ignored,
    interval_or_default,
    secret_of,
    strategy_of,
)
from app.pipeline.message.fields import Fields
from app.pipeline.message.model import Malformed, Message
from app.pipeline.message.symbols import symbol_of

# word → (order side, target, what the exit may close)
Move = tuple[OrderSide | None, Target | None, Target | None]
_PLAIN: Mapping[str, Move] = {word: (side, None, None) for word, side in ACTIONS.items()}
_ENTER_EXIT: Mapping[str, Move] = {
    "enter_long": (OrderSide.BUY, Target.LONG, None),
    "enter_short": (OrderSide.SELL, Target.SHORT, None),
    "exit_long": (OrderSide.SELL, Target.FLAT, Target.LONG),
    "exit_short": (OrderSide.BUY, Target.FLAT, Target.SHORT),
}
_SENTIMENTS = {**TARGETS, "bullish": Target.LONG, "bearish": Target.SHORT}


def three_commas(fields: Fields) -> Message:
    """`strategy_info` holds the target; the custom-signal type says it in the action instead."""
    verb = fields.text("action").upper()
    action, target, prev = fields.word("action", {**_PLAIN, **_ENTER_EXIT}) or (None, None, None)
    info = fields.child("strategy_info") or Fields({}, "strategy_info.")
    held, prev_held = info.word("market_position", TARGETS), info.word("prev_market_position", TARGETS)
    if target is not None and held not in (None, target):
        raise Malformed(info.path("market_position"), f"says {held}, but action says {verb.lower()}")
    interval, notes = interval_or_default(fields, "interval")
    message = Message(
        preset=Preset.THREE_COMMAS,
        secret=secret_of(fields, "secret"),
        strategy=strategy_of(fields, "strategy", "bot_uuid"),
        symbol=symbol_of(fields.required("tv_instrument"), "tv_instrument", fields.text("tv_exchange")),
        interval=interval,
        verb=verb,
        action=action,
        target=target or held,
        prev_target=prev or prev_held,
        bar_time=fields.time("bar_time"),
        fired_at=fields.time("timestamp"),
        size=info.amount("market_position_size"),
        prev_size=info.amount("prev_market_position_size"),
        price=fields.price("trigger_price"),
        notes=(*notes, *ignored(fields.skip("order"), SIZED_BY_RISK), *_rest(fields, "bot_uuid", "max_lag")),
    )
    return coherent(message, action="action", target="strategy_info.market_position", time="timestamp")


def okx_a(fields: Fields) -> Message:
    """Section A, for strategy scripts: `marketPosition` is the target."""
    interval, notes = interval_or_default(fields, "interval")
    message = Message(
        preset=Preset.OKX_SIGNAL_A,
        secret=secret_of(fields, "signalToken"),
        strategy=strategy_of(fields, "strategy"),
        symbol=symbol_of(fields.required("instrument"), "instrument"),
        interval=interval,
        verb=fields.text("action").upper(),
        action=fields.word("action", ACTIONS),
        target=fields.word("marketPosition", TARGETS),
        prev_target=fields.word("prevMarketPosition", TARGETS),
        bar_time=fields.time("bar_time"),
        fired_at=fields.time("timestamp"),
        order_id=fields.text("id", longest=256),
        notes=(*notes, *_okx_sizes(fields), *_rest(fields, "maxLag")),
    )
    return coherent(message, action="action", target="marketPosition", time="timestamp")


def okx_b(fields: Fields) -> Message:
    """Section B, for anything: ENTER_LONG and friends. EXIT_LONG closes a long and must never touch a short."""
    fields.required("action")
    action, target, prev = fields.word("action", _ENTER_EXIT) or (None, None, None)
    interval, notes = interval_or_default(fields, "interval")
    message = Message(
        preset=Preset.OKX_SIGNAL_B,
        secret=secret_of(fields, "signalToken"),
        strategy=strategy_of(fields, "strategy"),
        symbol=symbol_of(fields.required("instrument"), "instrument"),
        interval=interval,
        verb=fields.text("action").upper(),
        action=action,
        target=target,
        prev_target=prev,
        bar_time=fields.time("bar_time"),
        fired_at=fields.time("timestamp"),
        order_id=fields.text("id", longest=256),
        notes=(*notes, *_okx_sizes(fields), *_rest(fields, "maxLag")),
    )
    return coherent(message, action="action", target="action", time="timestamp")


def traderspost(fields: Fields) -> Message:
    """`sentiment` is the target; `exit` means flat; `cancel` has nothing to cancel here, for entries go to market."""
    verb = fields.required("action").upper()
    exits: Mapping[str, Move] = {"exit": (None, Target.FLAT, None)}
    waits: Mapping[str, Move] = {"add": (None, None, None), "cancel": (None, None, None)}
    action, target, _ = fields.word("action", {**_PLAIN, **exits, **waits}) or (None, None, None)
    sentiment = fields.word("sentiment", _SENTIMENTS)
    if verb == "ADD":
        if sentiment is None or sentiment.side is None:
            raise Malformed("sentiment", "must be bullish or bearish to say what to add to")
        action = sentiment.side.entry
    if verb == "EXIT" and sentiment not in (None, Target.FLAT):
        raise Malformed("sentiment", f"says {sentiment}, but action says to exit")
    target = None if verb == "CANCEL" else target or sentiment
    leaves = target is Target.FLAT or verb == "CANCEL"
    side = (target.side if target else None) or (Side.SHORT if action is OrderSide.SELL else Side.LONG)
    limit, signal_price = fields.price("limitPrice"), fields.price("signalPrice")
    price = fields.price("price") or signal_price or limit
    stop, trailing = (None, None) if leaves else _stop_loss(fields, side, price)
    interval, notes = interval_or_default(fields, "interval")
    message = Message(
        preset=Preset.TRADERSPOST,
        secret=secret_of(fields, "secret"),
        strategy=strategy_of(fields, "strategy"),
        symbol=symbol_of(fields.required("ticker"), "ticker", fields.text("exchange")),
        interval=interval,
        verb=verb,
        action=action,
        target=target,
        prev_target=None,
        bar_time=fields.time("bar_time"),
        fired_at=fields.time("time"),
        price=price,
        stop_loss=stop,
        trailing_stop=trailing,
        take_profits=() if leaves else _take_profit(fields, side, price),
        order_id=fields.text("id", longest=256),
        notes=(
            *notes,
            *ignored(fields.skip("quantity", "quantityType"), SIZED_BY_RISK),
            *ignored(fields.skip("orderType", "timeInForce"), "entries go to market"),
            *_rest(fields, *(("stopLoss", "takeProfit") if leaves else ())),
        ),
    )
    return coherent(message, action="action", target="sentiment", time="time")


def _stop_loss(fields: Fields, side: Side, price: Price | None) -> tuple[Price | None, TrailingStop | None]:
    child = fields.child("stopLoss")
    if child is None:
        return None, None
    kind = child.text("type")
    trail = child.number("trailPercent")
    if trail is not None:
        if not Decimal("0.1") <= trail <= Decimal(10):  # what the venues take
            raise Malformed(child.path("trailPercent"), "must be between 0.1 and 10 per cent")
        return child.price("stopPrice"), TrailingStop(trail / 100)
    if kind.startswith("trailing"):
        raise Malformed(child.path("trailPercent"), "is missing: a trailing stop is given in per cent here")
    return _level(child, "stopPrice", price, -side.sign), None


def _take_profit(fields: Fields, side: Side, price: Price | None) -> tuple[TakeProfit, ...]:
    child = fields.child("takeProfit")
    level = _level(child, "limitPrice", price, side.sign) if child else None
    return (TakeProfit(level, Decimal(1)),) if level else ()


def _level(child: Fields, absolute: str, price: Price | None, direction: int) -> Price | None:
    """A price, given as such or as a distance from the message's own price; `direction` is +1 above, -1 below it."""
    percent, amount = child.amount("percent"), child.amount("amount")
    level = child.price(absolute)
    if level is not None:
        return level
    if percent is None and amount is None:
        raise Malformed(child.path(absolute), "is missing: give a price, a percent or an amount")
    if price is None:
        raise Malformed("signalPrice", f"is missing: {child.path('percent')} and amount are measured from it")
    distance = price.value * percent / 100 if percent is not None else amount or Decimal(0)
    value = price.value + direction * distance
    if value <= 0:
        raise Malformed(child.path("percent" if percent is not None else "amount"), "leads to a price below zero")
    return Price(value)


def _okx_sizes(fields: Fields) -> tuple[str, ...]:
    return (
        *ignored(fields.skip("amount", "investmentType"), SIZED_BY_RISK),
        *ignored(fields.skip("orderType", "orderPriceOffset"), "entries go to market"),
    )


def _rest(fields: Fields, *known: str) -> tuple[str, ...]:
    fields.skip(*known)
    return ignored(fields.unread())
