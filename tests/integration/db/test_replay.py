"""Replay: the events alone give the same tables, whatever happened; a table changed behind the log's back shows."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.replay import Difference, replay
from app.adapters.db.tables import GENESIS, alerts, chain_head, events, metadata, orders
from app.adapters.db.verify import verify_chain
from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.errors import ChainBroken
from app.domain.ids import account_stream, alert_stream
from app.domain.money import Money, Price, Quantity
from app.domain.side import Side, Target
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.ports import Append
from tests.builders import a_signal
from tests.fakes import FakeClock
from tests.integration.db.cases import ACCOUNT, BTC, ETH, NOW, STRATEGY, a_close, a_fill, an_alert, an_intent, opened

ALERTS = (an_alert(1), an_alert(2, ETH))
INTENTS = tuple(an_intent(leg, alert.symbol, alert.alert_id) for alert in ALERTS for leg in ("entry", "stop", "close"))
amounts = st.decimals(min_value=Decimal("1e-12"), max_value=Decimal("1e12"), places=12)
positive = st.one_of(amounts, st.sampled_from([Decimal("0.1"), Decimal(50_000), Decimal("1E+3")]))
signed = st.one_of(amounts, amounts.map(Decimal.copy_negate))
money, price, quantity = st.builds(Money, signed), st.builds(Price, positive), st.builds(Quantity, positive)
symbols, sides, words = st.sampled_from([BTC, ETH]), st.sampled_from(Side), st.text(max_size=8)
times = st.integers(-3, 40).map(lambda hours: NOW + timedelta(hours=hours, microseconds=hours))
ids = st.sampled_from([intent.request.client_id for intent in INTENTS])
fills = st.builds(
    a_fill, st.sampled_from("abcd"), quantity.map(str), symbols, price=price, fee=money, realised_pnl=money, at=times
)
signals = st.builds(
    a_signal, symbol=symbols, bar_time=st.none() | times, fired_at=times, target=st.none() | st.sampled_from(Target)
).map(ev.SignalRead)
votes = st.one_of(
    st.builds(Vote, st.sampled_from(Seat), words, st.sampled_from(Opinion), st.integers(0, 100), reason=words),
    st.builds(Vote, st.sampled_from(Seat), words, st.none(), st.just(0), st.sampled_from(NoVote), words),
).map(ev.VoteCast)
of_alerts = st.one_of(
    signals,
    votes,
    st.builds(ev.AlertFinished, st.sampled_from([state for state in AlertState if state.final]), words),
    st.builds(ev.HandlerFailed, st.integers(1, 3), words),
    st.sampled_from(INTENTS).map(ev.OrderIntended),
    st.builds(ev.OrderSent, ids, times, times),
    st.builds(ev.OrderAccepted, ids, st.sampled_from(["900", "901"])),
    st.builds(ev.OrderRejected, ids, st.integers(-5000, 0), words),
    st.builds(ev.OrderOutcomeUnknown, ids, words),
    st.builds(ev.OrderCanceled, ids, words),
    st.builds(ev.OrderExpired, ids, words),
    st.builds(ev.OrderFilled, ids, fills, st.booleans()),
    st.builds(ev.ExternalFill, st.just(ACCOUNT), fills, words),
    st.builds(opened, symbols, st.sampled_from([None, *(alert.alert_id for alert in ALERTS)])),
    st.builds(ev.PositionAdopted, st.just(ACCOUNT), symbols, sides, quantity, price),
    st.builds(ev.PositionChanged, st.just(ACCOUNT), symbols, quantity, price, st.booleans()),
    st.builds(ev.StopPlaced, st.just(ACCOUNT), symbols, ids, price),
    st.builds(a_close, symbols, st.sampled_from(["-1.5", "0", "1e-9"]), st.just("0")),
)
of_account = st.one_of(
    st.builds(ev.EquityMarked, st.just(ACCOUNT), money, money),
    st.builds(ev.TradingPaused, st.just(ACCOUNT), words, words),
    st.builds(ev.TradingResumed, st.just(ACCOUNT), words, money),
    st.builds(ev.KillSwitchThrown, st.just(ACCOUNT), words, words),
    st.builds(ev.DailyLossLatched, st.just(ACCOUNT), st.sampled_from(["2026-01-05", "2026-01-06"]), money, money),
    st.builds(ev.DrawdownLatched, st.just(ACCOUNT), money, money, st.just("0.2")),
    st.builds(
        ev.EntryReserved,
        st.just(ACCOUNT),
        st.sampled_from([alert.alert_id for alert in ALERTS]),
        st.just(STRATEGY),
        symbols,
        sides,
        money,
    ),
)
histories = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([alert_stream(alert.alert_id) for alert in ALERTS]), of_alerts),
        st.tuples(st.just(account_stream(ACCOUNT)), of_account),
    ),
    max_size=40,
)


async def empty(engine: AsyncEngine) -> None:
    async with engine.execution_options(writes=True).begin() as connection:
        for table in metadata.sorted_tables:
            if table is not chain_head:
                await connection.execute(sa.delete(table))
        await connection.execute(sa.update(chain_head).values(seq=0, hash=GENESIS))


async def live_through(database: Database, clock: FakeClock, history: Sequence[tuple[str, ev.Event]]) -> None:
    for alert in ALERTS:
        await database.inbox.put(alert)
    await database.inbox.claim("w", 60)
    versions = {alert_stream(alert.alert_id): 1 for alert in ALERTS}
    for stream, event in history:
        clock.advance(3_600)
        version = versions.get(stream, 0)
        await database.events.append(Append(stream, version, (event,)))
        versions[stream] = version + 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
async def test_replay_gives_the_live_tables(
    database: Database, engine: AsyncEngine, history: list[tuple[str, ev.Event]]
) -> None:
    await empty(engine)
    await live_through(database, FakeClock(), history)
    report = await replay(engine)
    assert report.differences == ()
    assert (report.ok, report.events) == (True, len(history) + 2)
    assert (await verify_chain(engine)).ok


@pytest.fixture
async def lived(database: Database, clock: FakeClock) -> Database:
    history = [
        (alert_stream(ALERTS[0].alert_id), event)
        for event in (ev.OrderIntended(INTENTS[0]), opened(), ev.AlertFinished(AlertState.FILLED, "in"))
    ]
    await live_through(database, clock, history)
    return database


async def changed(engine: AsyncEngine, statement: sa.Executable) -> tuple[Difference, ...]:
    async with engine.execution_options(writes=True).begin() as connection:
        await connection.execute(statement)
    report = await replay(engine)
    assert not report.ok
    return report.differences


async def test_a_changed_cell_is_named(lived: Database, engine: AsyncEngine) -> None:
    (found,) = await changed(engine, sa.update(orders).values(state="FILLED"))
    assert found == Difference("orders", INTENTS[0].request.client_id, "state", "FILLED", "INTENT")


async def test_a_missing_and_a_surplus_row_are_named(lived: Database, engine: AsyncEngine) -> None:
    found = await changed(engine, sa.update(orders).values(client_id="made up"))
    assert {(item.key, item.live, item.rebuilt) for item in found} == {
        ("made up", "a row", "missing"),
        (INTENTS[0].request.client_id, "missing", "a row"),
    }


async def test_a_changed_body_of_an_alert_is_named(lived: Database, engine: AsyncEngine) -> None:
    second = alerts.c.alert_id == ALERTS[1].alert_id
    (found,) = await changed(engine, sa.update(alerts).where(second).values(body=b""))
    assert (found.table, found.key, found.column) == ("alerts", ALERTS[1].alert_id, "body_sha256")


async def test_an_event_nobody_can_read_is_named(lived: Database, engine: AsyncEngine) -> None:
    async with engine.execution_options(writes=True).begin() as connection:
        await connection.execute(sa.update(events).where(events.c.seq == 4).values(type="OrderDreamt"))
    with pytest.raises(ChainBroken) as broken:
        await replay(engine)
    assert broken.value.seq == 4
