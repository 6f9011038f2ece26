"""What the tables say after events, however often and in whatever order an exchange reports around one order."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.adapters.db.database import Database
from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.ids import AccountId, AlertId, ClientOrderId, StrategyId, account_stream
from app.domain.money import Money, Price, Quantity
from app.domain.order import OrderState
from app.domain.side import Side, Target
from app.ports import Append, Reservation, StrategyRecord
from tests.builders import a_signal
from tests.fakes import FakeClock
from tests.integration.db.cases import (
    ACCOUNT,
    BTC,
    ETH,
    NOW,
    STRATEGY,
    a_close,
    a_fill,
    an_alert,
    an_intent,
    opened,
)

ENTRY = an_intent()
ID = ENTRY.request.client_id
INTENDED = ev.OrderIntended(ENTRY)
SENT = ev.OrderSent(ID, NOW, NOW + timedelta(seconds=5))
ACCEPTED = ev.OrderAccepted(ID, "900")
CANCELED = ev.OrderCanceled(ID, "by hand")
EXPIRED = ev.OrderExpired(ID, "rest lapsed")
UNKNOWN = ev.OrderOutcomeUnknown(ID, "timeout")
PART = ev.OrderFilled(ID, a_fill("t1"), complete=False)
LAST = ev.OrderFilled(ID, a_fill("t2", "0.2"), complete=True)


async def record(database: Database, *events: ev.Event, stream: str = "alert:A") -> None:
    version = len(await database.events.read(stream))
    await database.events.append(Append(stream, version, events))


@pytest.mark.parametrize(
    ("events", "state", "filled"),
    [
        ([INTENDED], OrderState.INTENT, "0"),
        ([INTENDED, SENT], OrderState.SENT, "0"),
        ([INTENDED, SENT, ACCEPTED, PART], OrderState.PARTIALLY_FILLED, "0.1"),
        ([INTENDED, SENT, PART, ACCEPTED], OrderState.PARTIALLY_FILLED, "0.1"),
        ([INTENDED, SENT, ACCEPTED, PART, LAST], OrderState.FILLED, "0.3"),
        ([INTENDED, SENT, UNKNOWN, LAST, PART, ACCEPTED], OrderState.FILLED, "0.3"),
        ([INTENDED, SENT, PART, PART, PART], OrderState.PARTIALLY_FILLED, "0.1"),
        ([INTENDED, SENT, LAST, CANCELED], OrderState.FILLED, "0.2"),  # the cancel lost to the fill
        ([INTENDED, SENT, ACCEPTED, CANCELED, LAST], OrderState.FILLED, "0.2"),
        ([INTENDED, SENT, PART, CANCELED], OrderState.CANCELED, "0.1"),
        ([INTENDED, SENT, PART, CANCELED, PART], OrderState.CANCELED, "0.1"),  # a repeat is no news
        ([INTENDED, SENT, PART, EXPIRED, PART], OrderState.EXPIRED, "0.1"),
        ([INTENDED, EXPIRED], OrderState.EXPIRED, "0"),
        ([INTENDED, INTENDED, SENT], OrderState.SENT, "0"),
        ([INTENDED, SENT, UNKNOWN, SENT], OrderState.UNKNOWN, "0"),  # never back to SENT
    ],
)
async def test_an_order_follows_the_table_of_transitions(
    database: Database, events: list[ev.Event], state: OrderState, filled: str
) -> None:
    await record(database, *events)
    row = await database.records.order(ID)
    assert row is not None
    assert (row.intent, row.state, row.filled, row.stream) == (ENTRY, state, Decimal(filled), "alert:A")
    live = state not in (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED)
    assert bool(await database.records.open_orders(ACCOUNT, BTC)) is live
    assert (await database.records.symbols_in_use(ACCOUNT) == [BTC]) is live


async def test_an_order_is_found_by_either_of_its_names(database: Database) -> None:
    await record(database, INTENDED, SENT, ACCEPTED)
    row = await database.records.order_by_venue_id(ACCOUNT, BTC, "900")
    assert row is not None
    assert (row.venue_order_id, row.sent_at, row.deadline) == ("900", NOW, NOW + timedelta(seconds=5))
    assert row == await database.records.order(ID)
    assert await database.records.order_by_venue_id(ACCOUNT, ETH, "900") is None
    assert await database.records.order(ClientOrderId("nobody")) is None


async def test_a_trade_id_counts_once_per_account_and_symbol(database: Database) -> None:
    other = an_intent("entry", ETH)
    await record(database, INTENDED, SENT, ev.OrderIntended(other))
    await record(database, PART, ev.OrderFilled(other.request.client_id, a_fill("t1", "7", ETH), complete=False), PART)
    await record(database, ev.ExternalFill(ACCOUNT, a_fill("t1"), "seen again as somebody else's"))
    bitcoin, ether = await database.records.order(ID), await database.records.order(other.request.client_id)
    assert bitcoin is not None
    assert ether is not None
    assert (bitcoin.filled, ether.filled) == (Decimal("0.1"), Decimal(7))
    assert await database.records.fill_known(ACCOUNT, BTC, "t1")
    assert not await database.records.fill_known(ACCOUNT, BTC, "t2")
    assert not await database.records.fill_known(AccountId("other"), BTC, "t1")


async def test_a_fill_first_taken_for_somebody_elses_becomes_ours(database: Database) -> None:
    await record(database, INTENDED, SENT, opened(), ev.ExternalFill(ACCOUNT, a_fill("t1"), "liquidation"))
    await record(database, PART)
    row = await database.records.order(ID)
    assert row is not None
    assert (row.filled, row.state) == (Decimal("0.1"), OrderState.PARTIALLY_FILLED)


async def test_a_position_starts_at_its_first_fill_and_sums_what_belongs_to_it(
    database: Database, clock: FakeClock
) -> None:
    exit_of_old = an_intent("close", alert_id="OLD")
    await record(database, ev.OrderIntended(exit_of_old), stream="alert:OLD")
    old = a_fill("t0", realised_pnl=Money.of(-99), fee=Money.of(99))  # at the very same moment
    await record(
        database, ev.OrderFilled(exit_of_old.request.client_id, old, complete=True), a_close(), stream="alert:OLD"
    )
    clock.advance(2)
    await record(database, INTENDED, SENT, PART, opened(), LAST)
    stop = an_intent("stop")
    clock.advance(60)
    sold = a_fill("t3", "0.1", realised_pnl=Money.of("5.00000001"), at=clock.now())
    await record(
        database,
        ev.OrderIntended(stop),
        ev.StopPlaced(ACCOUNT, BTC, stop.request.client_id, Price.of(49_000)),
        ev.OrderFilled(stop.request.client_id, sold, complete=True),
        ev.PositionChanged(ACCOUNT, BTC, Quantity.of("0.2"), Price.of("50000.1"), added=False),
    )
    position = await database.records.position(ACCOUNT, BTC)
    assert position is not None
    assert (position.opened_at, position.entries, position.alert_id) == (NOW, 1, "A")
    assert (position.quantity, position.stop_price) == (Quantity.of("0.2"), Price.of(49_000))
    assert position.realised_pnl == Money.of("5.00000001")
    assert position.fees == Money.of("0.06000012")
    found = await database.records.fills_of_position(position)
    assert [(client_id, fill.trade_id) for client_id, fill in found] == [
        (ID, "t1"),
        (ID, "t2"),
        (stop.request.client_id, "t3"),
    ]
    assert await database.records.last_fill_at(ACCOUNT, BTC) == clock.now()
    assert await database.queries.positions() == [position]


async def test_an_added_entry_counts_and_a_close_leaves_a_trade(database: Database, clock: FakeClock) -> None:
    await record(database, opened())
    await record(database, ev.PositionChanged(ACCOUNT, BTC, Quantity.of("0.6"), Price.of(50_500), added=True))
    position = await database.records.position(ACCOUNT, BTC)
    assert position is not None
    assert position.entries == 2
    clock.advance(10)
    for close in (a_close(pnl="10", fees="1"), a_close(pnl="1", fees="1"), a_close(pnl="-5")):
        await record(database, close)
    assert await database.records.position(ACCOUNT, BTC) is None
    assert await database.records.strategy_record(STRATEGY) == StrategyRecord(trades=3, wins=1)  # after fees
    assert await database.records.strategy_record(StrategyId("other")) == StrategyRecord(0, 0)
    newest, *older = await database.queries.trades(limit=3)
    assert (newest.what, newest.closed_at) == (a_close(pnl="-5"), clock.now())
    assert await database.queries.trades(limit=3, before=newest.trade_id) == older


async def test_an_adopted_position_belongs_to_nobody(database: Database) -> None:
    adopted = ev.PositionAdopted(ACCOUNT, ETH, Side.SHORT, Quantity.of(2), Price.of(3_000))
    await record(database, adopted, stream="position:main:ETHUSDT")
    position = await database.records.position(ACCOUNT, ETH)
    assert position is not None
    assert (position.strategy, position.alert_id, position.side) == ("", None, Side.SHORT)
    assert position.opened_at == NOW
    assert await database.records.symbols_in_use(ACCOUNT) == [ETH]


async def test_the_accounts_switches_and_high_water_marks(database: Database, clock: FakeClock) -> None:
    def marked(equity: str) -> ev.EquityMarked:
        return ev.EquityMarked(ACCOUNT, Money.of(equity), Money.of(equity))

    async def switch(*events: ev.Event) -> None:
        await record(database, *events, stream=account_stream(ACCOUNT))

    facts = await database.records.account_facts(ACCOUNT)
    assert (facts.version, facts.paused, facts.killed, facts.day, facts.peak_equity) == (0, False, False, None, None)
    await switch(marked("9000"), marked("10000"), marked("9500.5"))  # as text, "9000" would be the largest
    facts = await database.records.account_facts(ACCOUNT)
    assert (facts.version, facts.day, facts.day_start_equity) == (3, NOW.date(), Money.of(9_000))
    assert facts.peak_equity == Money.of(10_000)
    await switch(
        ev.DailyLossLatched(ACCOUNT, "2026-01-05", Money.of(500), Money.of(450)),
        ev.DrawdownLatched(ACCOUNT, Money.of(10_000), Money.of(8_000), "0.2"),
        ev.TradingPaused(ACCOUNT, "x", ""),
        ev.KillSwitchThrown(ACCOUNT, "x", ""),
    )
    facts = await database.records.account_facts(ACCOUNT)
    assert (facts.paused, facts.killed, facts.drawdown_latched) == (True, True, True)
    assert facts.daily_loss_day == date(2026, 1, 5)
    await switch(ev.TradingResumed(ACCOUNT, "x", Money.of(8_000)))
    clock.advance(-13 * 3600)  # a clock that steps back over midnight opens no new day
    await switch(marked("7000"))
    facts = await database.records.account_facts(ACCOUNT)
    assert (facts.paused, facts.killed, facts.drawdown_latched) == (False, False, False)
    assert facts.daily_loss_day == date(2026, 1, 5)
    assert (facts.peak_equity, facts.day, facts.day_start_equity) == (Money.of(8_000), NOW.date(), Money.of(9_000))
    clock.advance(37 * 3600)
    await switch(marked("7500"))
    facts = await database.records.account_facts(ACCOUNT)
    assert (facts.day, facts.day_start_equity) == (date(2026, 1, 6), Money.of(7_500))


async def test_a_reservation_counts_until_its_alert_is_final(database: Database, clock: FakeClock) -> None:
    def reserved(number: int, symbol: str, notional: str) -> ev.EntryReserved:
        alert = an_alert(number)
        return ev.EntryReserved(
            ACCOUNT, alert.alert_id, STRATEGY, BTC if symbol == BTC else ETH, Side.LONG, Money.of(notional)
        )

    stream = account_stream(ACCOUNT)
    for number in (1, 2):
        await database.inbox.put(an_alert(number))
    await record(database, reserved(1, BTC, "1000"), stream=stream)
    clock.advance(30)
    await record(database, reserved(2, ETH, "2000.5"), reserved(3, BTC, "1"), stream=stream)
    facts = await database.records.account_facts(ACCOUNT)
    assert facts.reservations == (
        Reservation(an_alert(1).alert_id, BTC, Money.of(1_000)),
        Reservation(an_alert(2).alert_id, ETH, Money.of("2000.5")),
        Reservation(an_alert(3).alert_id, BTC, Money.of(1)),  # an alert nobody knows: the safe side is to count it
    )
    assert facts.entries_at == (NOW, clock.now(), clock.now())
    assert facts.last_entry_at == {BTC: clock.now(), ETH: clock.now()}
    await record(database, ev.AlertFinished(AlertState.FILLED, ""), stream=f"alert:{an_alert(1).alert_id}")
    clock.advance(3580)
    facts = await database.records.account_facts(ACCOUNT)
    assert [reservation.symbol for reservation in facts.reservations] == [ETH, BTC]
    assert len(facts.entries_at) == 2  # of the last hour
    assert set(facts.last_entry_at) == {BTC, ETH}


async def test_a_reservation_knows_whether_the_venue_has_taken_its_entry(database: Database) -> None:
    alert = an_alert(1)
    await database.inbox.put(alert)
    room = ev.EntryReserved(ACCOUNT, alert.alert_id, STRATEGY, BTC, Side.LONG, Money.of(1_000))
    await record(database, room, stream=account_stream(ACCOUNT))

    async def entered() -> bool:
        (reservation,) = (await database.records.account_facts(ACCOUNT)).reservations
        return reservation.entered

    entry = an_intent("entry", alert_id=alert.alert_id)
    client_id = entry.request.client_id
    stream = f"alert:{alert.alert_id}"
    assert not await entered()
    await record(database, ev.OrderIntended(entry), ev.OrderSent(client_id, NOW, NOW), stream=stream)
    assert not await entered()
    await record(database, ev.OrderAccepted(client_id, "4711"), stream=stream)
    assert await entered()


async def test_the_newest_signal_is_the_one_of_the_newest_bar(database: Database) -> None:
    def signal(bar: int | None, fired: int, target: Target) -> ev.SignalRead:
        at = NOW + timedelta(minutes=fired)
        bar_time = None if bar is None else NOW + timedelta(minutes=bar)
        return ev.SignalRead(a_signal(bar_time=bar_time, fired_at=at, target=target, alert_id=AlertId(f"{fired}")))

    async def newest() -> str | None:
        found = await database.records.newest_signal(ACCOUNT, BTC, a_signal().strategy)
        return None if found is None else found.alert_id

    assert await newest() is None
    await record(database, signal(0, 10, Target.LONG))
    await record(database, signal(5, 9, Target.FLAT))
    assert await newest() == "9"
    await record(database, signal(4, 11, Target.LONG))  # late
    assert await newest() == "9"
    await record(database, signal(5, 12, Target.SHORT))
    assert await newest() == "12"
    await record(database, signal(None, 20, Target.FLAT))  # names no bar: its own moment counts
    assert await newest() == "20"
    found = await database.records.newest_signal(ACCOUNT, BTC, a_signal().strategy)
    assert found is not None
    assert found.stop_loss == a_signal().stop_loss
    assert await database.records.newest_signal(ACCOUNT, ETH, a_signal().strategy) is None


async def test_lists_are_newest_first_and_go_on_where_a_page_ended(database: Database) -> None:
    for number in range(5):
        await database.inbox.put(an_alert(number))
        await record(database, ev.OrderIntended(an_intent(alert_id=f"{number}")), stream=f"alert:{number}")
    page = await database.queries.alerts(limit=2)
    assert [line.alert for line in page] == [an_alert(4), an_alert(3)]
    page = await database.queries.alerts(limit=10, before=page[-1].alert.alert_id)
    assert [line.alert for line in page] == [an_alert(2), an_alert(1), an_alert(0)]
    assert {line.state for line in page} == {AlertState.PENDING}
    orders = await database.queries.orders(limit=2)
    assert [row.intent.alert_id for row in orders] == ["4", "3"]
    orders = await database.queries.orders(limit=2, before=orders[-1].intent.request.client_id)
    assert [row.intent.alert_id for row in orders] == ["2", "1"]
    assert await database.queries.alert(AlertId("nobody")) is None
    await database.queries.ping()
