"""Our records against the venue's own ledger: what differs, in plain words. Nothing may."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.domain.order import OrderState
from app.domain.position import Position
from app.ports import OrderRow

_NEVER_THERE = (OrderState.INTENT, OrderState.REJECTED, OrderState.EXPIRED, OrderState.SENT, OrderState.UNKNOWN)


def differences(ledger: Mapping[str, Any], orders: Sequence[OrderRow], positions: Sequence[Position]) -> list[str]:
    """Every order the venue ever accepted is ours, executed as we recorded it; positions agree; no entry is double."""
    own = [order for order in ledger["orders"] if order["parent_client_id"] is None]
    return [*_orders(own, orders), *_positions(ledger["positions"], positions), *_doubled(own, orders)]


def _orders(theirs: Sequence[Mapping[str, Any]], ours: Sequence[OrderRow]) -> list[str]:
    known = {row.intent.request.client_id: row for row in ours}
    found = []
    for order in theirs:
        row = known.pop(order["client_id"], None)
        if row is None:
            found.append(f"the venue has an order {order['client_id']} that we never sent")
        elif row.filled != Decimal(order["executed_quantity"]):
            found.append(f"{order['client_id']}: we have {row.filled} filled, the venue {order['executed_quantity']}")
    for client_id, row in known.items():
        if row.filled or (row.state not in _NEVER_THERE and row.venue_order_id):
            found.append(f"our order {client_id} ({row.state}) is not in the venue's ledger")
    return found


def _positions(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Position]) -> list[str]:
    venue = {(row["symbol"], row["side"], Decimal(row["quantity"])) for row in theirs}
    mine = {(str(row.symbol), row.side.value, row.quantity.value) for row in ours}
    return [f"positions differ: {side} {symbol} {quantity}" for symbol, side, quantity in sorted(venue ^ mine)]


def _doubled(theirs: Sequence[Mapping[str, Any]], ours: Sequence[OrderRow]) -> list[str]:
    """More than one executed entry for an alert is the worst that can happen."""
    alert_of = {row.intent.request.client_id: row.intent.alert_id for row in ours if row.intent.leg == "entry"}
    entries = Counter(alert_of[one["client_id"]] for one in theirs if one["client_id"] in alert_of)
    return [f"alert {alert_id} has {count} entries" for alert_id, count in entries.items() if count > 1]
