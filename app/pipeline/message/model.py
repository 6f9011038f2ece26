"""What reading a message gives: a Message, or Unreadable with the status and the field to blame.

Inside this package a reader raises Malformed; nothing outside ever sees it, because `alert.read_message` turns it into
Unreadable.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

from app.domain.alert import Preset
from app.domain.ids import StrategyId, Symbol
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.domain.signal import TakeProfit, TrailingStop


class Secret:
    """A value that never shows itself: its repr and str are stars. `reveal` is for the comparison and nothing else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be copied out of the process")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a message was not taken. `detail` is for people and never contains the message's secret."""

    status: int  # 400 not a message, 413 too large, 422 a message, but not an acceptable one
    field: str  # path of the field to blame, e.g. "take_profits[0].price"; "" for the whole body
    detail: str


class Malformed(Exception):  # noqa: N818 - reads as what it is
    """Raised by the readers of this package, caught by `alert.read_message`."""

    def __init__(self, field: str, detail: str, *, status: int = 422) -> None:
        super().__init__(detail)
        self.why = Unreadable(status, field, detail)


@dataclass(frozen=True, slots=True)
class Message:
    """An alert message in any of the formats, made uniform."""

    preset: Preset
    secret: Secret  # empty when the message has none: nobody's
    strategy: StrategyId | None  # None when the format has no name for it: the secret then says whose it is
    symbol: Symbol
    interval: str  # a key of candle.INTERVALS
    verb: str  # what was asked for, upper case, in the format's own word: BUY, EXIT_LONG, CANCEL, …
    action: OrderSide | None
    target: Target | None
    prev_target: Target | None
    bar_time: datetime | None  # UTC; at least one of the two times is there
    fired_at: datetime | None
    size: Decimal | None = None
    prev_size: Decimal | None = None
    price: Price | None = None
    stop_loss: Price | None = None
    take_profits: tuple[TakeProfit, ...] = ()
    trailing_stop: TrailingStop | None = None
    confirmed: bool = True
    order_id: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_only(self) -> bool:
        return self.target is Target.FLAT

    def dedupe_key(self, strategy: StrategyId) -> str:
        """What makes two messages the same alert: SHA-256 over content fields, never over raw bytes.

        strategy | symbol | interval | bar time | order id | verb. A format without a bar time counts with its firing
        time instead: TradingView's resends repeat the text, so they repeat that too. A message without an order id
        counts with its target and sizes instead, so that a close and a reverse within one second stay two alerts.
        """
        when = self.bar_time or self.fired_at
        which = self.order_id or [self.target, self.prev_target, _text(self.size), _text(self.prev_size)]
        material = [strategy, self.symbol, self.interval, when.isoformat() if when else "", which, self.verb]
        return hashlib.sha256(json.dumps(material).encode()).hexdigest()


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value.normalize())
