"""The venue's words to domain values. Strings become Decimal and datetime here and nowhere else.

An answer that is not what the documentation promises raises Unreadable, which is a VenueUnavailable: a number that
cannot be read is no answer, and is never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from app.domain.candle import Candle
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.domain.instrument import Instrument
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderKind, OrderState, VenueOrder
from app.domain.position import AccountBalance, VenuePosition
from app.domain.side import OrderSide, Side

P = ParamSpec("P")
T = TypeVar("T")
Row = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = 32_503_680_000_000  # the year 3000: anything later is not a time
QUOTE = "USDT"

_ORDER_STATES = {
    "NEW": OrderState.ACCEPTED,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,  # self-trade prevention
    "NEW_INSURANCE": OrderState.ACCEPTED,  # liquidation by the insurance fund
    "NEW_ADL": OrderState.ACCEPTED,  # auto-deleveraging
}
# TRIGGERED and FINISHED are not here: what they mean is told by the order they became (see `triggered`).
_ALGO_STATES = {
    "NEW": OrderState.ACCEPTED,
    "TRIGGERING": OrderState.ACCEPTED,
    "TRIGGERED": OrderState.ACCEPTED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
}


class Unreadable(VenueUnavailable):
    """An answer whose meaning is not certain."""


def _strict(parser: Callable[P, T]) -> Callable[P, T]:
    @wraps(parser)
    def strict(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parser(*args, **kwargs)
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
            # The type and, for a missing field, its name: never the value, which is somebody else's text.
            detail = f" {error.args[0]}" if type(error) is KeyError else ""
            problem = f"{parser.__name__}: {type(error).__name__}{detail}"
        raise Unreadable(f"an answer could not be read ({problem})")

    return strict


# --- single values -----------------------------------------------------------------------------------


@_strict
def decimal(value: Any) -> Decimal:
    """A finite Decimal from text, a whole number or a Decimal. A float has lost digits and is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(type(value).__name__)
    if isinstance(value, str) and (not value.isascii() or "_" in value or value != value.strip()):
        raise ValueError("not a plain number")  # Decimal() would take all of these
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not finite")
    return number


@_strict
def moment(milliseconds: Any) -> datetime:
    """UTC from milliseconds since 1970."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int) or not 0 <= milliseconds <= _MAX_MS:
        raise ValueError("not a time")
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970, rounded down: the inverse of `moment`."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _flag(value: Any) -> bool:
    """The venue writes booleans both ways."""
    if value in (True, "true", "TRUE"):
        return True
    if value in (False, None, "", "false", "FALSE"):
        return False
    raise ValueError("not a flag")


def _price(value: Any) -> Price | None:
    """None for the zeros and blanks that stand for "no price"."""
    if value in (None, ""):
        return None
    number = decimal(value)
    return Price(number) if number > 0 else None


def _number_id(value: Any) -> str:
    """An id the venue numbered: digits, as text."""
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ValueError("not an id")
    return text


def _kind(value: Any) -> OrderKind | None:
    return OrderKind(value) if value in set(OrderKind) else None


# --- orders ------------------------------------------------------------------------------------------


@_strict
def placed(answer: Row, id_field: str, client_field: str, client_id: str) -> str:
    """The venue's id for the order we have just sent. Raises when the answer speaks of another order."""
    if answer[client_field] != client_id:
        raise ValueError("an answer about another order")
    return _number_id(answer[id_field])


@_strict
def order(row: Row) -> VenueOrder:
    """A regular order."""
    return VenueOrder(
        client_id=str(row["clientOrderId"]),
        venue_order_id=_number_id(row["orderId"]),
        symbol=Symbol(str(row["symbol"])),
        side=OrderSide(row["side"]),
        kind=_kind(row.get("origType") or row["type"]),
        state=_ORDER_STATES[row["status"]],
        quantity=Quantity(decimal(row["origQty"])),
        filled=Quantity(decimal(row["executedQty"])),
        average_price=_price(row.get("avgPrice")),
        trigger_price=_price(row.get("stopPrice")),
        reduce_only=_flag(row.get("reduceOnly")),
        close_position=_flag(row.get("closePosition")),
        updated_at=moment(row["updateTime"]) if row.get("updateTime") else None,
    )


@_strict
def algo_order(row: Row) -> VenueOrder:
    """A conditional order that has not become a regular one: see `triggered` for the others."""
    return _algo(row, _ALGO_STATES[row["algoStatus"]])


@_strict
def triggered(row: Row, child: VenueOrder | None) -> VenueOrder:
    """A conditional order after its trigger, with the fate of the order it became.

    Without the child (queries list a fresh order late) it is alive until the venue says FINISHED, and filled when it
    then names the price of the fills; a finished order with neither is not known to have been executed or not.
    """
    if child is not None:
        return _algo(row, child.state, child=child)
    if row["algoStatus"] != "FINISHED":
        return _algo(row, _ALGO_STATES[row["algoStatus"]])
    if _price(row.get("actualPrice")) is None:
        raise ValueError("finished, and its order is not listed")
    return _algo(row, OrderState.FILLED)


def _algo(row: Row, state: OrderState, child: VenueOrder | None = None) -> VenueOrder:
    quantity = Quantity(decimal(row.get("quantity") or "0"))
    executed = quantity if state is OrderState.FILLED else Quantity(Decimal(0))
    trailing = row["orderType"] == OrderKind.TRAILING_STOP
    return VenueOrder(
        client_id=str(row["clientAlgoId"]),
        venue_order_id=_number_id(row["algoId"]),
        symbol=Symbol(str(row["symbol"])),
        side=OrderSide(row["side"]),
        kind=_kind(row["orderType"]),
        state=state,
        quantity=quantity,
        filled=child.filled if child else executed,
        average_price=child.average_price if child else _price(row.get("actualPrice")),
        trigger_price=_price(row.get("activatePrice") if trailing else row.get("triggerPrice")),
        reduce_only=_flag(row.get("reduceOnly")),
        close_position=_flag(row.get("closePosition")),
        child_order_id=child.venue_order_id if child else child_id(row) or "",
        updated_at=moment(row["updateTime"]) if row.get("updateTime") else None,
    )


@_strict
def child_id(row: Row) -> str | None:
    """The regular order a conditional one became; None while it has not."""
    value = row.get("actualOrderId")
    return None if value in (None, "", 0, "0") else _number_id(value)


@_strict
def fill(row: Row, fee: Money) -> Fill:
    return Fill(
        trade_id=_number_id(row["id"]),
        venue_order_id=_number_id(row["orderId"]),
        symbol=Symbol(str(row["symbol"])),
        side=OrderSide(row["side"]),
        quantity=Quantity(decimal(row["qty"])),
        price=Price(decimal(row["price"])),
        fee=fee,
        realised_pnl=Money(decimal(row["realizedPnl"])),
        at=moment(row["time"]),
    )


@_strict
def commission(row: Row) -> tuple[Decimal, str]:
    """What a fill cost, and in which asset: positive when paid.

    A taker always pays, and the documentation's own example shows its commission with a minus; only a maker can be
    given a rebate, so only there the sign says anything.
    """
    amount = decimal(row["commission"])
    return (amount if _flag(row.get("maker")) else abs(amount)), str(row["commissionAsset"])


# --- account -----------------------------------------------------------------------------------------


@_strict
def balance(account: Row) -> AccountBalance:
    """From the account information, whose USDT row counts isolated positions too (the balance endpoint's does not)."""
    row = {asset["asset"]: asset for asset in account["assets"]}[QUOTE]
    return AccountBalance(
        equity=Money(decimal(row["marginBalance"])),
        available=Money(decimal(row["availableBalance"])),
        wallet=Money(decimal(row["walletBalance"])),
    )


@_strict
def position(row: Row) -> VenuePosition | None:
    """An open USDT position; None for a flat one and for one margined in another asset."""
    amount = decimal(row["positionAmt"])
    if amount == 0 or row.get("marginAsset", QUOTE) != QUOTE:
        return None
    named = row.get("positionSide", "BOTH")
    return VenuePosition(
        symbol=Symbol(str(row["symbol"])),
        side=(Side.LONG if amount > 0 else Side.SHORT) if named == "BOTH" else Side(named),
        quantity=Quantity(abs(amount)),
        entry_price=Price(decimal(row["entryPrice"])),
        mark_price=Price(decimal(row["markPrice"])),
        unrealised_pnl=Money(decimal(row["unRealizedProfit"])),
        leverage=_leverage(row),
        liquidation_price=_price(row.get("liquidationPrice")),
    )


def _leverage(row: Row) -> int:
    """Version 3 does not tell it any more, but notional / initial margin is its definition."""
    if row.get("leverage"):
        return int(decimal(row["leverage"]))
    margin = decimal(row.get("positionInitialMargin") or row.get("initialMargin") or "0")
    return max(1, round(abs(decimal(row["notional"])) / margin)) if margin > 0 else 1


# --- markets -----------------------------------------------------------------------------------------


@_strict
def instrument(row: Row, max_leverage: int) -> Instrument | None:
    """A USDT perpetual; None for anything else on the list."""
    if (row["contractType"], row["quoteAsset"], row["marginAsset"]) != ("PERPETUAL", QUOTE, QUOTE):
        return None
    filters = {item["filterType"]: item for item in row["filters"]}
    lot, market = filters["LOT_SIZE"], filters["MARKET_LOT_SIZE"]
    step = decimal(lot["stepSize"])
    return Instrument(
        symbol=Symbol(str(row["symbol"])),
        base=str(row["baseAsset"]),
        quote=QUOTE,
        tick=_above_zero(filters["PRICE_FILTER"]["tickSize"]),
        step=_above_zero(lot["stepSize"]),
        min_quantity=Quantity(max(decimal(lot["minQty"]), decimal(market["minQty"]))),
        max_quantity=Quantity(decimal(lot["maxQty"])),
        market_step=decimal(market["stepSize"]) or step,
        max_market_quantity=Quantity(decimal(market["maxQty"])),
        min_notional=Money(decimal(filters["MIN_NOTIONAL"]["notional"])),
        max_leverage=max_leverage,
        trading=row["status"] == "TRADING",
    )


def _above_zero(value: Any) -> Decimal:
    number = decimal(value)
    if number <= 0:
        raise ValueError("a step is above zero")
    return number


@_strict
def max_leverages(rows: Sequence[Row]) -> dict[str, int]:
    """By symbol, from the notional brackets: the first bracket allows the most."""
    return {str(row["symbol"]): max(int(decimal(b["initialLeverage"])) for b in row["brackets"]) for row in rows}


@_strict
def candles(rows: Sequence[Sequence[Any]], now: datetime) -> tuple[Candle, ...]:
    """Klines that are closed at `now`, oldest first. The venue's last row is usually still being drawn."""
    now_ms = to_ms(now)
    return tuple(
        Candle(moment(row[0]), *(float(decimal(value)) for value in row[1:6])) for row in rows if int(row[6]) < now_ms
    )


@_strict
def mark(row: Row) -> tuple[Price, datetime]:
    """The mark price and when it was computed."""
    return Price(decimal(row["markPrice"])), moment(row["time"])
