"""The demo's tape: alerts as TradingView and its neighbours would send them, read off the candles themselves.

Two trend followers (EMA 12 over 34, leaving when the close crosses back) fire on closed hourly bars of two symbols.
Between their alerts lie the ones that must not get through: repeats, a stale one, a wrong secret, an unconfirmed bar,
targets not worth the risk, an unknown symbol, rubbish.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from app.history import CandleSeries
from app.indicators import atr, ema

FAST, SLOW = 12, 34
HOUR = timedelta(hours=1)
STRATEGIES = {  # strategy name -> the format it sends
    "trend-native": "native",
    "trend-3commas": "3commas",
    "trend-okx": "okx",
    "trend-traderspost": "traderspost",
    "trend-octobot": "key-value",
}
_TURN = ("native", "3commas", "native", "okx", "native", "traderspost", "native", "key-value")


@dataclass(frozen=True, slots=True)
class TapeItem:
    """One message and the moment it is sent."""

    at: datetime  # venue time, UTC: the close of the bar that fired
    label: str  # what it is, for the table
    body: bytes
    sends: int = 1  # how often TradingView sends it


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the trend follower wants after one bar."""

    at: datetime
    bar: datetime
    symbol: str
    was: str  # flat | long | short
    wants: str
    price: float
    atr: float


def build_tape(
    market: Mapping[str, CandleSeries], start: datetime, end: datetime, secrets: Mapping[str, str], digits: int = 1
) -> list[TapeItem]:
    """Every alert between two moments, oldest first. `secrets` maps the names of STRATEGIES to their secrets."""
    wishes = sorted(
        (wish for series in market.values() for wish in _wishes(series, start, end)), key=lambda w: (w.at, w.symbol)
    )
    tape: list[TapeItem] = []
    for number, wish in enumerate(wishes):
        kind = _TURN[number % len(_TURN)]
        strategy = next(name for name, sends in STRATEGIES.items() if sends == kind)
        body = _RENDER[kind](wish, strategy, secrets[strategy], digits)
        tape.append(TapeItem(wish.at, f"{wish.symbol} {wish.was} → {wish.wants} ({kind})", body))
        tape.extend(_trouble(number, wish, body, secrets["trend-native"], digits))
    return tape


def _wishes(series: CandleSeries, start: datetime, end: datetime) -> Iterator[_Wish]:
    fast, slow = ema(series.close, FAST), ema(series.close, SLOW)
    spread = atr(series.high, series.low, series.close, 14)
    state = "flat"
    for i in range(len(series)):
        bar = datetime.fromtimestamp(int(series.ts[i]) / 1000, UTC)
        if bar < start or bar + HOUR > end or np.isnan(slow[i]) or np.isnan(spread[i]):
            continue
        close = float(series.close[i])
        wants = _next_state(state, close, float(fast[i]), float(slow[i]))
        if wants != state:
            yield _Wish(bar + HOUR, bar, series.symbol, state, wants, close, float(spread[i]))
        state = wants


def _next_state(state: str, close: float, fast: float, slow: float) -> str:
    if fast > slow and close > fast:
        return "long"
    if fast < slow and close < fast:
        return "short"
    left_long = state == "long" and close < slow * 0.997
    left_short = state == "short" and close > slow * 1.003
    return "flat" if left_long or left_short else state


# --- what must not get through -------------------------------------------------------------------------


def _trouble(number: int, wish: _Wish, body: bytes, secret: str, digits: int) -> Iterator[TapeItem]:
    """After some alerts, one that has to be stopped; which one depends only on its place on the tape."""
    native = _native_fields(wish, "trend-native", secret, digits)
    wants = "short" if wish.wants == "short" else "long"
    action = "sell" if wants == "short" else "buy"
    other = {"bar_time": _stamp(wish.bar - HOUR), "market_position": wants, "action": action, "order_id": "extra"}
    match number % 12:
        case 1:
            yield TapeItem(wish.at, "the same alert again", body, sends=3)
        case 3:
            late = {**native, **other, "fired_at": _stamp(wish.at - timedelta(minutes=10))}
            yield TapeItem(wish.at, "stale: fired 10 minutes ago", _json(late))
        case 5:
            yield TapeItem(wish.at, "wrong secret", _json({**native, **other, "secret": "x" * 43}))
        case 6:
            early = {**native, **other, "bar_time": _stamp(wish.bar), "confirmed": False, "order_id": "intrabar"}
            yield TapeItem(wish.at, "unconfirmed: the bar was not closed", _json(early))
        case 8:
            yield TapeItem(wish.at, "a symbol nobody allowed", _json({**native, **other, "symbol": "PEPEUSDT.P"}))
        case 9:
            near = {**native, **other, "bar_time": _stamp(wish.bar), **_poor_targets(wish, wants, digits)}
            yield TapeItem(wish.at, "targets not worth the risk", _json(near))
        case 11:
            yield TapeItem(wish.at, "rubbish", b'{"secret": "' + secret.encode()[:4] + b'", "price": NaN')
        case _:
            return


def _poor_targets(wish: _Wish, wants: str, digits: int) -> dict[str, object]:
    """An only target that is nearer than the stop."""
    sign = 1 if wants == "long" else -1
    return {
        "stop_loss": _price(wish.price - sign * 3 * wish.atr, digits),
        "take_profits": [{"price": _price(wish.price + sign * 2 * wish.atr, digits), "ratio": "1"}],
    }


# --- formats --------------------------------------------------------------------------------------------


def _native_fields(wish: _Wish, strategy: str, secret: str, digits: int) -> dict[str, object]:
    fields: dict[str, object] = {
        "secret": secret,
        "strategy": strategy,
        "symbol": f"{wish.symbol}.P",
        "exchange": "BINANCE",
        "interval": "60",
        "bar_time": _stamp(wish.bar),
        "fired_at": _stamp(wish.at),
        "action": _action(wish),
        "order_id": f"{wish.was}-{wish.wants}",
        "market_position": wish.wants,
        "prev_market_position": wish.was,
        "price": _price(wish.price, digits),
        "confirmed": True,
    }
    if wish.wants != "flat":
        sign = 1 if wish.wants == "long" else -1
        fields["stop_loss"] = _price(wish.price - sign * 2 * wish.atr, digits)
        fields["take_profits"] = [
            {"price": _price(wish.price + sign * 3 * wish.atr, digits), "ratio": "0.5"},
            {"price": _price(wish.price + sign * 6 * wish.atr, digits), "ratio": "0.5"},
        ]
    return fields


def _native(wish: _Wish, strategy: str, secret: str, digits: int) -> bytes:
    return _json(_native_fields(wish, strategy, secret, digits))


def _three_commas(wish: _Wish, strategy: str, secret: str, digits: int) -> bytes:
    return _json(
        {
            "secret": secret,
            "max_lag": "300",
            "timestamp": _stamp(wish.at),
            "bar_time": _stamp(wish.bar),
            "trigger_price": _price(wish.price, digits),
            "tv_exchange": "BINANCE",
            "tv_instrument": f"{wish.symbol}.P",
            "interval": "60",
            "action": _action(wish),
            "bot_uuid": strategy,
            "strategy_info": {"market_position": wish.wants, "prev_market_position": wish.was},
            "order": {"amount": "100", "currency_type": "quote"},
        }
    )


def _okx(wish: _Wish, strategy: str, secret: str, _: int) -> bytes:
    if wish.wants == "flat":
        action: dict[str, object] = {"action": f"EXIT_{wish.was.upper()}"}
    else:
        action = {"action": f"ENTER_{wish.wants.upper()}"}
    return _json(
        {
            **action,
            "strategy": strategy,
            "instrument": f"{wish.symbol}.P",
            "signalToken": secret,
            "interval": "60",
            "timestamp": _stamp(wish.at),
            "orderType": "market",
            "orderPriceOffset": "",
            "investmentType": "percentage_balance",
            "amount": "10",
        }
    )


def _traderspost(wish: _Wish, strategy: str, secret: str, digits: int) -> bytes:
    fields: dict[str, object] = {
        "secret": secret,
        "strategy": strategy,
        "ticker": f"{wish.symbol}.P",
        "interval": "60",
        "time": _stamp(wish.at),
        "action": "exit" if wish.wants == "flat" else _action(wish),
        "sentiment": {"long": "bullish", "short": "bearish", "flat": "flat"}[wish.wants],
        "price": _price(wish.price, digits),
    }
    if wish.wants != "flat":
        sign = 1 if wish.wants == "long" else -1
        fields["stopLoss"] = {"type": "stop", "stopPrice": _price(wish.price - sign * 2 * wish.atr, digits)}
    return _json(fields)


def _key_value(wish: _Wish, strategy: str, secret: str, digits: int) -> bytes:
    signal = "CLOSE" if wish.wants == "flat" else _action(wish).upper()
    pairs = {
        "EXCHANGE": "binance",
        "STRATEGY": strategy,
        "SECRET": secret,
        "SYMBOL": f"{wish.symbol}.P",
        "INTERVAL": "60",
        "SIGNAL": signal,
        "MARKET_POSITION": wish.wants,
        "TIME": _stamp(wish.at),
        "PRICE": _price(wish.price, digits),
    }
    return ";".join(f"{key}={value}" for key, value in pairs.items()).encode()


_RENDER = {
    "native": _native,
    "3commas": _three_commas,
    "okx": _okx,
    "traderspost": _traderspost,
    "key-value": _key_value,
}


def _action(wish: _Wish) -> str:
    if wish.wants == "flat":
        return "sell" if wish.was == "long" else "buy"
    return "buy" if wish.wants == "long" else "sell"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _price(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields).encode()
