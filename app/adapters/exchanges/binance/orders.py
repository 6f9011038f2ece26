"""Orders on the wire: place, find, cancel, list. `place` sends once and never raises; codes.py says what proves what.

Market orders go to /fapi/v1/order, everything with a trigger to /fapi/v1/algoOrder; the two do not see each other's
orders. Orders are acknowledged (ACK), not awaited until matched (RESULT): the earlier the answer, the shorter the time
in which a lost one leaves the outcome unknown, and what RESULT adds has to be read from the trades anyway since answers
carry no average price any more.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.adapters.exchanges.binance import codes, parse
from app.adapters.exchanges.binance.client import BinanceClient, ErrorAnswer, NotSent, both
from app.adapters.exchanges.binance.limits import HeldBack
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.domain.money import plain
from app.domain.order import (
    Accepted,
    Halt,
    OrderKind,
    OrderOutcome,
    OrderRequest,
    OrderState,
    Rejected,
    Unknown,
    VenueOrder,
)

_NOT_SENT = 0  # the code of a rejection that no venue has spoken
_TOO_MANY = -1003  # what the venue would have said
_CALLBACK_PERCENT = (Decimal("0.1"), Decimal(10))


class Orders:
    def __init__(self, client: BinanceClient, forget: Callable[[codes.Forget], None]) -> None:
        self._client = client
        self._forget = forget

    # --- place ---------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest, *, sent_at: datetime) -> OrderOutcome:
        if request.adds_exposure:
            refused = self._client.limits.why_no_entry()
            if refused is not None:
                return Rejected(_TOO_MANY, f"not sent: {refused}", Halt.UNTIL_LOOKED)
        try:
            parameters = _parameters(request)
        except ValueError as error:
            return Rejected(_NOT_SENT, f"not sent: {error}")
        parameters["timestamp"] = self._client.stamp(sent_at)
        try:
            return Accepted(await self._send(request, parameters))
        except HeldBack as held:
            return Rejected(_TOO_MANY, str(held), Halt.UNTIL_LOOKED)
        except NotSent as error:
            return Rejected(_NOT_SENT, str(error))
        except ErrorAnswer as error:
            return await self._judge(request, error)
        except VenueUnavailable as error:
            return Unknown(str(error))
        except Exception as error:  # noqa: BLE001 - whatever broke, broke around an order that may have left
            return Unknown(f"unexpected {type(error).__name__} while sending")

    async def _send(self, request: OrderRequest, parameters: dict[str, Any]) -> str:
        if request.kind.conditional:
            answer = await self._client.futures_create_algo_order(**parameters)
            return parse.placed(answer, "algoId", "clientAlgoId", request.client_id)
        answer = await self._client.futures_create_order(**parameters)
        return parse.placed(answer, "orderId", "clientOrderId", request.client_id)

    async def _judge(self, request: OrderRequest, error: ErrorAnswer) -> OrderOutcome:
        if error.code == codes.DUPLICATE_ID:
            return await self._existing(request, error)
        if error.code == codes.ALREADY_PROTECTED and request.close_position:
            return await self._already_protected(request, error)
        self._forget(codes.outdated(error.code))
        return codes.refusal(error.status, error.code, error.text) or Unknown(str(error))

    async def _existing(self, request: OrderRequest, error: ErrorAnswer) -> OrderOutcome:
        """Our own id is taken: an earlier send arrived."""
        try:
            found = await self.find(request)
        except VenueUnavailable as failure:
            return Unknown(f"{error}; looking for it: {failure}")
        return Accepted(found.venue_order_id) if found else Unknown(f"{error}; not listed yet")

    async def _already_protected(self, request: OrderRequest, error: ErrorAnswer) -> OrderOutcome:
        """A whole-position order rests in this direction. As good as ours if it triggers where ours would."""
        try:
            book = await self.open_orders(request.symbol)
        except VenueUnavailable as failure:
            return Rejected(error.code, f"{error.text}; looking at it: {failure}")
        for order in book:
            same = (order.kind, order.side, order.trigger_price) == (request.kind, request.side, request.trigger_price)
            if same and order.close_position:
                return Accepted(order.venue_order_id)
        return Rejected(error.code, error.text)

    # --- look ----------------------------------------------------------------------------------------

    async def find(self, request: OrderRequest) -> VenueOrder | None:
        try:
            if not request.kind.conditional:
                return parse.order(
                    await self._client.futures_get_order(symbol=request.symbol, origClientOrderId=request.client_id)
                )
            row = await self._client.futures_get_algo_order(clientAlgoId=request.client_id)
        except ErrorAnswer as error:
            if error.code == codes.NOT_FOUND:
                return None
            raise
        return await self._algo(row)

    async def _algo(self, row: Any) -> VenueOrder:
        """A conditional order; once triggered, with the state of the order it became."""
        if not isinstance(row, dict) or row.get("algoStatus") not in ("TRIGGERED", "FINISHED"):
            return parse.algo_order(row)
        child_id, child = parse.child_id(row), None
        if child_id is not None:
            try:
                child = parse.order(await self._client.futures_get_order(symbol=row.get("symbol"), orderId=child_id))
            except ErrorAnswer as error:
                if error.code != codes.NOT_FOUND:
                    raise
        return parse.triggered(row, child)

    async def open_orders(self, symbol: Symbol) -> Sequence[VenueOrder]:
        regular, conditional = await both(
            self._client.futures_get_open_orders(symbol=symbol),
            self._client.futures_get_open_algo_orders(symbol=symbol),
        )
        if not isinstance(regular, list) or not isinstance(conditional, list):
            raise parse.Unreadable("a list of orders was expected")
        return [parse.order(row) for row in regular] + [
            # One that is triggered is on this list for a moment, and its order is on the other.
            parse.triggered(row, None) if row.get("algoStatus") == "TRIGGERED" else parse.algo_order(row)
            for row in conditional
        ]

    # --- cancel --------------------------------------------------------------------------------------

    async def cancel(self, request: OrderRequest) -> bool:
        try:
            if request.kind.conditional:
                await self._client.futures_cancel_algo_order(clientAlgoId=request.client_id)
            else:
                await self._client.futures_cancel_order(symbol=request.symbol, origClientOrderId=request.client_id)
        except ErrorAnswer as error:
            if error.code not in (codes.CANCEL_REJECTED, codes.NOT_FOUND):
                raise
            return await self._is_gone(request)
        return True

    async def _is_gone(self, request: OrderRequest) -> bool:
        """The venue has nothing to cancel: tell a cancelled or lapsed order from an executed one."""
        found = await self.find(request)
        if found is None:
            return True
        if found.state is OrderState.FILLED or (found.child_order_id and found.state not in _ENDED_UNFILLED):
            return False
        if found.state in _ENDED_UNFILLED:
            return True
        raise VenueUnavailable(f"order {request.client_id} cannot be cancelled, yet it is {found.state}")


_ENDED_UNFILLED = frozenset({OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})


# --- what goes out -----------------------------------------------------------------------------------


def _parameters(request: OrderRequest) -> dict[str, Any]:
    """The order in the venue's words; Decimals as plain digits. Raises ValueError for an order it has no words for."""
    parameters: dict[str, Any] = {
        "symbol": request.symbol,
        "side": request.side.value,
        "type": request.kind.value,
        "newOrderRespType": "ACK",
    }
    if request.close_position:
        if request.kind not in (OrderKind.STOP, OrderKind.TAKE_PROFIT):
            raise ValueError(f"a {request.kind} order cannot close the whole position by itself: give it a quantity")
        parameters["closePosition"] = "true"  # and neither quantity nor reduceOnly beside it
    else:
        if request.quantity is None or not request.quantity:
            raise ValueError("an order needs a quantity")
        parameters["quantity"] = plain(request.quantity.value)
        if request.reduce_only:
            parameters["reduceOnly"] = "true"
    if not request.kind.conditional:
        return parameters | {"newClientOrderId": request.client_id}
    return (
        parameters
        | _trigger(request)
        | {
            "algoType": "CONDITIONAL",
            "clientAlgoId": request.client_id,
            "workingType": "MARK_PRICE",  # the price liquidations go by; a single odd trade does not trigger it
            "priceProtect": "FALSE",  # with it, a stop can fail to trigger exactly when mark and last price diverge
        }
    )


def _trigger(request: OrderRequest) -> dict[str, str]:
    trigger = plain(request.trigger_price.value) if request.trigger_price else None
    if request.kind is not OrderKind.TRAILING_STOP:
        if trigger is None:
            raise ValueError("a conditional order needs a trigger price")
        return {"triggerPrice": trigger}
    low, high = _CALLBACK_PERCENT
    percent = (request.callback_rate or Decimal(0)) * 100
    if not low <= percent <= high:
        raise ValueError(f"the callback rate is {low} to {high} percent, not {plain(percent)}")
    return {"callbackRate": plain(percent)} | ({"activatePrice": trigger} if trigger else {})
