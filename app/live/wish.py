"""What a strategy wants now, seen from the position that is really held. Pure.

Only the newest closed bar may open anything: an older one was missed, and its moment is over. Leaving is different: an
exit that was missed while the bot was away is still owed for as long as the position is there.
"""

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.ids import StrategyId, Symbol
from app.domain.side import Side, Target
from app.strategies.signals import Flags, Signals


@dataclass(frozen=True, slots=True)
class Wish:
    """The position a strategy wants, and the bar on whose close it said so."""

    bar: int  # index into the signals
    target: Target
    stop: float | None = None  # price, quote currency
    take_profit: float | None = None


def wish(signals: Signals, held: Side | None, since: int) -> Wish | None:
    """The one thing to ask for after the newest bar, or None.

    `held` is this strategy's position; `since` the first bar that closed after it was opened. A bar that wants both
    sides at once wants neither. An exit is named again until it is done: the inbox keeps an alert once.
    """
    last = len(signals) - 1
    if last < 0:
        return None
    wanted = _side(signals, last)
    if wanted is not None and wanted is not held:
        return _entry(signals, last, wanted)
    if held is None:
        return None
    leaves = signals.exit_long if held is Side.LONG else signals.exit_short
    for bar in range(last, max(since, 0) - 1, -1):
        side = _side(signals, bar)
        if side is held:
            return None  # what came before was answered by this entry
        if leaves[bar] or side is held.opposite:
            return Wish(bar, Target.FLAT)
    return None


def _side(signals: Signals, bar: int) -> Side | None:
    long, short = _flag(signals.enter_long, bar), _flag(signals.enter_short, bar)
    if long is short:
        return None
    return Side.LONG if long else Side.SHORT


def _flag(flags: Flags, bar: int) -> bool:
    return bool(flags[bar])


def _entry(signals: Signals, bar: int, side: Side) -> Wish:
    long = side is Side.LONG
    stop = signals.long_stop[bar] if long else signals.short_stop[bar]
    target = signals.long_target[bar] if long else signals.short_target[bar]
    return Wish(bar, Target.LONG if long else Target.SHORT, _price(stop), _price(target))


def _price(value: float) -> float | None:
    return float(value) if math.isfinite(value) and value > 0 else None


def message(
    made: Wish,
    *,
    strategy: StrategyId,
    symbol: Symbol,
    interval: str,
    bar_time: datetime,
    fired_at: datetime,
    close: float,
    held: Side | None,
    comment: str,
) -> bytes:
    """The wish as our native message, with the names an exported script gives its orders; it carries no secret.

    `bar_time` is the open of the bar that said so, which with the order's name makes it one alert wherever it is
    raised. `fired_at` is when the newest bar closed: an exit that is still owed is not too old to be done.
    """
    flat = made.target is Target.FLAT
    buys = made.target is Target.LONG or (flat and held is Side.SHORT)
    fields: dict[str, Any] = {
        "strategy": strategy,
        "symbol": symbol,
        "interval": interval,
        "bar_time": _stamp(bar_time),
        "fired_at": _stamp(fired_at),
        "action": "buy" if buys else "sell",
        "order_id": f"{held.value.capitalize()} close" if flat and held else made.target.value.capitalize(),
        "market_position": made.target.value.lower(),
        "prev_market_position": held.value.lower() if held else "flat",
        "price": repr(close),
        "confirmed": True,
        "comment": comment,
    }
    if made.stop is not None:
        fields["stop_loss"] = repr(made.stop)
    if made.take_profit is not None:
        fields["take_profits"] = [{"price": repr(made.take_profit), "ratio": "1"}]
    return json.dumps(fields).encode()


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
