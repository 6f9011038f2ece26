"""Builders of stories: the events an alert leaves behind, as the stages record them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.domain import events as ev
from app.domain.alert import AlertState, Preset
from app.domain.decision import Decision, DenyReason, Entry, Move, Refusal, Stage
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol, client_order_id
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderIntent, OrderKind, OrderRequest
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import Signal, TakeProfit
from app.domain.story import Story
from app.domain.verdict import Verdict, VerdictReason
from app.domain.vote import NoVote, Opinion, Seat, Vote

T0 = datetime(2026, 1, 5, 12, tzinfo=UTC)
ALERT = AlertId("01JGXTESTALERT000000000001")
MAIN, BTC, STRATEGY = AccountId("main"), Symbol("BTCUSDT"), StrategyId("supertrend-btc-1h")

VOTES = (
    Vote(Seat.GPT, "gpt-5.4-mini", Opinion.LONG, 82, reason="trend and momentum agree", latency_ms=812),
    Vote(Seat.CLAUDE, "stand-in", Opinion.LONG, 77, reason="RSI 61, above EMA 50", latency_ms=1),
    Vote(Seat.LLAMA, "llama3.1:8b", None, 0, no_vote=NoVote.LATE, reason="no answer in 4 s", latency_ms=4000),
    Vote(Seat.LSTM, "lstm 2026-11-20", Opinion.NEUTRAL, 51, latency_ms=1),
)


def price(text: str) -> Price:
    return Price.of(text)


def quantity(text: str) -> Quantity:
    return Quantity.of(text)


def accepted() -> ev.AlertAccepted:
    return ev.AlertAccepted(ALERT, STRATEGY, MAIN, BTC, Preset.NATIVE, "key", "ab" * 32, "52.89.214.238")


def signal_read(target: Target = Target.LONG) -> ev.SignalRead:
    return ev.SignalRead(
        Signal(
            alert_id=ALERT,
            strategy=STRATEGY,
            account=MAIN,
            symbol=BTC,
            interval="1h",
            action=OrderSide.BUY,
            target=target,
            bar_time=T0 - timedelta(hours=1),
            fired_at=T0 - timedelta(seconds=2),
            received_at=T0,
            confirmed=True,
            price=price("64205"),
            stop_loss=None,
        )
    )


def judged(votes: tuple[Vote, ...] = VOTES, reason: VerdictReason = VerdictReason.APPROVED) -> list[ev.Event]:
    approved = reason is VerdictReason.APPROVED
    verdict = Verdict(approved, reason, Side.LONG, 2, 2, 79.5, 70.0, votes)
    return [*(ev.VoteCast(vote) for vote in votes), ev.VerdictReached(verdict)]


def decided(move: Move = Move.OPEN, close_side: Side | None = None) -> ev.DecisionMade:
    entry = Entry(
        side=Side.LONG,
        quantity=quantity("0.015"),
        reference_price=price("64205"),
        stop_loss=price("62900"),
        take_profits=(TakeProfit(price("66175"), Decimal("0.5")), TakeProfit(price("68140"), Decimal("0.5"))),
        trailing_stop=None,
        leverage=3,
        notional=Money.of("963.075"),
        risk=Money.of("19.575"),
    )
    why = ("1% of 10,000 USDT / 1,305 per BTC = 0.0766, capped at 0.015",)
    return ev.DecisionMade(Decision(move, BTC, entry if move.enters else None, close_side, why=why))


def order(leg: str, side: OrderSide, *, kind: OrderKind = OrderKind.MARKET, trigger: str = "") -> ev.OrderIntended:
    return ev.OrderIntended(
        OrderIntent(
            OrderRequest(
                client_id=client_order_id(ALERT, leg, 0),
                account=MAIN,
                symbol=BTC,
                side=side,
                kind=kind,
                quantity=None if kind is OrderKind.STOP else quantity("0.015"),
                trigger_price=price(trigger) if trigger else None,
                close_position=kind is OrderKind.STOP,
            ),
            leg,
            ALERT,
        )
    )


def sent(leg: str) -> ev.OrderSent:
    return ev.OrderSent(client_order_id(ALERT, leg, 0), T0, T0 + timedelta(seconds=2))


def taken(leg: str) -> ev.OrderAccepted:
    return ev.OrderAccepted(client_order_id(ALERT, leg, 0), f"88{len(leg)}")


def filled(leg: str, side: OrderSide, size: str, at: str, *, pnl: str = "0", complete: bool = True) -> ev.OrderFilled:
    fill = Fill(
        f"t-{leg}-{size}",
        f"88{len(leg)}",
        BTC,
        side,
        quantity(size),
        price(at),
        Money.of("0.48"),
        Money.of(pnl),
        T0 + timedelta(milliseconds=900),
    )
    return ev.OrderFilled(client_order_id(ALERT, leg, 0), fill, complete)


def finished(state: AlertState, summary: str = "done") -> ev.AlertFinished:
    return ev.AlertFinished(state, summary)


def refused(stage: Stage, reason: DenyReason, detail: str, **numbers: str) -> ev.AlertRefused:
    return ev.AlertRefused(Refusal(stage, reason, detail, dict(numbers)))


def recorded(*events: ev.Event) -> list[ev.Recorded]:
    """One event every 40 ms."""
    at = (T0 + timedelta(milliseconds=40 * index) for index in range(len(events)))
    return [
        ev.Recorded(100 + index, f"alert:{ALERT}", index + 1, when, event)
        for index, (when, event) in enumerate(zip(at, events, strict=True))
    ]


def story(events: Iterable[ev.Event]) -> Story:
    return Story.of(recorded(*events))


def entered(*, stop_accepted: bool = True) -> list[ev.Event]:
    """A filled, protected entry."""
    return [
        accepted(),
        signal_read(),
        *judged(),
        decided(),
        order("entry", OrderSide.BUY),
        sent("entry"),
        taken("entry"),
        filled("entry", OrderSide.BUY, "0.015", "64210.0"),
        order("stop", OrderSide.SELL, kind=OrderKind.STOP, trigger="62900"),
        sent("stop"),
        *([taken("stop")] if stop_accepted else []),
        finished(AlertState.FILLED, "LONG 0.015 BTCUSDT, protected"),
    ]


def closed_by(why: str) -> ev.PositionClosed:
    return ev.PositionClosed(
        account=MAIN,
        symbol=BTC,
        side=Side.LONG,
        quantity=quantity("0.015"),
        entry_price=price("64210"),
        exit_price=price("62898.5"),
        realised_pnl=Money.of("-19.6725"),
        fees=Money.of("0.95"),
        strategy=STRATEGY,
        alert_id=ALERT,
        opened_at=T0,
        why=why,
    )
