"""What the venue's error codes prove. Data; the one rule is in `refusal`.

A code is listed here only when the venue's documentation says that the request was turned down before anything was
executed. A code that is not listed proves nothing: the order's outcome is then unknown, never rejected.
Source: Binance USDⓈ-M Futures, "Error Codes" and "General Info / HTTP Return Codes".
"""

from dataclasses import dataclass
from enum import Enum, auto

from app.domain.order import Halt, Rejected


class Forget(Enum):
    """What we thought we knew, and a refusal shows to be out of date."""

    NOTHING = auto()
    INSTRUMENTS = auto()  # the filters changed, or the symbol was halted
    ACCOUNT = auto()  # somebody changed the position mode, the margin type or the leverage


@dataclass(frozen=True, slots=True)
class Row:
    code: int
    meaning: str
    halt: Halt = Halt.NO
    forget: Forget = Forget.NOTHING


_FILTERS = Forget.INSTRUMENTS

DEFINITE: tuple[Row, ...] = (
    # --- the key, the clock, the limits: nothing of ours is executed until somebody looked
    Row(-1002, "not authorised", halt=Halt.UNTIL_RESUMED),
    Row(-1003, "too many requests", halt=Halt.UNTIL_LOOKED),  # request weight; comes with HTTP 429, or 418 when banned
    Row(-1011, "this address may not use the endpoint", halt=Halt.UNTIL_RESUMED),
    Row(-1015, "too many orders", halt=Halt.UNTIL_LOOKED),  # order count of the account
    Row(-1021, "timestamp outside the receive window", halt=Halt.UNTIL_LOOKED),  # checked on arrival
    Row(-1022, "signature not valid", halt=Halt.UNTIL_RESUMED),
    Row(-1099, "not found or not authorised", halt=Halt.UNTIL_RESUMED),
    Row(-2008, "unknown or deleted key", halt=Halt.UNTIL_RESUMED),
    Row(-2014, "malformed key", halt=Halt.UNTIL_RESUMED),
    Row(-2015, "key, address or permission not valid", halt=Halt.UNTIL_RESUMED),
    Row(-2017, "keys are locked", halt=Halt.UNTIL_RESUMED),
    Row(-5028, "timestamp outside the matching engine's window", halt=Halt.UNTIL_LOOKED),  # checked before matching
    # --- the account may not open: exits stay possible
    Row(-2023, "account is in liquidation", halt=Halt.UNTIL_RESUMED),
    Row(-4087, "only reduce-only orders are allowed", halt=Halt.UNTIL_RESUMED),
    Row(-4088, "no orders are allowed", halt=Halt.UNTIL_RESUMED),
    Row(-4192, "cooling-off period", halt=Halt.UNTIL_RESUMED),
    Row(-4400, "quantitative trading rules violated: reduce-only", halt=Halt.UNTIL_RESUMED),
    Row(-4401, "compliance restriction: reduce-only", halt=Halt.UNTIL_RESUMED),
    Row(-4402, "not available in this region", halt=Halt.UNTIL_RESUMED),
    Row(-4403, "leverage restricted in this region"),
    # --- the venue is busy; reduce-only orders are exempt
    Row(-1008, "throttled by system-level protection"),
    # --- the request is malformed: our bug, or a parameter the venue no longer takes
    Row(-1013, "invalid message"),
    Row(-1014, "unsupported order combination"),
    Row(-1020, "unsupported operation"),
    Row(-1100, "illegal characters"),
    Row(-1101, "too many parameters"),
    Row(-1102, "mandatory parameter missing"),
    Row(-1103, "unknown parameter"),
    Row(-1104, "unread parameters"),
    Row(-1105, "empty parameter"),
    Row(-1106, "parameter not required"),
    Row(-1114, "time in force not required"),
    Row(-1115, "invalid time in force"),
    Row(-1116, "invalid order type"),
    Row(-1117, "invalid side"),
    Row(-1118, "empty client order id"),
    Row(-1128, "combination of optional parameters invalid"),
    Row(-1130, "invalid parameter value"),
    Row(-1136, "invalid response type"),
    Row(-4015, "client order id too long"),
    Row(-4031, "invalid working type"),
    Row(-4120, "conditional orders belong to the algo endpoint"),
    Row(-4135, "invalid activation price"),
    Row(-4136, "close-position does not go with this order type"),
    Row(-4137, "quantity given together with close-position"),
    Row(-4138, "reduce-only must be true with close-position"),
    Row(-4139, "order type cannot be market"),
    # --- the symbol and its filters
    Row(-1111, "precision over the maximum", forget=_FILTERS),
    Row(-1121, "invalid symbol", forget=_FILTERS),
    Row(-1122, "invalid symbol status", forget=_FILTERS),
    Row(-4001, "price below zero", forget=_FILTERS),
    Row(-4002, "price above the maximum", forget=_FILTERS),
    Row(-4003, "quantity not above zero", forget=_FILTERS),
    Row(-4004, "quantity below the minimum", forget=_FILTERS),
    Row(-4005, "quantity above the maximum", forget=_FILTERS),
    Row(-4006, "stop price below zero", forget=_FILTERS),
    Row(-4007, "stop price above the maximum", forget=_FILTERS),
    Row(-4013, "price below the minimum", forget=_FILTERS),
    Row(-4014, "price not on a tick", forget=_FILTERS),
    Row(-4016, "price above the percent-price band", forget=_FILTERS),
    Row(-4022, "market is not open", forget=_FILTERS),
    Row(-4023, "quantity not on a step", forget=_FILTERS),
    Row(-4024, "price below the percent-price band", forget=_FILTERS),
    Row(-4029, "tick size precision", forget=_FILTERS),
    Row(-4030, "step size precision", forget=_FILTERS),
    Row(-4131, "best price outside the percent-price band"),  # of the counterparty: the market moved, not the filter
    Row(-4140, "symbol may not be opened", forget=_FILTERS),
    Row(-4141, "symbol is closed", forget=_FILTERS),
    Row(-4144, "invalid pair", forget=_FILTERS),
    Row(-4164, "notional below the minimum", forget=_FILTERS),
    Row(-4183, "price above the stop-price band", forget=_FILTERS),
    Row(-4184, "price below the stop-price band", forget=_FILTERS),
    Row(-4210, "stop price above the band", forget=_FILTERS),
    Row(-4211, "stop price below the band", forget=_FILTERS),
    # --- the account's set-up, which `prepare` asks for
    Row(-4028, "leverage not valid for the symbol", forget=_FILTERS),
    Row(-4047, "margin type cannot change while orders are open"),
    Row(-4048, "margin type cannot change while a position is open"),
    Row(-4067, "position mode cannot change while orders are open"),
    Row(-4068, "position mode cannot change while positions are open"),
    Row(-4161, "leverage cannot be lowered while a position is open"),
    Row(-4168, "isolated margin is not to be had in multi-assets mode"),
    # --- the account's state: margin, position, order count
    Row(-2010, "new order rejected"),
    Row(-2018, "balance not sufficient"),
    Row(-2019, "margin not sufficient"),
    Row(-2021, "would trigger immediately"),  # a stop the market has already passed
    Row(-2022, "reduce-only rejected"),  # nothing to reduce, or resting reduce-only orders already cover it
    Row(-2024, "position not sufficient"),
    Row(-2025, "too many open orders"),
    Row(-2026, "order type not supported with reduce-only"),
    Row(-2027, "position above the limit at this leverage"),
    Row(-2028, "leverage smaller than permitted: margin balance"),
    Row(-4045, "too many conditional orders"),  # 200 over all symbols
    Row(-4060, "invalid position side", forget=Forget.ACCOUNT),
    Row(-4061, "position side does not match the account's mode", forget=Forget.ACCOUNT),  # hedge mode, set by hand
    Row(-4062, "reduce-only conflicts with the position mode", forget=Forget.ACCOUNT),
    Row(
        -4118, "reduce-only fails the margin check"
    ),  # resting reduce-only orders cover the position: cancel them first
    Row(-4142, "would trigger immediately"),
    Row(-4509, "close-position needs an open position"),
)

_BY_CODE = {row.code: row for row in DEFINITE}

DUPLICATE_ID = -4116  # an order of ours with this id is open: go and read it
ALREADY_PROTECTED = -4130  # a whole-position stop in this direction rests already: verify its trigger
NOT_FOUND = -2013  # a query; not yet proof that the order never existed
CANCEL_REJECTED = -2011  # unknown to the book: cancelled before, executed, or never there
NO_LISTEN_KEY = -1125  # the stream's key lapsed
CLOCK = -1021
BUSY = -1008
RATE_LIMITED = frozenset({-1003, -1015})
ALREADY_SO = frozenset({-4046, -4059})  # margin type and position mode are as wanted

_BANNED_OR_LIMITED = (418, 429)
_FAILED_503 = frozenset({"Service Unavailable.", "Internal error; unable to process your request. Please try again."})


def refusal(status: int, code: int, text: str) -> Rejected | None:
    """The proof in an error answer that nothing was executed; None when there is none. `status` is the HTTP status."""
    row = _BY_CODE.get(code)
    if status in _BANNED_OR_LIMITED:  # turned away at the gate, whatever the body says
        return Rejected(code or status, text, Halt.UNTIL_LOOKED)
    if status == 503 and text in _FAILED_503:  # noqa: PLR2004 - of all 5xx answers, these two texts are documented as failed
        return Rejected(code or status, text)
    if row is None or not (400 <= status < 500 or code == BUSY) or status == 408:  # noqa: PLR2004 - HTTP's own classes
        return None
    return Rejected(code, f"{row.meaning}: {text}", row.halt)


def outdated(code: int) -> Forget:
    """What a refusal with this code says we must read again."""
    row = _BY_CODE.get(code)
    return row.forget if row else Forget.NOTHING
