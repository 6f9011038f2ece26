"""Request parameters: text on the wire, typed here and nowhere else. Every failure names the parameter."""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from app.domain.side import OrderSide
from simulator.orders import Kind, NewOrder, PositionSide, TimeInForce
from simulator.wire.binance.codes import WireError, missing

E = TypeVar("E", bound=StrEnum)
_NUMBER = re.compile(r"^-?([0-9]{1,20})(\.[0-9]{1,20})?$")
_CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")


class Params:
    """One request's parameters."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not value:
            raise missing(name)
        return value

    def maybe(self, name: str) -> str | None:
        return self.values.get(name) or None

    def integer(self, name: str) -> int:
        value = self.maybe_integer(name)
        if value is None:
            raise missing(name)
        return value

    def maybe_integer(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 18):  # noqa: PLR2004 - what fits 64 bits
            raise WireError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return int(value)

    def limit(self, default: int, most: int) -> int:
        wanted = self.maybe_integer("limit")
        if wanted is None:
            return default
        if not 1 <= wanted <= most:
            raise WireError(-1130, "Data sent for parameter 'limit' is not valid.")
        return wanted

    def maybe_decimal(self, name: str) -> Decimal | None:
        """Plain digits only: no exponent, no NaN. A negative number passes: the venue has its own words for it."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not _NUMBER.match(value):
            raise _illegal(name, r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
        return Decimal(value)

    def flag(self, name: str) -> bool:
        value = (self.values.get(name) or "false").lower()
        if value not in ("true", "false"):
            raise WireError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value == "true"

    def enum(self, name: str, kind: type[E], code: int, text: str, default: E | None = None) -> E:
        value = self.values.get(name)
        if not value:
            if default is not None:
                return default
            raise missing(name)
        if value not in kind.__members__:
            raise WireError(code, text)
        return kind(value)

    def client_id(self, name: str, fallback: str) -> str:
        value = self.values.get(name)
        if not value:
            return fallback
        if len(value) > 36:  # noqa: PLR2004 - the documented length
            raise WireError(-4015, "Client order id length should not be more than 36 chars")
        if not _CLIENT_ID.match(value):
            raise _illegal(name, _CLIENT_ID.pattern)
        return value

    def order_side(self) -> OrderSide:
        return self.enum("side", OrderSide, -1117, "Invalid side.")

    def kind(self) -> Kind:
        return self.enum("type", Kind, -1116, "Invalid orderType.")

    def position_side(self) -> PositionSide:
        return self.enum("positionSide", PositionSide, -4060, "Invalid position side.", PositionSide.BOTH)


def _illegal(name: str, legal: str) -> WireError:
    return WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def new_order(params: Params, fallback_id: str) -> NewOrder:
    """A regular order. Conditional kinds pass, so that the venue can say where they belong."""
    kind = params.kind()
    if kind is Kind.LIMIT and not params.maybe("timeInForce"):
        raise missing("timeinforce")
    return NewOrder(
        symbol=params.text("symbol"),
        side=params.order_side(),
        kind=kind,
        client_id=params.client_id("newClientOrderId", fallback_id),
        quantity=params.maybe_decimal("quantity"),
        price=params.maybe_decimal("price") if kind is not Kind.MARKET else None,
        time_in_force=_time_in_force(params),
        position_side=params.position_side(),
        reduce_only=params.flag("reduceOnly"),
    )


def new_conditional(params: Params, fallback_id: str) -> NewOrder:
    if params.text("algoType") != "CONDITIONAL":
        raise WireError(-1130, "Data sent for parameter 'algotype' is not valid.")
    kind = params.kind()
    trails = kind is Kind.TRAILING_STOP_MARKET
    activation = params.maybe_decimal("activatePrice") or params.maybe_decimal("activationPrice")
    return NewOrder(
        symbol=params.text("symbol"),
        side=params.order_side(),
        kind=kind,
        client_id=params.client_id("clientAlgoId", fallback_id),
        quantity=params.maybe_decimal("quantity"),
        price=params.maybe_decimal("price") if kind in (Kind.STOP, Kind.TAKE_PROFIT) else None,
        trigger_price=None if trails else params.maybe_decimal("triggerPrice"),
        activation_price=activation if trails else None,
        callback_rate=params.maybe_decimal("callbackRate") if trails else None,
        time_in_force=_time_in_force(params),
        position_side=params.position_side(),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        working_type=_working_type(params),
    )


def _time_in_force(params: Params) -> TimeInForce:
    return params.enum("timeInForce", TimeInForce, -1115, "Invalid timeInForce.", TimeInForce.GTC)


def _working_type(params: Params) -> str:
    value = params.maybe("workingType") or "CONTRACT_PRICE"
    if value not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise WireError(-4031, f"Invalid parameter working type: {value}")
    return value
