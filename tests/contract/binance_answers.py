"""Answers of the venue as its documentation shows them, with the fields a test cares about open to change."""

from typing import Any

NOW_MS = 1_795_176_000_000  # 2026-11-20 12:00:00 UTC


def order(**changes: Any) -> dict[str, Any]:
    return {
        "avgPrice": "0.00000",
        "clientOrderId": "a" * 32,
        "cumQuote": "0",
        "executedQty": "0",
        "orderId": 283194212,
        "origQty": "0.015",
        "origType": "MARKET",
        "price": "0",
        "reduceOnly": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "status": "NEW",
        "stopPrice": "0",
        "closePosition": False,
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "type": "MARKET",
        "updateTime": NOW_MS,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
    } | changes


def algo(**changes: Any) -> dict[str, Any]:
    return {
        "algoId": 2146760,
        "clientAlgoId": "b" * 32,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0",
        "algoStatus": "NEW",
        "actualOrderId": "",
        "actualPrice": "0.00000",
        "triggerPrice": "60000.00",
        "price": "0.00",
        "workingType": "MARK_PRICE",
        "closePosition": True,
        "priceProtect": False,
        "reduceOnly": False,
        "createTime": NOW_MS,
        "updateTime": NOW_MS,
        "triggerTime": 0,
    } | changes


def trade(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "buyer": False,
        "commission": "-0.07819010",
        "commissionAsset": "USDT",
        "id": number,
        "maker": False,
        "orderId": 25851813,
        "price": "7819.01",
        "qty": "0.002",
        "quoteQty": "15.63802",
        "realizedPnl": "-0.91539999",
        "side": "SELL",
        "positionSide": "BOTH",
        "symbol": "BTCUSDT",
        "time": NOW_MS,
    } | changes


def position(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "ADAUSDT",
        "positionSide": "BOTH",
        "positionAmt": "30",
        "entryPrice": "0.385",
        "breakEvenPrice": "0.385077",
        "markPrice": "0.41047590",
        "unRealizedProfit": "0.76427700",
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": "12.31427700",
        "marginAsset": "USDT",
        "initialMargin": "0.61571385",
        "positionInitialMargin": "0.61571385",
        "updateTime": NOW_MS,
    } | changes


def account(**changes: Any) -> dict[str, Any]:
    usdt = {
        "asset": "USDT",
        "walletBalance": "1000.50",
        "unrealizedProfit": "-10.25",
        "marginBalance": "990.25",
        "availableBalance": "800.00",
        "updateTime": NOW_MS,
    } | changes
    return {"totalWalletBalance": "1", "assets": [{"asset": "BNB", "walletBalance": "3"}, usdt], "positions": []}


def symbol(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
        ],
    } | changes


def exchange_info(*symbols: dict[str, Any]) -> dict[str, Any]:
    return {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "symbols": list(symbols) or [symbol()],
    }


def brackets(symbol_name: str = "BTCUSDT", most: int = 125) -> list[dict[str, Any]]:
    return [
        {
            "symbol": symbol_name,
            "brackets": [{"bracket": 1, "initialLeverage": most}, {"bracket": 2, "initialLeverage": 50}],
        }
    ]


def klines(count: int, *, interval_ms: int = 3_600_000, last_open_ms: int = NOW_MS) -> list[list[Any]]:
    """The last one is still open when `last_open_ms` is now."""
    first = last_open_ms - (count - 1) * interval_ms
    rows = []
    for i in range(count):
        start, close = first + i * interval_ms, 100 + i * 0.5
        rows.append(
            [
                start,
                str(close),
                str(close + 2),
                str(close - 2),
                str(close),
                "5.5",
                start + interval_ms - 1,
                "0",
                1,
                "0",
                "0",
                "0",
            ]
        )
    return rows


def restrictions(**changes: Any) -> dict[str, Any]:
    return {
        "ipRestrict": True,
        "createTime": NOW_MS,
        "enableReading": True,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableFutures": True,
        "enableMargin": False,
    } | changes
