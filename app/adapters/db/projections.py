"""What each event does to the tables: one function per kind of event, in one table, used live and by replay alike.

A projector is pure: it turns a recorded event into statements and reads nothing. Appenders are serialised by the head
of the chain, so "insert unless it is there" needs no more than a NOT EXISTS. Events may repeat and, around one order,
arrive in any order; every statement here gives the same row either way.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

from app.adapters.db import account_state
from app.adapters.db.account_state import Executor
from app.adapters.db.chain import canonical
from app.adapters.db.tables import alerts, fills, orders, positions, reservations, signals, trades, votes
from app.domain import events as ev
from app.domain.codec import encode
from app.domain.order import TRANSITIONS, Fill, OrderState

Statements = Sequence[UpdateBase]
_BEFORE = {to: [was.value for was, after in TRANSITIONS.items() if to in after] for to in OrderState}


async def project(connection: Executor, recorded: Sequence[ev.Recorded]) -> None:
    """Bring the tables up to these events, inside the caller's transaction."""
    for item in recorded:
        for statement in statements(item):
            await connection.execute(statement)
        if isinstance(item.event, account_state.KINDS):
            await account_state.apply(connection, item)


def statements(recorded: ev.Recorded) -> Statements:
    projector = PROJECTORS.get(type(recorded.event))
    return projector(recorded, recorded.event) if projector else ()


# --- an alert's way ----------------------------------------------------------------------------------


def _alert_accepted(recorded: ev.Recorded, event: ev.AlertAccepted) -> Statements:
    """The inbox writes the whole row itself, with the body; here it is rebuilt as far as the log knows it."""
    row = {
        "strategy": event.strategy,
        "account": event.account,
        "symbol": event.symbol,
        "preset": event.preset.value,
        "dedupe_key": event.dedupe_key,
        "sender": event.sender,
        "body": b"",
        "body_sha256": event.body_sha256,
        "received_at": recorded.at,
        "state": "pending",
        "summary": "",
        "failures": 0,
        "attempts": 0,
        "failures_at_claim": 0,
        "due_at": recorded.at,
    }
    return [_insert_once(alerts, {"alert_id": event.alert_id}, row)]


def _signal_read(_: ev.Recorded, event: ev.SignalRead) -> Statements:
    """Keep the newest per strategy: by the bar, then by the moment it fired."""
    signal = event.signal
    key = {"account": signal.account, "symbol": signal.symbol, "strategy": signal.strategy}
    row = {
        "alert_id": signal.alert_id,
        "ranked_at": signal.bar_time or signal.fired_at,
        "fired_at": signal.fired_at,
        "signal": canonical(encode(signal)),
    }
    older = sa.or_(
        signals.c.ranked_at < row["ranked_at"],
        sa.and_(signals.c.ranked_at == row["ranked_at"], signals.c.fired_at <= row["fired_at"]),
    )
    return [
        sa.update(signals).where(*_at(signals, key), older).values(row),
        _insert_once(signals, key, row),
    ]


def _vote_cast(recorded: ev.Recorded, event: ev.VoteCast) -> Statements:
    vote = event.vote
    row = {
        "alert_id": _alert_of(recorded),
        "seat": vote.seat.value,
        "voter": vote.voter,
        "opinion": vote.opinion.value if vote.opinion else None,
        "no_vote": vote.no_vote.value if vote.no_vote else None,
        "confidence": vote.confidence,
        "reason": vote.reason,
        "latency_ms": vote.latency_ms,
        "prompt_sha256": vote.prompt_sha256,
        "answer_sha256": vote.answer_sha256,
        "at": recorded.at,
    }
    return [sa.insert(votes).values(seq=recorded.seq, **row)]


def _alert_finished(recorded: ev.Recorded, event: ev.AlertFinished) -> Statements:
    row = {"state": event.state.value, "summary": event.summary}
    return [sa.update(alerts).where(alerts.c.alert_id == _alert_of(recorded)).values(row)]


def _handler_failed(recorded: ev.Recorded, _: ev.HandlerFailed) -> Statements:
    counted = {"failures": alerts.c.failures + 1}
    return [sa.update(alerts).where(alerts.c.alert_id == _alert_of(recorded)).values(counted)]


# --- orders ------------------------------------------------------------------------------------------


def _order_intended(recorded: ev.Recorded, event: ev.OrderIntended) -> Statements:
    request = event.intent.request
    row = {
        "seq": recorded.seq,
        "account": request.account,
        "symbol": request.symbol,
        "alert_id": event.intent.alert_id,
        "leg": event.intent.leg,
        "adds_exposure": request.adds_exposure,
        "intent": canonical(encode(event.intent)),
        "state": OrderState.INTENT.value,
        "venue_order_id": "",
        "note": "",
        "sent_at": None,
        "deadline": None,
        "stream": recorded.stream,
    }
    return [_insert_once(orders, {"client_id": request.client_id}, row)]


def _order_sent(_: ev.Recorded, event: ev.OrderSent) -> Statements:
    return [_moved(event.client_id, OrderState.SENT, sent_at=event.sent_at, deadline=event.deadline)]


def _order_accepted(_: ev.Recorded, event: ev.OrderAccepted) -> Statements:
    return [_moved(event.client_id, OrderState.ACCEPTED, venue_order_id=event.venue_order_id)]


def _order_rejected(_: ev.Recorded, event: ev.OrderRejected) -> Statements:
    return [_moved(event.client_id, OrderState.REJECTED, note=f"{event.code}: {event.text}")]


def _order_outcome_unknown(_: ev.Recorded, event: ev.OrderOutcomeUnknown) -> Statements:
    return [_moved(event.client_id, OrderState.UNKNOWN, note=event.reason)]


def _order_canceled(_: ev.Recorded, event: ev.OrderCanceled) -> Statements:
    return [_moved(event.client_id, OrderState.CANCELED, note=event.why)]


def _order_expired(_: ev.Recorded, event: ev.OrderExpired) -> Statements:
    return [_moved(event.client_id, OrderState.EXPIRED, note=event.why)]


def _order_filled(recorded: ev.Recorded, event: ev.OrderFilled) -> Statements:
    """Count the execution once. A repeat changes nothing, unless it brings the news that it was the last."""
    fill, client_id = event.fill, event.client_id
    account = sa.select(orders.c.account).where(orders.c.client_id == client_id).scalar_subquery()
    same = (fills.c.account == account, fills.c.symbol == fill.symbol, fills.c.trade_id == fill.trade_id)
    if event.complete:
        moved = _moved(client_id, OrderState.FILLED)
    else:
        repeated = sa.exists().where(*same, fills.c.client_id.is_not(None))
        moved = _moved(client_id, OrderState.PARTIALLY_FILLED).where(~repeated)
    row = {"symbol": fill.symbol, "trade_id": fill.trade_id, "client_id": client_id, **_execution(recorded, fill, "")}
    ours = sa.select(orders.c.account, *_literals(fills, row)).where(orders.c.client_id == client_id)
    return [
        moved,
        # Seen before as somebody else's: now we know whose it is.
        sa.update(fills).where(*same, fills.c.client_id.is_(None)).values(client_id=client_id, what=""),
        sa.insert(fills).from_select(["account", *row], ours.where(~sa.exists().where(*same))),
    ]


def _external_fill(recorded: ev.Recorded, event: ev.ExternalFill) -> Statements:
    key = {"account": event.account, "symbol": event.fill.symbol, "trade_id": event.fill.trade_id}
    return [_insert_once(fills, key, {"client_id": None, **_execution(recorded, event.fill, event.what)})]


def _execution(recorded: ev.Recorded, fill: Fill, what: str) -> dict[str, Any]:
    return {
        "what": what,
        "venue_order_id": fill.venue_order_id,
        "side": fill.side.value,
        "quantity": fill.quantity.value,
        "price": fill.price.value,
        "fee": fill.fee.value,
        "realised_pnl": fill.realised_pnl.value,
        "at": fill.at,
        "seq": recorded.seq,
    }


# --- positions ---------------------------------------------------------------------------------------


def _position_opened(recorded: ev.Recorded, event: ev.PositionOpened) -> Statements:
    stop = event.stop_price.value if event.stop_price else None
    return _position(event, event.strategy, event.alert_id, recorded.at, stop)


def _position_adopted(recorded: ev.Recorded, event: ev.PositionAdopted) -> Statements:
    return _position(event, "", None, recorded.at)


def _position(
    event: ev.PositionOpened | ev.PositionAdopted,
    strategy: str,
    alert_id: str | None,
    at: datetime,
    stop: Decimal | None = None,
) -> Statements:
    key = {"account": event.account, "symbol": event.symbol}
    row = {
        "side": event.side.value,
        "quantity": event.quantity.value,
        "entry_price": event.entry_price.value,
        "strategy": strategy,
        "alert_id": alert_id,
        "opened_at": at,
        "entries": 1,
        "stop_price": stop,
    }
    return [sa.delete(positions).where(*_at(positions, key)), sa.insert(positions).values(**key, **row)]


def _position_changed(_: ev.Recorded, event: ev.PositionChanged) -> Statements:
    row = {
        "quantity": event.quantity.value,
        "entry_price": event.entry_price.value,
        "entries": positions.c.entries + int(event.added),
    }
    return [sa.update(positions).where(*_place(event)).values(row)]


def _stop_placed(_: ev.Recorded, event: ev.StopPlaced) -> Statements:
    return [sa.update(positions).where(*_place(event)).values(stop_price=event.stop_price.value)]


def _position_closed(recorded: ev.Recorded, event: ev.PositionClosed) -> Statements:
    row = {
        "account": event.account,
        "symbol": event.symbol,
        "strategy": event.strategy,
        "alert_id": event.alert_id,
        "closed_at": recorded.at,
        "realised_pnl": event.realised_pnl.value,
        "fees": event.fees.value,
        "won": event.realised_pnl.value > event.fees.value,
        "closed": canonical(event.data()),
    }
    return [
        sa.delete(positions).where(*_place(event)),
        sa.insert(trades).values(trade_id=recorded.seq, **row),
    ]


def _entry_reserved(recorded: ev.Recorded, event: ev.EntryReserved) -> Statements:
    row = {
        "alert_id": event.alert_id,
        "account": event.account,
        "strategy": event.strategy,
        "symbol": event.symbol,
        "side": event.side.value,
        "notional": event.notional.value,
        "reserved_at": recorded.at,
    }
    return [sa.insert(reservations).values(seq=recorded.seq, **row)]


# --- the table ---------------------------------------------------------------------------------------

PROJECTORS: Mapping[type[ev.Event], Callable[[ev.Recorded, Any], Statements]] = {
    ev.AlertAccepted: _alert_accepted,
    ev.SignalRead: _signal_read,
    ev.VoteCast: _vote_cast,
    ev.AlertFinished: _alert_finished,
    ev.HandlerFailed: _handler_failed,
    ev.OrderIntended: _order_intended,
    ev.OrderSent: _order_sent,
    ev.OrderAccepted: _order_accepted,
    ev.OrderRejected: _order_rejected,
    ev.OrderOutcomeUnknown: _order_outcome_unknown,
    ev.OrderCanceled: _order_canceled,
    ev.OrderExpired: _order_expired,
    ev.OrderFilled: _order_filled,
    ev.ExternalFill: _external_fill,
    ev.PositionOpened: _position_opened,
    ev.PositionAdopted: _position_adopted,
    ev.PositionChanged: _position_changed,
    ev.StopPlaced: _stop_placed,
    ev.PositionClosed: _position_closed,
    ev.EntryReserved: _entry_reserved,
}


def _moved(client_id: str, to: OrderState, **also: Any) -> sa.Update:
    """Follow the table of allowed transitions; an impossible one leaves the state alone."""
    state = sa.case((orders.c.state.in_(_BEFORE[to]), to.value), else_=orders.c.state)
    return sa.update(orders).where(orders.c.client_id == client_id).values(state=state, **also)


def _insert_once(table: sa.Table, key: dict[str, Any], row: dict[str, Any]) -> sa.Insert:
    """Insert, unless the key is there already."""
    missing = ~sa.exists().where(*_at(table, key))
    return sa.insert(table).from_select([*key, *row], sa.select(*_literals(table, key | row)).where(missing))


def _literals(table: sa.Table, row: Mapping[str, Any]) -> list[sa.ColumnElement[Any]]:
    return [sa.literal(value, table.c[name].type).label(name) for name, value in row.items()]


def _at(table: sa.Table, key: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]


def _place(event: ev.PositionChanged | ev.StopPlaced | ev.PositionClosed) -> list[sa.ColumnElement[bool]]:
    return [positions.c.account == event.account, positions.c.symbol == event.symbol]


def _alert_of(recorded: ev.Recorded) -> str:
    return recorded.stream.removeprefix("alert:")
