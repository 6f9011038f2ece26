"""Alert messages as services send them, and as nobody should: builders and the table of malformed bodies."""

import json
from typing import Any

SECRET = "kEvJ3mPq8sXz1LwT5yRb7NcH2fGd9AuV4oQi6eZt0xM"  # 43 characters
NOW = "2026-01-05T12:00:00Z"


def native_fields(**changes: Any) -> dict[str, Any]:
    """Our own message, with fields changed or (None) taken out."""
    fields: dict[str, Any] = {
        "secret": SECRET,
        "strategy": "supertrend-btc-1h",
        "symbol": "BTCUSDT.P",
        "exchange": "BINANCE",
        "interval": "60",
        "bar_time": "2026-01-05T11:00:00Z",
        "fired_at": NOW,
        "action": "buy",
        "order_id": "Long",
        "market_position": "long",
        "prev_market_position": "flat",
        "market_position_size": "0.5",
        "price": "43000.5",
        "stop_loss": "42000",
        "take_profits": [{"price": "45000", "ratio": "0.5"}, {"price": "47000", "ratio": "0.5"}],
        "trailing_stop": {"callback_rate": "0.01"},
        "comment": "Supertrend turned up",
    } | changes
    return {key: value for key, value in fields.items() if value is not None}


def native(**changes: Any) -> bytes:
    return json.dumps(native_fields(**changes)).encode()


def raw(field: str, text: str) -> bytes:
    """The native message with a field's JSON value written as `text`, valid JSON or not."""
    return native(**{field: "@@"}).replace(b'"@@"', text.encode("utf-8", "surrogatepass"))


def three_commas(**changes: Any) -> bytes:
    return _json(
        {
            "secret": SECRET,
            "max_lag": "300",
            "timestamp": NOW,
            "trigger_price": "43000.5",
            "tv_exchange": "BINANCE",
            "tv_instrument": "BTCUSDT.P",
            "action": "buy",
            "bot_uuid": "7c1f5d0e-0d7b-4f3a-9f5e-1f6f3b8a2c11",
            "strategy_info": {
                "market_position": "long",
                "market_position_size": "0.5",
                "prev_market_position": "flat",
                "prev_market_position_size": "0",
            },
            "order": {"amount": "0.5", "currency_type": "base"},
        },
        changes,
    )


def okx_a(**changes: Any) -> bytes:
    return _json(
        {
            "id": "Long",
            "action": "buy",
            "marketPosition": "long",
            "prevMarketPosition": "flat",
            "instrument": "BTCUSDT.P",
            "signalToken": SECRET,
            "timestamp": NOW,
            "maxLag": "60",
            "investmentType": "base",
            "amount": "0.5",
        },
        changes,
    )


def okx_b(**changes: Any) -> bytes:
    return _json(
        {
            "action": "ENTER_LONG",
            "instrument": "BTC-USDT-SWAP",
            "signalToken": SECRET,
            "timestamp": NOW,
            "maxLag": "60",
            "orderType": "limit",
            "orderPriceOffset": "0.1",
            "investmentType": "percentage_balance",
            "amount": "50",
        },
        changes,
    )


def traderspost(**changes: Any) -> bytes:
    return _json(
        {
            "secret": SECRET,
            "strategy": "supertrend-btc-1h",
            "ticker": "BTCUSDT.P",
            "action": "buy",
            "sentiment": "bullish",
            "quantity": "0.5",
            "orderType": "market",
            "signalPrice": "43000",
            "time": NOW,
            "takeProfit": {"percent": 10},
            "stopLoss": {"type": "stop", "percent": 5},
        },
        changes,
    )


def key_value(**changes: str | None) -> bytes:
    pairs: dict[str, str | None] = {
        "SECRET": SECRET,
        "STRATEGY": "supertrend-btc-1h",
        "EXCHANGE": "binance",
        "SYMBOL": "BTCUSDT",
        "SIGNAL": "BUY",
        "TIME": NOW,
        "VOLUME": "2%",
        "STOP_LOSS_PRICE": "42000",
        "TAKE_PROFIT_PRICE_1": "45000",
        "TAKE_PROFIT_VOLUME_RATIO_1": "1",
        "TAKE_PROFIT_PRICE_2": "47000",
        "TAKE_PROFIT_VOLUME_RATIO_2": "2",
        **changes,
    }
    return ";".join(f"{key}={value}" for key, value in pairs.items() if value is not None).encode()


PRESETS = {
    "native": native,
    "3commas": three_commas,
    "okx-signal-a": okx_a,
    "okx-signal-b": okx_b,
    "traderspost": traderspost,
    "key-value": key_value,
}


def _json(fields: dict[str, Any], changes: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in (fields | changes).items() if value is not None}).encode()


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


_HALF = "\\ud800"
_DEEP_OBJECT = b'{"a":' * 4000 + b"1" + b"}" * 4000

MALFORMED: dict[str, tuple[bytes, int, str]] = {
    # --- not a message at all
    "nothing": (b"", 400, ""),
    "white space": (b" \r\n\t ", 400, ""),
    "prose": (b"BUY BTC NOW", 400, ""),
    "an array": (b"[" + native() + b"]", 400, ""),
    "text": (b'"buy"', 400, ""),
    "a number": (b"42", 400, ""),
    "null": (b"null", 400, ""),
    "half a message": (native()[:-20], 400, ""),
    "a message and more": (native() + b"}", 400, ""),
    "a trailing comma": (native()[:-1] + b",}", 400, ""),
    "single quotes": (native().replace(b'"', b"'"), 400, ""),
    "a string that never ends": (b'{"a":"' + b'\\"' * 8000, 400, ""),
    "bad UTF-8": (native().replace(b"Supertrend", b"Super\xfftrend"), 400, ""),
    "overlong UTF-8": (native().replace(b"Supertrend", b"Super\xc0\xaftrend"), 400, ""),
    "a surrogate as UTF-8": (native().replace(b"Supertrend", b"\xed\xa0\x80"), 400, ""),
    "UTF-16": (native().decode().encode("utf-16"), 400, ""),
    "a byte order mark": (b"\xef\xbb\xbf" + native(), 400, ""),
    "a raw NUL": (native().replace(b"Supertrend", b"Super\0trend"), 400, ""),
    "a raw line break in text": (native().replace(b"Supertrend", b"Super\ntrend"), 400, ""),
    "too long": (native(comment="x" * 17_000), 413, ""),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 400, ""),
    # --- JSON that hides something
    "4,000 arrays deep": (b"[" * 4000, 400, ""),
    "4,000 objects deep": (_DEEP_OBJECT[:16_000], 400, ""),
    "9 levels": (raw("comment", _nested(8)), 400, ""),
    "the same key twice": (native()[:-1] + b', "action": "sell"}', 400, "action"),
    "the same key twice, escaped": (native()[:-1] + b', "\\u0061ction": "sell"}', 400, "action"),
    "the same key twice, inside": (
        raw("trailing_stop", '{"callback_rate":0.01,"callback_rate":0.02}'),
        400,
        "callback_rate",
    ),
    "an escaped NUL": (raw("order_id", '"Long\\u0000"'), 422, "order_id"),
    "half a surrogate pair": (raw("order_id", f'"{_HALF}"'), 422, "order_id"),
    "half a surrogate pair in a key": (native()[:-1] + f', "{_HALF}": 1}}'.encode(), 422, "?"),
    "half a surrogate pair in a comment": (raw("comment", f'"{_HALF}"'), 422, "comment"),
    "control characters": (raw("order_id", '"Long\\u0007"'), 422, "order_id"),
    # --- numbers
    "NaN": (raw("price", "NaN"), 422, "price"),
    "NaN as text": (native(price="NaN"), 422, "price"),
    "na": (native(stop_loss="na"), 422, "stop_loss"),
    "NaN as a stop": (raw("stop_loss", "NaN"), 422, "stop_loss"),
    "Infinity": (raw("price", "Infinity"), 422, "price"),
    "-Infinity": (raw("stop_loss", "-Infinity"), 422, "stop_loss"),
    "Infinity as text": (native(price="Infinity"), 422, "price"),
    "NaN in an unknown field": (native()[:-1] + b', "volume": NaN}', 422, "volume"),
    "1e400": (raw("price", "1e400"), 422, "price"),
    "1e400 as text": (native(price="1e400"), 422, "price"),
    "1e-400": (raw("price", "1e-400"), 422, "price"),
    "an endless exponent": (native(price="1e99999999999999999999"), 422, "price"),
    "5,000 digits": (raw("price", "1" + "0" * 5000), 422, "price"),
    "5,000 digits as text": (native(price="9" * 5000), 422, "price"),
    "29 digits": (native(price="0." + "1" * 28), 422, "price"),
    "a negative price": (native(price="-1"), 422, "price"),
    "price zero": (native(price=0), 422, "price"),
    "minus zero": (raw("price", "-0"), 422, "price"),
    "a negative stop": (native(stop_loss=-42000), 422, "stop_loss"),
    "stop zero": (native(stop_loss="0"), 422, "stop_loss"),
    "a negative size": (native(market_position_size="-0.5"), 422, "market_position_size"),
    "true as a price": (native(price=True), 422, "price"),
    "false as a size": (native(market_position_size=False), 422, "market_position_size"),
    "a list as a price": (native(price=[43000]), 422, "price"),
    "an object as a price": (native(price={"value": 43000}), 422, "price"),
    "full-width digits": (native(price="４３０００"), 422, "price"),
    "Arabic digits": (native(price="٤٣٠٠٠"), 422, "price"),
    "full-width digits unquoted": (raw("price", "４３０００"), 400, ""),
    "thousands": (native(price="43,000.5"), 422, "price"),
    "a decimal comma": (native(price="43000,5"), 422, "price"),
    "underscores": (native(price="43_000"), 422, "price"),
    "hexadecimal": (native(price="0x10"), 422, "price"),
    "blanks": (native(price=" 43000 "), 422, "price"),
    "a currency": (native(price="43000 USDT"), 422, "price"),
    # --- fields
    "no symbol": (native(symbol=None), 422, "symbol"),
    "a misspelt symbol": (native(symbol=None, symbl="BTCUSDT.P"), 422, "symbol"),
    "a symbol that is a number": (native(symbol=5), 422, "symbol"),
    "a symbol in Cyrillic": (native(symbol="ВТСUSDT.P"), 422, "symbol"),
    "a symbol with a blank": (native(symbol="BTC USDT"), 422, "symbol"),
    "an inverse contract": (native(symbol="BTC/USD:BTC"), 422, "symbol"),
    "a delayed feed": (native(symbol="BTCUSDT_DLY"), 422, "symbol"),
    "a delayed exchange": (native(exchange="BINANCE_DL"), 422, "symbol"),
    "a continuous future": (native(symbol="BTC1!"), 422, "symbol"),
    "an interval without candles": (native(interval="45"), 422, "interval"),
    "months": (native(interval="1M"), 422, "interval"),
    "seconds": (native(interval="30S"), 422, "interval"),
    "another action": (native(action="hodl"), 422, "action"),
    "an action that is a number": (native(action=1), 422, "action"),
    "neither action nor target": (native(action=None, market_position=None), 422, "action"),
    "another position": (native(market_position="sideways"), 422, "market_position"),
    "an action against its target": (native(action="sell", prev_market_position="flat"), 422, "action"),
    "long with nothing": (native(market_position_size="0"), 422, "market_position"),
    "close, but long": (native(action="close"), 422, "market_position"),
    "no time at all": (native(bar_time=None, fired_at=None), 422, "fired_at"),
    "a time without zone": (native(bar_time="2026-01-05T11:00:00"), 422, "bar_time"),
    "a day that is none": (native(bar_time="2026-02-30T11:00:00Z"), 422, "bar_time"),
    "a time in full-width digits": (native(fired_at="２０２６-01-05T12:00:00Z"), 422, "fired_at"),
    "a time far away": (native(fired_at="9999-12-31T23:59:59-12:00"), 422, "fired_at"),
    "a time as true": (native(fired_at=True), 422, "fired_at"),
    '"1" as a flag': (native(confirmed="1"), 422, "confirmed"),
    "1 as a flag": (native(confirmed=1), 422, "confirmed"),
    "a secret that is a number": (native(secret=["x"]), 422, "secret"),
    "a strategy that is a list": (native(strategy=["a"]), 422, "strategy"),
    "a strategy name without end": (native(strategy="s" * 65), 422, "strategy"),
    "an order id without end": (native(order_id="o" * 257), 422, "order_id"),
    "take-profits that are text": (native(take_profits="45000"), 422, "take_profits"),
    "a take-profit that is a number": (native(take_profits=[45000]), 422, "take_profits[0]"),
    "take-profits of 150 %": (
        native(take_profits=[{"price": 1, "ratio": "0.75"}, {"price": 2, "ratio": "0.75"}]),
        422,
        "take_profits",
    ),
    "a take-profit of nothing": (native(take_profits=[{"price": 45000, "ratio": 0}]), 422, "take_profits[0].ratio"),
    "half the ratios": (native(take_profits=[{"price": 1, "ratio": "0.5"}, {"price": 2}]), 422, "take_profits"),
    "a negative take-profit": (native(take_profits=[{"price": -1, "ratio": 1}]), 422, "take_profits[0].price"),
    "a take-profit with a stop": (native(take_profits=[{"price": 1, "stop": 2}]), 422, "take_profits[0].stop"),
    "eleven take-profits": (native(take_profits=[{"price": 1}] * 11), 422, "take_profits"),
    "a trailing stop of 1 as 1 %": (native(trailing_stop={"callback_rate": 1}), 422, "trailing_stop.callback_rate"),
    "a trailing stop that is a number": (native(trailing_stop=0.01), 422, "trailing_stop"),
    "a misspelt stop": (native(stop_los="42000"), 422, "stop_los"),
    "a misspelt target": (native(take_profit=[]), 422, "take_profit"),
    "a placeholder": (native(symbol="{{ticker}}"), 422, "symbol"),
    "a strategy placeholder": (native(action="{{strategy.order.action}}"), 422, "action"),
    "a placeholder in a comment": (native(comment="{{strategy.order.comment}}"), 422, "comment"),
    "a plot placeholder": (native(take_profits=[{"price": '{{plot("TP")}}'}]), 422, "take_profits[0].price"),
    # --- other formats
    "two formats": (okx_a(bot_uuid="x"), 422, ""),
    "3Commas without instrument": (three_commas(tv_instrument=None), 422, "tv_instrument"),
    "3Commas info as text": (three_commas(strategy_info="long"), 422, "strategy_info"),
    "3Commas, another action": (three_commas(action="disable"), 422, "action"),
    "3Commas against itself": (three_commas(action="enter_short"), 422, "strategy_info.market_position"),
    "3Commas without time": (three_commas(timestamp=None), 422, "timestamp"),
    "OKX without instrument": (okx_a(instrument=None), 422, "instrument"),
    "OKX, another action": (okx_b(action="EXIT_ALL"), 422, "action"),
    "OKX without action": (okx_b(action=None), 422, "action"),
    "OKX without time": (okx_b(timestamp=None), 422, "timestamp"),
    "TradersPost without action": (traderspost(action=None), 422, "action"),
    "TradersPost, add to what": (traderspost(action="add", sentiment=None), 422, "sentiment"),
    "TradersPost, exit to long": (traderspost(action="exit"), 422, "sentiment"),
    "TradersPost, per cent of nothing": (traderspost(signalPrice=None), 422, "signalPrice"),
    "TradersPost, empty stop": (traderspost(stopLoss={"type": "stop"}), 422, "stopLoss.stopPrice"),
    "TradersPost, stop below zero": (traderspost(stopLoss={"percent": 100}), 422, "stopLoss.percent"),
    "TradersPost, trailing nothing": (traderspost(stopLoss={"type": "trailing_stop"}), 422, "stopLoss.trailPercent"),
    "TradersPost without time": (traderspost(time=None), 422, "time"),
    "pairs without a signal": (key_value(SIGNAL=None), 422, "SIGNAL"),
    "pairs, another signal": (key_value(SIGNAL="HODL"), 422, "SIGNAL"),
    "pairs, the same key twice": (key_value() + b";symbol=ETHUSDT", 400, "SYMBOL"),
    "pairs, one broken": (key_value() + b";oops", 400, ""),
    "pairs without time": (key_value(TIME=None), 422, "TIME"),
    "pairs, a relative price": (key_value(STOP_LOSS_PRICE="-5%"), 422, "STOP_LOSS_PRICE"),
    "pairs, a ratio without price": (key_value(TAKE_PROFIT_PRICE_2=None), 422, "TAKE_PROFIT_PRICE_2"),
    "pairs, a placeholder": (key_value(SYMBOL="{{ticker}}"), 422, "SYMBOL"),
    "pairs, NaN": (key_value(PRICE="NaN"), 422, "PRICE"),
}
