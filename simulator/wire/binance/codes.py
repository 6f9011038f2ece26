"""Refusals and errors as Binance numbers and words them. Texts as published; clients match on the numbers."""

from simulator.refusals import Reason, Refusal

_R = Reason
CODES: dict[Reason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    _R.SYMBOL_CLOSED: (-4141, "Symbol is closed."),
    _R.CONDITIONAL_ELSEWHERE: (
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    ),
    _R.REGULAR_ELSEWHERE: (-1116, "Invalid orderType."),
    _R.PRICE_MISSING: (-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    _R.QUANTITY_MISSING: (-1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
    _R.TRIGGER_MISSING: (-1102, "Mandatory parameter 'triggerprice' was not sent, was empty/null, or malformed."),
    _R.CALLBACK_INVALID: (-1102, "Mandatory parameter 'callbackrate' was not sent, was empty/null, or malformed."),
    _R.PRICE_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    _R.QUANTITY_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    _R.PRICE_OFF_TICK: (-4014, "Price not increased by tick size."),
    _R.PRICE_NOT_POSITIVE: (-4001, "Price less than 0."),
    _R.TRIGGER_NOT_POSITIVE: (-4006, "Stop price less than zero."),
    _R.QUANTITY_NOT_POSITIVE: (-4003, "Quantity less than or equal to zero."),
    _R.QUANTITY_TOO_SMALL: (-4004, "Quantity less than min quantity."),
    _R.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    _R.PRICE_ABOVE_BAND: (-4016, "Price is higher than mark price multiplier cap."),
    _R.PRICE_BELOW_BAND: (-4024, "Price is lower than mark price multiplier floor."),
    _R.NOTIONAL_TOO_SMALL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    _R.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    _R.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    _R.TOO_MANY_CONDITIONALS: (-4045, "Reach max stop order limit."),
    _R.POSITION_SIDE_MISMATCH: (-4061, "Order's position side does not match user's setting."),
    _R.REDUCE_ONLY_IN_HEDGE_MODE: (-1106, "Parameter 'reduceonly' sent when not required."),
    _R.REDUCE_ONLY_REJECTED: (-2022, "ReduceOnly Order is rejected."),
    _R.REDUCE_ONLY_OVERCOMMITTED: (
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders",
    ),
    _R.MARGIN_INSUFFICIENT: (-2019, "Margin is insufficient."),
    _R.LEVERAGE_CAP: (-2027, "Exceeded the maximum allowable position at current leverage."),
    _R.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    _R.NO_POSITION_TO_CLOSE: (
        -4509,
        "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available.",
    ),
    _R.CLOSE_POSITION_EXISTS: (
        -4130,
        "An open stop or take profit order with GTE and closePosition in the direction is existing.",
    ),
    _R.CLOSE_POSITION_WITH_QUANTITY: (-4137, "Quantity must be zero with closePosition equals true"),
    _R.CLOSE_POSITION_WITH_REDUCE_ONLY: (-1106, "Parameter 'reduceonly' sent when not required."),
    _R.CLOSE_POSITION_KIND: (-4136, "Target strategy invalid for orderType {},closePosition true"),
    _R.FOK_UNFILLED: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected.",
    ),
    _R.POST_ONLY_WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    _R.NO_SUCH_ORDER: (-2013, "Order does not exist."),
    _R.NOTHING_TO_CANCEL: (-2011, "Unknown order sent."),
    _R.LEVERAGE_INVALID: (-4028, "Leverage {} is not valid"),
    _R.LEVERAGE_LOWER_WITH_POSITION: (
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    ),
    _R.SAME_MARGIN_TYPE: (-4046, "No need to change margin type."),
    _R.MARGIN_TYPE_WITH_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
    _R.MARGIN_TYPE_WITH_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    _R.SAME_POSITION_MODE: (-4059, "No need to change position side."),
    _R.POSITION_MODE_WITH_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    _R.POSITION_MODE_WITH_POSITION: (-4068, "Position side cannot be changed if there exists position."),
    _R.SAME_ASSET_MODE: (-4171, "Adjusted asset mode is currently set and does not need to be adjusted repeatedly."),
    _R.NOT_ISOLATED: (-4054, "Cannot add position margin: position is 0 or not isolated."),
    _R.ISOLATED_MARGIN_SHORT: (-4051, "Isolated balance insufficient."),
}


class WireError(Exception):
    """An answer that is an error: HTTP status, Binance's code and text. Caught by the dispatcher, never beyond it."""

    def __init__(self, code: int, text: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text, self.status = code, text, status
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.text}


def refused(refusal: Refusal) -> WireError:
    code, text = CODES[refusal.reason]
    return WireError(code, text.format(refusal.detail))


def missing(name: str) -> WireError:
    return WireError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
