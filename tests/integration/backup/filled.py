"""Databases worth backing up: one in which everything has happened once, and one with a history as long as asked for.

The long one is written by the product's own chain code, a thousand events at a time; the rows beside it are those its
projectors would have written, which the replay of every restore then confirms.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db import inbox
from app.adapters.db.chain import canonical
from app.adapters.db.database import Database
from app.adapters.db.event_log import Written, extend_chain, lock_head
from app.adapters.db.lanes import create_lanes
from app.adapters.db.store import Store
from app.adapters.db.tables import alerts, signals, votes
from app.domain import events as ev
from app.domain.alert import Alert, AlertState
from app.domain.codec import encode
from app.domain.decision import DenyReason, Stage
from app.domain.ids import AlertId, account_stream, alert_stream
from app.domain.money import Money
from app.domain.side import Side
from app.domain.verdict import VerdictReason
from app.ports import Append, Message
from tests.fakes import FakeClock
from tests.integration.db.cases import an_alert
from tests.unit.notify import stories as s

EVENTS_EACH = 10  # of one refused alert
_BATCH = 100  # alerts
_PROMPT = "The market, in numbers: " + " ".join(f"close[{n}]=64{n:03d}.5" for n in range(60))


async def lived(database: Database, clock: FakeClock) -> int:
    """Something in every table, amounts that are awkward and words that are not ASCII. Returns how many events."""
    alert = an_alert(1, s.BTC, alert_id=s.ALERT, strategy=s.STRATEGY, body=bytes(range(256)))
    await database.inbox.put(alert)
    await database.inbox.put(an_alert(2, body="Gewinn: 5 €".encode()))
    await database.inbox.claim("worker-1", 60)
    story: list[ev.Event] = [
        *s.entered()[1:],
        ev.PositionOpened(s.MAIN, s.BTC, Side.LONG, s.quantity("0.015"), s.price("64210.00"), s.STRATEGY, s.ALERT),
        s.closed_by("signal — ✓ \u2028 done"),
        ev.PositionOpened(s.MAIN, s.BTC, Side.LONG, s.quantity("1E-7"), s.price("64210"), s.STRATEGY, None),
    ]
    account = [
        ev.EquityMarked(s.MAIN, Money.of("10000.10"), Money.of("-0")),
        ev.EntryReserved(s.MAIN, s.ALERT, s.STRATEGY, s.BTC, Side.LONG, Money.of("963.0750")),
        ev.DailyLossLatched(s.MAIN, "2026-01-05", Money.of("9000"), Money.of("1E+4")),
    ]
    await database.events.append(
        Append(alert_stream(s.ALERT), 1, tuple(story)),
        Append(account_stream(s.MAIN), 0, tuple(account)),
        messages=[Message("m1", "entered ✓")],
    )
    clock.advance(60)
    return 2 + len(story) + len(account)


async def long_history(database: Database, events: int) -> None:
    """Refused alerts until the log has that many events (a multiple of EVENTS_EACH)."""
    store, clock = Store(database.engine), FakeClock()
    count, rest = divmod(events, EVENTS_EACH)
    assert not rest
    for first in range(0, count, _BATCH):
        batch = [_alert(number) for number in range(first, min(first + _BATCH, count))]
        clock.advance(60)
        async with store.write() as connection:
            head = await lock_head(connection)
            told = [
                (alert_stream(alert.alert_id), version, event)
                for alert in batch
                for version, event in enumerate(_story(alert), 1)
            ]
            written = await extend_chain(connection, head, told, clock.now())
            await create_lanes(store, connection, {(batch[0].account, batch[0].symbol)})
            await _project(connection, batch, written)


def _alert(number: int) -> Alert:
    body = f'{{"order_id": "{number}", "strategy": "{s.STRATEGY}", "symbol": "BTCUSDT.P", "action": "buy"}}'.encode()
    return an_alert(
        number,
        s.BTC,
        alert_id=AlertId(f"01K0{number:022d}"),
        strategy=s.STRATEGY,
        body=body,
        dedupe_key=hashlib.sha256(body).hexdigest(),
    )


def _story(alert: Alert) -> list[ev.Event]:
    read = s.signal_read().signal
    at = alert.received_at
    signal = replace(read, alert_id=alert.alert_id, bar_time=at - timedelta(hours=1), fired_at=at, received_at=at)
    return [
        inbox._accepted(alert),
        ev.SignalRead(signal),
        ev.VotesAsked(_PROMPT, "ab" * 32, 4000),
        *s.judged(reason=VerdictReason.NO_QUORUM),
        s.refused(Stage.VERDICT, DenyReason.NO_QUORUM, "2 of 3"),
        s.finished(AlertState.REFUSED, "refused: 2 of 3 seats agree"),
    ]


async def _project(connection: AsyncConnection, batch: Sequence[Alert], written: Written) -> None:
    final = {"state": "refused", "summary": "refused: 2 of 3 seats agree"}
    rows: list[dict[str, Any]] = [inbox._row(alert, alert.received_at) | final for alert in batch]
    await connection.execute(sa.insert(alerts), rows)
    cast = [item for item in written.recorded if isinstance(item.event, ev.VoteCast)]
    await connection.execute(sa.insert(votes), [_vote(item, item.event) for item in cast])
    newest = next(item.event.signal for item in reversed(written.recorded) if isinstance(item.event, ev.SignalRead))
    key = {"account": newest.account, "symbol": newest.symbol, "strategy": newest.strategy}
    row = {"alert_id": newest.alert_id, "ranked_at": newest.bar_time, "fired_at": newest.fired_at}
    await connection.execute(sa.delete(signals))
    await connection.execute(sa.insert(signals).values(**key, **row, signal=canonical(encode(newest))))


def _vote(recorded: ev.Recorded, event: ev.VoteCast) -> dict[str, Any]:
    vote = event.vote
    return {
        "seq": recorded.seq,
        "alert_id": recorded.stream.removeprefix("alert:"),
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
