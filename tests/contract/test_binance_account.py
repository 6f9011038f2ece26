"""The account over the wire: balance, positions, fills, instruments, set-up, the key's permissions, market data."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.order import Halt, Rejected
from app.domain.side import OrderSide, Side
from tests.contract import binance_answers as told
from tests.contract.clocks import StillClock
from tests.contract.loopback import RESET, Answer, Request, answer, as_json, error
from tests.contract.test_binance_wire import BTC, ENTRY, ORDER, place, signed_params, venue

TRADES = "GET /fapi/v1/userTrades"


async def test_equity_counts_open_profit_and_loss() -> None:
    async with venue({"GET /fapi/v3/account": as_json(told.account())}) as (exchange, _):
        balance = await exchange.balance()
    assert (balance.equity, balance.available, balance.wallet) == (
        Money.of("990.25"),
        Money.of("800.00"),
        Money.of("1000.50"),
    )


@pytest.mark.parametrize(
    "reply",
    [as_json({"assets": []}), as_json(told.account(marginBalance="NaN")), as_json([]), answer(502, "<html>"), RESET],
)
async def test_a_balance_that_cannot_be_read_is_no_answer(reply: Answer) -> None:
    async with venue({"GET /fapi/v3/account": reply}) as (exchange, _):
        with pytest.raises(VenueUnavailable):
            await exchange.balance()


async def test_positions_are_the_open_usdt_ones() -> None:
    rows = [
        told.position(),
        told.position(symbol="BTCUSDT", positionAmt="-0.5", liquidationPrice="72000.1", positionInitialMargin="4.105"),
        told.position(symbol="ETHUSDT", positionAmt="0.000"),
        told.position(symbol="BTCUSDC", marginAsset="USDC"),
        told.position(symbol="XRPUSDT", positionSide="SHORT", positionAmt="-7"),
    ]
    async with venue({"GET /fapi/v3/positionRisk": as_json(rows)}) as (exchange, _):
        ada, btc, xrp = await exchange.positions()
    assert (ada.symbol, ada.side, ada.quantity, ada.leverage) == ("ADAUSDT", Side.LONG, Quantity.of(30), 20)
    assert (ada.entry_price, ada.unrealised_pnl, ada.liquidation_price) == (
        Price.of("0.385"),
        Money.of("0.76427700"),
        None,
    )
    assert (btc.side, btc.quantity, btc.leverage) == (Side.SHORT, Quantity.of("0.5"), 3)
    assert btc.liquidation_price == Price.of("72000.1")
    assert (xrp.side, xrp.quantity) == (Side.SHORT, Quantity.of(7))


# --- fills -------------------------------------------------------------------------------------------


async def test_fills_are_read_in_order_with_their_cost() -> None:
    rows = [
        told.trade(12, time=told.NOW_MS + 5, commission="0.5"),
        told.trade(11),
        told.trade(13, time=told.NOW_MS + 9, maker=True, commission="-0.02"),
        told.trade(10, time=told.NOW_MS - 1),  # before what was asked for
    ]
    async with venue({TRADES: as_json(rows)}) as (exchange, loopback):
        fills = await exchange.fills(BTC, StillClock().now())
        sent = signed_params(loopback.of("GET", "/fapi/v1/userTrades")[0])
    assert [(fill.trade_id, fill.fee) for fill in fills] == [
        ("11", Money.of("0.07819010")),
        ("12", Money.of("0.5")),
        ("13", Money.of("-0.02")),
    ]
    assert (fills[0].side, fills[0].quantity, fills[0].price) == (
        OrderSide.SELL,
        Quantity.of("0.002"),
        Price.of("7819.01"),
    )
    assert (fills[0].realised_pnl, fills[0].at) == (Money.of("-0.91539999"), StillClock().now())
    assert (sent["startTime"], sent["limit"]) == (str(told.NOW_MS), "1000")
    assert "endTime" not in sent


async def test_a_full_page_is_followed_by_the_next() -> None:
    def page(request: Request) -> Answer:
        first = int(request.query.get("fromId", 1))
        return as_json([told.trade(number) for number in range(first, min(first + 1_000, 2_501))])

    async with venue({TRADES: page}) as (exchange, loopback):
        fills = await exchange.fills(BTC, StillClock().now())
        asked = [r.query.get("fromId") for r in loopback.of("GET", "/fapi/v1/userTrades")]
    assert [fill.trade_id for fill in fills] == [str(number) for number in range(1, 2_501)]
    assert asked == [None, "1001", "2001"]


async def test_a_long_time_is_asked_for_in_weeks() -> None:
    day = 86_400_000

    def spans(request: Request) -> Answer:
        start = int(request.query["startTime"])
        end = int(request.query.get("endTime", told.NOW_MS))
        assert end - start <= 7 * day
        return as_json([told.trade(start // day, time=start)])

    async with venue({TRADES: spans}) as (exchange, _):
        fills = await exchange.fills(BTC, StillClock().now() - timedelta(days=16))
    assert [fill.at for fill in fills] == [StillClock().now() - timedelta(days=days) for days in (16, 9, 2)]


async def test_a_fee_in_bnb_is_valued_at_its_mark_price_asked_once() -> None:
    rows = [told.trade(n, commission="0.001", commissionAsset="BNB") for n in (1, 2)]
    premium = {"symbol": "BNBUSDT", "markPrice": "600.50", "time": told.NOW_MS}
    async with venue({TRADES: as_json(rows), "GET /fapi/v1/premiumIndex": as_json(premium)}) as (exchange, loopback):
        fills = await exchange.fills(BTC, StillClock().now())
        asked = loopback.of("GET", "/fapi/v1/premiumIndex")
    assert [fill.fee for fill in fills] == [Money.of("0.6005")] * 2
    assert [request.query["symbol"] for request in asked] == ["BNBUSDT"]


async def test_a_fee_in_a_dollar_coin_counts_as_dollars() -> None:
    rows = [told.trade(1, commission="0.25", commissionAsset="BFUSD")]
    routes = {TRADES: as_json(rows), "GET /fapi/v1/premiumIndex": error(400, -1121, "Invalid symbol.")}
    async with venue(routes) as (exchange, _):
        (fill,) = await exchange.fills(BTC, StillClock().now())
    assert fill.fee == Money.of("0.25")


# --- instruments -------------------------------------------------------------------------------------

INFO, BRACKETS = "GET /fapi/v1/exchangeInfo", "GET /fapi/v1/leverageBracket"


async def test_instruments_are_the_usdt_perpetuals_with_their_filters() -> None:
    info = told.exchange_info(
        told.symbol(),
        told.symbol(symbol="OLDUSDT", status="SETTLING"),
        told.symbol(symbol="BTCUSDC", quoteAsset="USDC", marginAsset="USDC"),
        told.symbol(symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER"),
        told.symbol(symbol="ODDUSDT", filters=[]),
    )
    async with venue({INFO: as_json(info), BRACKETS: as_json(told.brackets())}) as (exchange, _):
        instruments = await exchange.instruments()
    assert set(instruments) == {"BTCUSDT", "OLDUSDT"}
    btc = instruments[BTC]
    assert (btc.base, btc.tick, btc.step, btc.market_step) == (
        "BTC",
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal("0.001"),
    )
    assert (btc.min_quantity, btc.max_quantity, btc.max_market_quantity) == (
        Quantity.of("0.001"),
        Quantity.of(1000),
        Quantity.of(120),
    )
    assert (btc.min_notional, btc.max_leverage, btc.trading) == (Money.of(100), 125, True)
    assert (instruments[Symbol("OLDUSDT")].trading, instruments[Symbol("OLDUSDT")].max_leverage) == (False, 20)


async def test_instruments_are_kept_for_an_hour_and_no_longer() -> None:
    clock = StillClock()
    async with venue({INFO: as_json(told.exchange_info()), BRACKETS: as_json([])}, clock=clock) as (exchange, loopback):
        await exchange.instruments()
        clock.advance(3_599)
        await exchange.instruments()
        assert len(loopback.of("GET", "/fapi/v1/exchangeInfo")) == 1
        clock.advance(2)
        await exchange.instruments()
        assert len(loopback.of("GET", "/fapi/v1/exchangeInfo")) == 2
        known = await exchange.instruments()
        loopback.routes[INFO] = answer(502, "")
        clock.advance(3_601)
        assert await exchange.instruments() == known  # better than none, while it is asked again
        loopback.routes[INFO] = as_json(told.exchange_info())
        clock.advance(11)
        asked = len(loopback.of("GET", "/fapi/v1/exchangeInfo"))
        await exchange.instruments()
        assert len(loopback.of("GET", "/fapi/v1/exchangeInfo")) == asked + 1


async def test_instruments_that_were_never_told_are_not_known() -> None:
    async with venue({INFO: answer(502, "")}) as (exchange, _):
        with pytest.raises(VenueUnavailable):
            await exchange.instruments()


async def test_unknown_leverage_limits_mean_low_ones() -> None:
    async with venue({INFO: as_json(told.exchange_info()), BRACKETS: error(401, -2015, "x")}) as (exchange, _):
        assert (await exchange.instruments())[BTC].max_leverage == 20


async def test_a_filter_refusal_makes_us_read_the_filters_again() -> None:
    """The venue changed a step under us: the order was refused, never mis-sized, and the next one is right."""
    changed = told.symbol()
    changed["filters"][1]["stepSize"] = "0.01"
    routes = {
        INFO: [as_json(told.exchange_info()), as_json(told.exchange_info(changed))],
        BRACKETS: as_json([]),
        f"POST {ORDER}": error(400, -4023, "Qty not increased by step size."),
    }
    async with venue(routes) as (exchange, _):
        assert (await exchange.instruments())[BTC].step == Decimal("0.001")
        assert isinstance(await place(exchange), Rejected)
        assert (await exchange.instruments())[BTC].step == Decimal("0.01")


# --- set-up ------------------------------------------------------------------------------------------

DUAL, MARGIN, LEVERAGE = "/fapi/v1/positionSide/dual", "/fapi/v1/marginType", "/fapi/v1/leverage"
DONE = as_json({"code": 200, "msg": "success"})


def set_leverage(request: Request) -> Answer:
    return as_json({"leverage": int(request.query["leverage"]), "symbol": request.query["symbol"]})


def set_up(**changes: Answer) -> dict:
    return {
        f"POST {DUAL}": changes.get("dual", DONE),
        f"POST {MARGIN}": changes.get("margin", DONE),
        f"POST {LEVERAGE}": changes.get("leverage", set_leverage),
    }


async def test_preparing_sets_mode_margin_and_leverage_once() -> None:
    async with venue(set_up()) as (exchange, loopback):
        for _ in range(3):
            await exchange.prepare(BTC, 5)
        assert loopback.of("POST", DUAL)[0].query["dualSidePosition"] == "false"
        assert signed_params(loopback.of("POST", MARGIN)[0])["marginType"] == "ISOLATED"
        assert signed_params(loopback.of("POST", LEVERAGE)[0])["leverage"] == "5"
        assert [len(loopback.of("POST", path)) for path in (DUAL, MARGIN, LEVERAGE)] == [1, 1, 1]
        await exchange.prepare(BTC, 3)
        await exchange.prepare(Symbol("ETHUSDT"), 3)
        assert [len(loopback.of("POST", path)) for path in (DUAL, MARGIN, LEVERAGE)] == [1, 2, 3]


async def test_already_so_is_success() -> None:
    so = set_up(
        dual=error(400, -4059, "No need to change position side."),
        margin=error(400, -4046, "No need to change margin type."),
    )
    async with venue(so) as (exchange, _):
        await exchange.prepare(BTC, 5)


@pytest.mark.parametrize(
    "so",
    [
        set_up(margin=error(503, -1008, "Request throttled by system-level protection.")),
        set_up(leverage=error(503, 0, "Service Unavailable.")),
        set_up(leverage=as_json({"leverage": 20, "symbol": "BTCUSDT"})),
        set_up(margin=RESET),
    ],
)
async def test_no_usable_answer_is_no_refusal_and_is_tried_anew(so: dict) -> None:
    async with venue(so) as (exchange, loopback):
        with pytest.raises(VenueUnavailable):
            await exchange.prepare(BTC, 5)
        loopback.routes |= set_up()
        await exchange.prepare(BTC, 5)


@pytest.mark.parametrize(
    ("code", "so"),
    [
        (-4068, {"dual": error(400, -4068, "Position side cannot be changed if there exists position.")}),
        (-4047, {"margin": error(400, -4047, "Margin type cannot be changed if there exists open orders.")}),
        (-4168, {"margin": error(400, -4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")}),
        (-4028, {"leverage": error(400, -4028, "Leverage 200 is not valid")}),
        (-4403, {"leverage": error(400, -4403, "Leverage restricted in this region.")}),
        (-2015, {"leverage": error(401, -2015, "Invalid API-key, IP, or permissions for action")}),
    ],
)
async def test_what_the_venue_will_not_set_is_told_by_its_code_and_tried_anew(code: int, so: dict) -> None:
    async with venue(set_up(**so)) as (exchange, loopback):
        refused = await exchange.prepare(BTC, 5)
        assert refused is not None
        assert refused.code == code
        assert (refused.halt is Halt.UNTIL_RESUMED) is (code == -2015)
        loopback.routes |= set_up()
        assert await exchange.prepare(BTC, 5) is None


async def test_hedge_mode_set_by_hand_is_refused_and_put_right_before_the_next_entry() -> None:
    routes = set_up() | {f"POST {ORDER}": error(400, -4061, "Order's position side does not match user's setting.")}
    async with venue(routes) as (exchange, loopback):
        await exchange.prepare(BTC, 5)
        outcome = await place(exchange, ENTRY)
        assert isinstance(outcome, Rejected)
        assert outcome.code == -4061
        await exchange.prepare(BTC, 5)
        assert len(loopback.of("POST", DUAL)) == 2


# --- the key -----------------------------------------------------------------------------------------

PERMISSIONS = "GET /sapi/v1/account/apiRestrictions"


async def test_a_key_fit_for_live_trading_has_no_dangers() -> None:
    async with venue({PERMISSIONS: as_json(told.restrictions())}) as (exchange, loopback):
        assert await exchange.key_dangers() == []
        signed_params(loopback.of("GET", "/sapi/v1/account/apiRestrictions")[0])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"enableWithdrawals": True}, "withdraw"),
        ({"enableInternalTransfer": True}, "other accounts"),
        ({"permitsUniversalTransfer": True}, "between wallets"),
        ({"ipRestrict": False}, "any address"),
        ({"enableFutures": False}, "futures"),
    ],
)
async def test_each_danger_is_named(change: dict, word: str) -> None:
    async with venue({PERMISSIONS: as_json(told.restrictions(**change))}) as (exchange, _):
        (danger,) = await exchange.key_dangers()
    assert word in danger


async def test_what_the_venue_does_not_say_counts_as_dangerous() -> None:
    async with venue({PERMISSIONS: as_json({})}) as (exchange, _):
        assert len(await exchange.key_dangers()) == 5
    async with venue({PERMISSIONS: answer(502, "")}) as (exchange, _):
        with pytest.raises(VenueUnavailable):
            await exchange.key_dangers()


# --- market data -------------------------------------------------------------------------------------

KLINES, PREMIUM = "GET /fapi/v1/klines", "GET /fapi/v1/premiumIndex"


def market(rows: list | Answer, **premium) -> dict:
    told_mark = {"symbol": "BTCUSDT", "markPrice": "349.75", "time": told.NOW_MS} | premium
    return {KLINES: rows if isinstance(rows, Answer) else as_json(rows), PREMIUM: as_json(told_mark)}


async def test_the_candle_still_being_drawn_is_left_out() -> None:
    async with venue(market(told.klines(499))) as (exchange, loopback):
        view = await exchange.view(BTC, "1h")
        assert loopback.of("GET", "/fapi/v1/klines")[0].query == {"symbol": "BTCUSDT", "interval": "1h", "limit": "499"}
    assert len(view.candles) == 498
    assert view.candles[-1].open_time == StillClock().now() - timedelta(hours=1)
    assert (view.candles[0].open, view.candles[0].high, view.candles[0].low) == (100.0, 102.0, 98.0)
    assert (view.mark_price, view.symbol, view.interval) == (349.75, "BTCUSDT", "1h")
    assert view.atr == pytest.approx(4.0)  # every bar spans 4 and gaps by 0.5


@pytest.mark.parametrize(
    ("routes", "why"),
    [
        (market(told.klines(240)), "239 closed candles"),
        (market(told.klines(499, last_open_ms=told.NOW_MS - 4 * 3_600_000)), "last closed candle is"),
        (market(told.klines(499), time=told.NOW_MS - 3 * 3_600_000), "mark price is"),
        (market(told.klines(499), markPrice="0"), "could not be read"),
        (market(as_json({"code": 1})), "could not be read"),
        (market(answer(502, "")), "502"),
    ],
)
async def test_old_short_or_unreadable_market_data_is_none(routes: dict, why: str) -> None:
    async with venue(routes) as (exchange, _):
        with pytest.raises(VenueUnavailable, match=why):
            await exchange.view(BTC, "1h")


async def test_freshness_is_judged_by_the_injected_clock() -> None:
    clock = StillClock()
    async with venue(market(told.klines(499)), clock=clock) as (exchange, _):
        await exchange.view(BTC, "1h")
        clock.advance(4 * 3_600)
        with pytest.raises(VenueUnavailable, match="s old"):
            await exchange.view(BTC, "1h")


async def test_an_interval_nobody_knows_is_not_asked_for() -> None:
    async with venue({}) as (exchange, loopback):
        with pytest.raises(VenueUnavailable, match="7m"):
            await exchange.view(BTC, "7m")
        assert not loopback.of("GET", "/fapi/v1/klines")
