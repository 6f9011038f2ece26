"""KEY=VALUE;KEY=VALUE, one pair a line or parted by semicolons: the plain-text format OctoBot made known."""

import re
from decimal import ROUND_DOWN, Decimal

from app.domain.alert import Preset
from app.domain.money import Price
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import TakeProfit
from app.pipeline.message.common import (
    ACTIONS,
    MAX_TAKE_PROFITS,
    SIZED_BY_RISK,
    TARGETS,
    coherent,
    ignored,
    interval_or_default,
    secret_of,
    split,
    strategy_of,
)
from app.pipeline.message.fields import Fields
from app.pipeline.message.model import Malformed, Message
from app.pipeline.message.strict_json import check_texts
from app.pipeline.message.symbols import symbol_of

_SEPARATOR = re.compile(r";|\r?\n|\\n")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SIGNALS: dict[str, OrderSide | Target | None] = {**ACTIONS, "close": Target.FLAT, "cancel": None}


def looks_like(text: str) -> bool:
    first = _SEPARATOR.split(text.strip(), maxsplit=1)[0]
    key, equals, _ = first.partition("=")
    return bool(equals and _KEY.fullmatch(key.strip()))


def parse(text: str) -> dict[str, str]:
    """Upper-case keys with their values. Raises Malformed."""
    pairs: dict[str, str] = {}
    for number, part in enumerate(_SEPARATOR.split(text), start=1):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        name = key.strip().upper()
        if not equals or not _KEY.fullmatch(key.strip()):
            raise Malformed("", f"entry {number} is not KEY=VALUE", status=400)
        if name in pairs:
            raise Malformed(name, "this key is there twice: which one counts?", status=400)
        pairs[name] = value.strip()
    check_texts(pairs)
    return pairs


def read(fields: Fields) -> Message:
    verb = fields.required("SIGNAL").upper()
    asked = fields.word("SIGNAL", _SIGNALS)
    action = asked if isinstance(asked, OrderSide) else None
    held = fields.word("MARKET_POSITION", TARGETS)
    target = asked if isinstance(asked, Target) else held
    prev = fields.word("PREV_MARKET_POSITION", TARGETS)
    if fields.flag("REDUCE_ONLY") and action:  # closes what the order side can close, and never opens the other side
        target = Target.FLAT
        prev = Target(Side.LONG if action is OrderSide.SELL else Side.SHORT)
    interval, notes = interval_or_default(fields, "INTERVAL")
    message = Message(
        preset=Preset.KEY_VALUE,
        secret=secret_of(fields, "SECRET", "TOKEN"),
        strategy=strategy_of(fields, "STRATEGY"),
        symbol=symbol_of(fields.required("SYMBOL"), "SYMBOL", fields.text("EXCHANGE")),
        interval=interval,
        verb=verb,
        action=action,
        target=None if verb == "CANCEL" else target,
        prev_target=prev,
        bar_time=fields.time("BAR_TIME"),
        fired_at=fields.time("TIME") or fields.time("TIMESTAMP"),
        price=fields.price("PRICE"),
        stop_loss=fields.price("STOP_LOSS_PRICE") or fields.price("STOP_PRICE"),
        take_profits=_take_profits(fields),
        confirmed=fields.flag("CONFIRMED") is not False,
        order_id=fields.text("ORDER_ID", longest=256) or fields.text("TAG", longest=256),
        notes=(*notes, *_leftovers(fields)),
    )
    return coherent(message, action="SIGNAL", target="MARKET_POSITION", time="TIME")


def _take_profits(fields: Fields) -> tuple[TakeProfit, ...]:
    """TAKE_PROFIT_PRICE, TAKE_PROFIT_PRICE_1, …; volume ratios of more than 1 together are weights."""
    found: list[tuple[Price, Decimal | None]] = []
    for suffix in ("", *(f"_{number}" for number in range(1, MAX_TAKE_PROFITS + 1))):
        price, ratio = fields.price(f"TAKE_PROFIT_PRICE{suffix}"), fields.amount(f"TAKE_PROFIT_VOLUME_RATIO{suffix}")
        if ratio == 0:
            raise Malformed(f"TAKE_PROFIT_VOLUME_RATIO{suffix}", "must be above zero")
        if price is None and ratio is not None:
            raise Malformed(f"TAKE_PROFIT_PRICE{suffix}", "is missing, but its volume ratio is there")
        if price is not None:
            found.append((price, ratio))
    return split(_shares(found), "TAKE_PROFIT_VOLUME_RATIO")


def _shares(found: list[tuple[Price, Decimal | None]]) -> list[tuple[Price, Decimal | None]]:
    total = sum((ratio for _, ratio in found if ratio is not None), Decimal(0))
    if total <= 1:
        return found
    shares = [
        None if ratio is None else (ratio / total).quantize(Decimal("0.0001"), rounding=ROUND_DOWN)
        for _, ratio in found
    ]
    if Decimal(0) in shares:
        raise Malformed("TAKE_PROFIT_VOLUME_RATIO", "the weights differ too much: one share is next to nothing")
    return [(price, share) for (price, _), share in zip(found, shares, strict=True)]


def _leftovers(fields: Fields) -> tuple[str, ...]:
    return (
        *ignored(fields.skip("VOLUME", "LEVERAGE"), SIZED_BY_RISK),
        *ignored(fields.skip("ORDER_TYPE"), "entries go to market"),
        *ignored(fields.unread()),
    )
