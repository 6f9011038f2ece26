"""Account endpoints: balances, positions, settings, income, and the key of the user stream."""

from decimal import Decimal
from typing import Any

from simulator.account import Position
from simulator.floor import Floor
from simulator.orders import ZERO
from simulator.refusals import Reason, Refusal
from simulator.state import State
from simulator.wire.binance import render
from simulator.wire.binance.codes import WireError, refused
from simulator.wire.binance.params import Params
from simulator.wire.binance.render import ASSET, fixed
from simulator.wire.binance.trade import accepted

_SUCCESS = {"code": 200, "msg": "success"}


def balance(floor: Floor, _params: Params) -> Any:
    state = floor.venue.state
    cross = sum((one.pnl(state.mark(one.symbol)) for one in state.account.held() if not one.isolated), ZERO)
    return [
        {
            "accountAlias": "paper",
            "asset": ASSET,
            "balance": fixed(state.account.wallet),
            "crossWalletBalance": fixed(state.account.cross_wallet),
            "crossUnPnl": fixed(cross),
            "availableBalance": fixed(state.available()),
            "maxWithdrawAmount": fixed(min(state.available(), max(ZERO, state.account.cross_wallet))),
            "marginAvailable": True,
            "updateTime": state.now_ms,
        }
    ]


def account_v2(floor: Floor, params: Params) -> Any:
    return _account(floor, params, 2)


def account_v3(floor: Floor, params: Params) -> Any:
    return _account(floor, params, 3)


def _account(floor: Floor, _params: Params, version: int) -> Any:
    state = floor.venue.state
    sums = _sums(state)
    told: dict[str, Any] = {f"total{name}": value for name, value in sums.items()}
    told |= {"availableBalance": fixed(state.available()), "maxWithdrawAmount": fixed(state.available())}
    small = {name[0].lower() + name[1:]: value for name, value in sums.items()}
    told["assets"] = [small | {"asset": ASSET, "availableBalance": told["availableBalance"]}]
    told["assets"][0] |= {
        "maxWithdrawAmount": told["maxWithdrawAmount"],
        "marginAvailable": True,
        "updateTime": state.now_ms,
    }
    told["positions"] = [_account_position(state, one, version) for one in _shown(state, everything=version == 2)]  # noqa: PLR2004
    if version == 2:  # noqa: PLR2004 - the endpoint's version
        told |= {"feeTier": 0, "feeBurn": False, "canTrade": True, "canDeposit": True, "canWithdraw": False}
        told |= {"updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1}
    return told


def _sums(state: State) -> dict[str, str]:
    held = state.account.held()
    initial = sum((state.initial_of(one) for one in held), ZERO)
    waiting = sum(
        (state.order_margin(symbol) for symbol in {one.request.symbol for one in state.open_orders.values()}), ZERO
    )
    pnl = sum((one.pnl(state.mark(one.symbol)) for one in held), ZERO)
    cross = sum((one.pnl(state.mark(one.symbol)) for one in held if not one.isolated), ZERO)
    values = {
        "InitialMargin": initial + waiting,
        "MaintMargin": sum((state.maintenance_of(one) for one in held), ZERO),
        "WalletBalance": state.account.wallet,
        "UnrealizedProfit": pnl,
        "MarginBalance": state.account.wallet + pnl,
        "PositionInitialMargin": initial,
        "OpenOrderInitialMargin": waiting,
        "CrossWalletBalance": state.account.cross_wallet,
        "CrossUnPnl": cross,
    }
    return {name: fixed(value) for name, value in values.items()}


def _account_position(state: State, one: Position, version: int) -> Any:
    risk = render.position(state, one, 3)
    common = {name: risk[name] for name in ("symbol", "positionSide", "positionAmt", "notional", "isolatedWallet")}
    common |= {name: risk[name] for name in ("initialMargin", "maintMargin", "updateTime")}
    common["unrealizedProfit"] = risk["unRealizedProfit"]
    if version > 2:  # noqa: PLR2004
        return common | {"isolatedMargin": risk["isolatedMargin"]}
    settings = state.account.of(one.symbol)
    return common | {
        "positionInitialMargin": risk["positionInitialMargin"],
        "openOrderInitialMargin": risk["openOrderInitialMargin"],
        "leverage": str(settings.leverage),
        "isolated": one.isolated if one.amount else settings.isolated,
        "entryPrice": risk["entryPrice"],
        "breakEvenPrice": risk["breakEvenPrice"],
        "maxNotional": str(state.contract(one.symbol).cap_at(settings.leverage)),
        "bidNotional": "0",
        "askNotional": "0",
    }


def position_risk_v2(floor: Floor, params: Params) -> Any:
    state, symbol = floor.venue.state, params.maybe("symbol")
    return [render.position(state, one, 2) for one in _shown(state, everything=True) if symbol in (None, one.symbol)]


def position_risk_v3(floor: Floor, params: Params) -> Any:
    """Only symbols with a position or an open order."""
    state, symbol = floor.venue.state, params.maybe("symbol")
    return [render.position(state, one, 3) for one in _shown(state, everything=False) if symbol in (None, one.symbol)]


def _shown(state: State, *, everything: bool) -> list[Position]:
    busy = {order.request.symbol for order in state.open_orders.values()}
    all_of_them = [
        state.account.position(symbol, side) for symbol in state.market.contracts for side in render.sides(state)
    ]
    return [one for one in all_of_them if everything or one.amount or one.symbol in busy]


# --- settings ----------------------------------------------------------------------------------------


def leverage(floor: Floor, params: Params) -> Any:
    symbol, wanted = params.text("symbol"), params.integer("leverage")
    accepted(floor.do(lambda venue: venue.set_leverage(symbol, wanted)))
    cap = floor.venue.state.contract(symbol).cap_at(wanted)
    return {"symbol": symbol, "leverage": wanted, "maxNotionalValue": str(cap)}


def margin_type(floor: Floor, params: Params) -> Any:
    symbol, wanted = params.text("symbol"), params.text("marginType")
    if wanted not in ("ISOLATED", "CROSSED"):
        raise WireError(-1130, "Data sent for parameter 'marginType' is not valid.")
    return _done(floor.do(lambda venue: venue.set_margin_type(symbol, isolated=wanted == "ISOLATED")))


def get_position_mode(floor: Floor, _params: Params) -> Any:
    return {"dualSidePosition": floor.venue.state.account.hedge_mode}


def set_position_mode(floor: Floor, params: Params) -> Any:
    params.text("dualSidePosition")
    wanted = params.flag("dualSidePosition")
    return _done(floor.do(lambda venue: venue.set_hedge_mode(hedge=wanted)))


def get_asset_mode(_floor: Floor, _params: Params) -> Any:
    return {"multiAssetsMargin": False}


def set_asset_mode(_floor: Floor, params: Params) -> Any:
    params.text("multiAssetsMargin")
    if params.flag("multiAssetsMargin"):
        raise WireError(-4084, "Method is not allowed currently. Upcoming soon.")
    raise refused(Refusal(Reason.SAME_ASSET_MODE))


def position_margin(floor: Floor, params: Params) -> Any:
    symbol, side = params.text("symbol"), params.position_side()
    amount, direction = params.maybe_decimal("amount") or ZERO, params.integer("type")
    if amount <= 0:
        raise WireError(-4055, "Amount must be positive.")
    change = amount if direction == 1 else -amount
    refusal = floor.do(lambda venue: venue.move_margin(symbol, side, change))
    return _done(refusal) and {"amount": float(amount), "type": direction, **_SUCCESS}


def _done(refusal: Refusal | None) -> Any:
    if refusal:
        raise refused(refusal)
    return _SUCCESS


def account_config(floor: Floor, _params: Params) -> Any:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": False,
        "dualSidePosition": floor.venue.state.account.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(floor: Floor, params: Params) -> Any:
    state, symbol = floor.venue.state, params.maybe("symbol")
    return [
        {
            "symbol": one,
            "marginType": "ISOLATED" if state.account.of(one).isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": state.account.of(one).leverage,
            "maxNotionalValue": str(contract.cap_at(state.account.of(one).leverage)),
        }
        for one, contract in state.market.contracts.items()
        if symbol in (None, one)
    ]


# --- what was earned and paid ------------------------------------------------------------------------


def income(floor: Floor, params: Params) -> Any:
    symbol, kind, limit = params.maybe("symbol"), params.maybe("incomeType"), params.limit(100, 1000)
    start, end = params.maybe_integer("startTime"), params.maybe_integer("endTime") or floor.venue.now_ms
    mine = [
        row
        for row in floor.venue.state.account.income
        if symbol in (None, row.symbol) and kind in (None, row.cause.value) and (start or 0) <= row.at_ms <= end
    ]
    return [render.income(row) for row in (mine[:limit] if start is not None else mine[-limit:])]


def commission_rate(floor: Floor, params: Params) -> Any:
    terms = floor.venue.state.terms
    return {
        "symbol": params.text("symbol"),
        "makerCommissionRate": fixed(terms.maker_fee, 6),
        "takerCommissionRate": fixed(terms.taker_fee, 6),
        "rpiCommissionRate": fixed(Decimal(0), 6),
    }


def leverage_bracket(floor: Floor, params: Params) -> Any:
    symbol = params.maybe("symbol")
    contracts = floor.venue.state.market.contracts
    return [
        {
            "symbol": one,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": number + 1,
                    "initialLeverage": bracket.max_leverage,
                    "notionalCap": int(bracket.cap),
                    "notionalFloor": int(contract.brackets[number - 1].cap) if number else 0,
                    "maintMarginRatio": float(bracket.maintenance_rate),
                    "cum": float(bracket.deduction),
                }
                for number, bracket in enumerate(contract.brackets)
            ],
        }
        for one, contract in contracts.items()
        if symbol in (None, one)
    ]


def key_restrictions(floor: Floor, _params: Params) -> Any:
    """What the API key may do, as the spot API tells it."""
    config = floor.config
    return {
        "ipRestrict": config.ip_restricted,
        "createTime": 1_700_000_000_000,
        "enableReading": True,
        "enableSpotAndMarginTrading": False,
        "enableWithdrawals": config.withdrawals_allowed,
        "enableInternalTransfer": config.withdrawals_allowed,
        "permitsUniversalTransfer": config.withdrawals_allowed,
        "enableMargin": False,
        "enableFutures": True,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
    }
