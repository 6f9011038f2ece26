"""Why the venue says no. The core knows reasons; what number and text each has on the wire is the wire's business."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Reason(StrEnum):
    UNKNOWN_SYMBOL = auto()
    SYMBOL_CLOSED = auto()
    CONDITIONAL_ELSEWHERE = auto()  # a conditional kind sent as a regular order
    REGULAR_ELSEWHERE = auto()  # a regular kind sent as a conditional order
    PRICE_MISSING = auto()
    QUANTITY_MISSING = auto()
    TRIGGER_MISSING = auto()
    CALLBACK_INVALID = auto()
    PRICE_PRECISION = auto()
    QUANTITY_PRECISION = auto()
    PRICE_OFF_TICK = auto()
    PRICE_NOT_POSITIVE = auto()
    TRIGGER_NOT_POSITIVE = auto()
    QUANTITY_NOT_POSITIVE = auto()
    QUANTITY_TOO_SMALL = auto()
    QUANTITY_TOO_LARGE = auto()
    PRICE_ABOVE_BAND = auto()
    PRICE_BELOW_BAND = auto()
    NOTIONAL_TOO_SMALL = auto()
    DUPLICATE_CLIENT_ID = auto()
    TOO_MANY_ORDERS = auto()
    TOO_MANY_CONDITIONALS = auto()
    POSITION_SIDE_MISMATCH = auto()
    REDUCE_ONLY_IN_HEDGE_MODE = auto()
    REDUCE_ONLY_REJECTED = auto()
    REDUCE_ONLY_OVERCOMMITTED = auto()
    MARGIN_INSUFFICIENT = auto()
    LEVERAGE_CAP = auto()
    WOULD_TRIGGER = auto()
    NO_POSITION_TO_CLOSE = auto()
    CLOSE_POSITION_EXISTS = auto()
    CLOSE_POSITION_WITH_QUANTITY = auto()
    CLOSE_POSITION_WITH_REDUCE_ONLY = auto()
    CLOSE_POSITION_KIND = auto()
    FOK_UNFILLED = auto()
    POST_ONLY_WOULD_TAKE = auto()
    NO_SUCH_ORDER = auto()
    NOTHING_TO_CANCEL = auto()
    LEVERAGE_INVALID = auto()
    LEVERAGE_LOWER_WITH_POSITION = auto()
    SAME_MARGIN_TYPE = auto()
    MARGIN_TYPE_WITH_ORDERS = auto()
    MARGIN_TYPE_WITH_POSITION = auto()
    SAME_POSITION_MODE = auto()
    POSITION_MODE_WITH_ORDERS = auto()
    POSITION_MODE_WITH_POSITION = auto()
    SAME_ASSET_MODE = auto()
    NOT_ISOLATED = auto()
    ISOLATED_MARGIN_SHORT = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason
    detail: str = ""  # fills the blank in the wire's text, e.g. the smallest notional
