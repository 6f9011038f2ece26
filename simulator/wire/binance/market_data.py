"""Public endpoints: what anybody may see of the markets."""

from typing import Any

from app.domain.candle import INTERVALS
from simulator import funding
from simulator.floor import Floor
from simulator.instruments import Contract
from simulator.wire.binance.codes import WireError
from simulator.wire.binance.params import Params
from simulator.wire.binance.render import fixed, kline

_ONBOARD_MS = 1_569_398_400_000
_PERPETUAL_MS = 4_133_404_800_000  # the delivery date of contracts without one
_KINDS = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
_DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)


def ping(_floor: Floor, _params: Params) -> Any:
    return {}


def server_time(floor: Floor, _params: Params) -> Any:
    return {"serverTime": floor.venue.now_ms}


def exchange_info(floor: Floor, _params: Params) -> Any:
    limits = floor.config.limits
    return {
        "timezone": "UTC",
        "serverTime": floor.venue.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": limits.weight_1m or 2400,
            },
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": limits.orders_1m or 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limits.orders_10s or 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_symbol(contract, floor) for contract in floor.venue.state.market.contracts.values()],
    }


def _symbol(contract: Contract, floor: Floor) -> dict[str, Any]:
    terms, first = floor.venue.state.terms, contract.brackets[0]
    return {
        "symbol": contract.symbol,
        "pair": contract.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_MS,
        "onboardDate": _ONBOARD_MS,
        "status": "TRADING" if contract.trading else "SETTLING",
        "maintMarginPercent": fixed(first.maintenance_rate * 100, 4),
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.quote,
        "pricePrecision": contract.price_precision,
        "quantityPrecision": contract.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": fixed(terms.liquidation_fee, 6),
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _filters(contract),
        "orderTypes": _KINDS,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(contract: Contract) -> list[dict[str, Any]]:
    step, least = str(contract.step), str(contract.min_quantity)
    band = contract.price_band
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": str(contract.tick),
            "maxPrice": "10000000",
            "tickSize": str(contract.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": str(contract.max_quantity), "stepSize": step},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": least,
            "maxQty": str(contract.max_market_quantity),
            "stepSize": step,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": contract.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": str(contract.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": fixed(1 + band, 4),
            "multiplierDown": fixed(1 - band, 4),
            "multiplierDecimal": "4",
        },
    ]


def klines(floor: Floor, params: Params) -> Any:
    return _klines(floor, params, _known(floor, params))


def continuous_klines(floor: Floor, params: Params) -> Any:
    if params.text("contractType") != "PERPETUAL":
        raise WireError(-4104, "Invalid contract type")
    return _klines(floor, params, _known(floor, params, "pair"))


def _klines(floor: Floor, params: Params, symbol: str) -> Any:
    interval = params.text("interval")
    if interval not in INTERVALS:
        raise WireError(-1120, "Invalid interval.")
    start, end = params.maybe_integer("startTime"), params.maybe_integer("endTime")
    if start is not None and end is not None and start > end:
        raise WireError(-1023, "Start time is greater than end time.")
    market = floor.venue.state.market
    limit = params.limit(500, 1500)
    bars = market.klines(symbol, interval, now_ms=floor.venue.now_ms, limit=limit, start_ms=start, end_ms=end)
    return [kline(bar, market.contracts[symbol]) for bar in bars]


def premium_index(floor: Floor, params: Params) -> Any:
    state = floor.venue.state
    return _each(
        floor,
        params,
        lambda symbol: {
            "symbol": symbol,
            "markPrice": fixed(state.mark(symbol)),
            "indexPrice": fixed(state.mark(symbol)),
            "estimatedSettlePrice": fixed(state.mark(symbol)),
            "lastFundingRate": fixed(floor.venue.rates.rate(symbol, state.now_ms)),
            "interestRate": "0.00010000",
            "nextFundingTime": funding.next_time(state.now_ms),
            "time": state.now_ms,
        },
    )


def ticker_price(floor: Floor, params: Params) -> Any:
    state = floor.venue.state
    return _each(
        floor,
        params,
        lambda symbol: {
            "symbol": symbol,
            "price": fixed(state.mark(symbol), state.contract(symbol).price_decimals),
            "time": state.now_ms,
        },
    )


def book_ticker(floor: Floor, params: Params) -> Any:
    return _each(floor, params, lambda symbol: best(floor, symbol))


def best(floor: Floor, symbol: str) -> dict[str, Any]:
    state = floor.venue.state
    contract, (bid, ask) = state.contract(symbol), state.quote(symbol)
    size = fixed(contract.max_market_quantity / 10, contract.quantity_decimals)
    return {
        "symbol": symbol,
        "bidPrice": fixed(bid, contract.price_decimals),
        "bidQty": size,
        "askPrice": fixed(ask, contract.price_decimals),
        "askQty": size,
        "time": state.now_ms,
        "lastUpdateId": state.now_ms,
    }


def day_ticker(floor: Floor, params: Params) -> Any:
    return _each(floor, params, lambda symbol: _day(floor, symbol))


def _day(floor: Floor, symbol: str) -> dict[str, Any]:
    state = floor.venue.state
    digits, day = state.contract(symbol).price_decimals, state.market.day(symbol, state.now_ms)
    return {
        "symbol": symbol,
        "priceChange": f"{day.close - day.open:.{digits}f}",
        "priceChangePercent": f"{(day.close / day.open - 1) * 100:.3f}",
        "weightedAvgPrice": f"{(day.high + day.low + day.close) / 3:.{digits}f}",
        "lastPrice": f"{day.close:.{digits}f}",
        "lastQty": str(state.contract(symbol).step),
        "openPrice": f"{day.open:.{digits}f}",
        "highPrice": f"{day.high:.{digits}f}",
        "lowPrice": f"{day.low:.{digits}f}",
        "volume": f"{day.volume:.3f}",
        "quoteVolume": f"{day.volume * day.close:.2f}",
        "openTime": day.open_ms,
        "closeTime": state.now_ms,
        "firstId": 0,
        "lastId": int(day.volume),
        "count": int(day.volume),
    }


def depth(floor: Floor, params: Params) -> Any:
    """An invented book: even steps of ten ticks around the best prices, each level the same size."""
    symbol = _known(floor, params)
    limit = params.maybe_integer("limit") or 500
    if limit not in _DEPTH_LIMITS:
        raise WireError(-4021, f"{limit} is not valid depth limit.")
    state, top = floor.venue.state, best(floor, symbol)
    contract, (bid, ask) = state.contract(symbol), state.quote(symbol)
    away = [contract.tick * 10 * level for level in range(limit)]
    return {
        "lastUpdateId": state.now_ms,
        "E": state.now_ms,
        "T": state.now_ms,
        "bids": [[fixed(bid - step, contract.price_decimals), top["bidQty"]] for step in away if bid > step],
        "asks": [[fixed(ask + step, contract.price_decimals), top["askQty"]] for step in away],
    }


def funding_rate(floor: Floor, params: Params) -> Any:
    symbol = params.maybe("symbol")
    symbols = [_known(floor, params)] if symbol else list(floor.venue.state.market.contracts)
    limit, now = params.limit(100, 1000), floor.venue.now_ms
    end = min(params.maybe_integer("endTime") or now, now)
    first = max(feed.start_ms for feed in floor.venue.state.market.feeds.values())
    start = params.maybe_integer("startTime")
    begin = first if start is None else max(start, first)
    times = range(-(-begin // funding.PERIOD_MS) * funding.PERIOD_MS, end + 1, funding.PERIOD_MS)
    chosen = times[:limit] if start is not None else times[-limit:]
    state = floor.venue.state
    return [
        {
            "symbol": one,
            "fundingTime": at,
            "fundingRate": fixed(floor.venue.rates.rate(one, at)),
            "markPrice": fixed(state.market.price(one, at)),
        }
        for at in chosen
        for one in symbols
    ]


def funding_info(_floor: Floor, _params: Params) -> Any:
    """Only contracts that differ from eight hours are listed; none does."""
    return []


def _known(floor: Floor, params: Params, name: str = "symbol") -> str:
    symbol = params.text(name)
    if symbol not in floor.venue.state.market.contracts:
        raise WireError(-1121, "Invalid symbol.")
    return symbol


def _each(floor: Floor, params: Params, told: Any) -> Any:
    """One object for one symbol, a list without."""
    if params.maybe("symbol"):
        return told(_known(floor, params))
    return [told(symbol) for symbol in floor.venue.state.market.contracts]
