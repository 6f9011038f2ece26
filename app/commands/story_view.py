"""One alert's story as something rich can print. Pure: an alert and its story in, a renderable out."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.domain import events as ev
from app.domain.alert import Alert, AlertState
from app.domain.decision import Entry
from app.domain.ids import trace_id
from app.domain.order import Fill
from app.domain.signal import Signal
from app.domain.story import OrderLine, Story
from app.domain.verdict import Verdict
from app.domain.vote import Vote
from app.log import redact
from app.pipeline.wording import closed_words, gain, money, number, one_line, verdict_words

LONGEST_BODY = 300  # characters of the message as it arrived
_COLOURS = {
    AlertState.FILLED: "green",
    AlertState.CLOSED: "cyan",
    AlertState.REFUSED: "yellow",
    AlertState.EXPIRED: "yellow",
    AlertState.FAILED: "red",
}


def render(alert: Alert, story: Story) -> RenderableType:
    """The whole story, top to bottom in the order things happened."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    for title, content in _sections(alert, story):
        rows.add_row(title, content)
    return Group(_title(alert, story), rows)


def _title(alert: Alert, story: Story) -> Text:
    title = Text(f"alert {alert.alert_id} · {alert.strategy} · {alert.symbol} · ", style="bold")
    return title.append(story.state.value.upper(), style=f"bold {_COLOURS.get(story.state, 'blue')}")


def _sections(alert: Alert, story: Story) -> Iterator[tuple[str, RenderableType]]:
    yield "arrived", Text(_arrival(alert))
    if story.signal:
        yield "signal", Text(_signal(story.signal))
    if story.votes:
        yield "votes", _votes(story.votes)
    if story.verdict:
        yield "verdict", Text(_verdict(story.verdict))
    if story.decision:
        yield "risk", Text("\n".join(_decision(story)))
    if story.refusal:
        refusal = story.refusal
        numbers = "".join(f"\n{name} = {value}" for name, value in refusal.numbers.items())
        yield "refused", Text(f"at {refusal.stage}: {refusal.reason} — {refusal.detail}{numbers}")
    if story.orders:
        yield "orders", _orders(list(story.orders.values()))
    fills = [(line, fill) for line in story.orders.values() for fill in line.fills]
    if fills:
        yield "fills", _fills(fills)
    yield "outcome", Text(_outcome(story))
    yield "trace", Text(trace_id(alert.alert_id), style="dim")
    if story.log:
        yield "timeline", Text(_timeline(story.log))


def _arrival(alert: Alert) -> str:
    body = one_line(redact(alert.body.decode("utf-8", "replace")), LONGEST_BODY)
    return (
        f"{_when(alert.received_at)} from {alert.sender}, {alert.preset} message of {len(alert.body)} bytes "
        f"for account {alert.account}\n{body}"
    )


def _signal(signal: Signal) -> str:
    late_ms = (signal.received_at - signal.fired_at).total_seconds() * 1000
    parts = [
        f"target {signal.target}" if signal.target else f"action {signal.action}",
        f"{signal.symbol} {signal.interval}",
        f"bar {_when(signal.bar_time)}" if signal.bar_time else "",
        f"fired {late_ms:,.0f} ms before it arrived",
        f"price {number(signal.price)}" if signal.price else "",
        f"stop {number(signal.stop_loss)}" if signal.stop_loss else "no stop of its own",
        *(f"target {number(target.price)} for {target.ratio:%}" for target in signal.take_profits),
        "bar closed" if signal.confirmed else "BAR NOT CLOSED",
    ]
    return "\n".join([", ".join(part for part in parts if part), *(f"note: {note}" for note in signal.notes)])


def _votes(votes: list[Vote]) -> Table:
    table = _table("seat", "who", "says", ">confidence", ">ms", "reason")
    for vote in votes:
        _add(
            table,
            vote.seat,
            one_line(vote.voter, 40) or "nobody",
            str(vote.opinion or vote.no_vote),
            str(vote.confidence) if vote.opinion else "",
            f"{vote.latency_ms:,}",
            one_line(vote.reason, 200),
        )
    return table


def _verdict(verdict: Verdict) -> str:
    """The words of the notification, and how the mean came about."""
    agreeing = [
        vote.confidence
        for vote in verdict.votes
        if vote.seat.language_model and vote.opinion is not None and vote.opinion.value == verdict.side
    ]
    if not agreeing:
        return verdict_words(verdict)
    sum_ = " + ".join(map(str, agreeing))
    shown = f"({sum_}) / {len(agreeing)} = {verdict.mean_confidence:g}"
    return f"{verdict_words(verdict)}\nmean confidence of the agreeing: {shown}"


def _decision(story: Story) -> Iterator[str]:
    decision = story.decision
    if decision is None:
        return
    leaving = f", closing {decision.close_ratio:%} of the {decision.close_side}" if decision.close_side else ""
    yield f"{decision.move} {decision.symbol}{leaving}"
    if decision.entry:
        yield from _entry(decision.entry)
    yield from decision.why


def _entry(entry: Entry) -> Iterator[str]:
    yield (
        f"{entry.side} {number(entry.quantity)} at about {number(entry.reference_price)} = {money(entry.notional)}, "
        f"leverage {entry.leverage}, {money(entry.risk)} lost if the stop is hit"
    )
    targets = ", ".join(f"{number(target.price)} for {target.ratio:%}" for target in entry.take_profits) or "none"
    trail = f", trailing by {entry.trailing_stop.callback_rate:%}" if entry.trailing_stop else ""
    yield f"stop {number(entry.stop_loss)}, targets {targets}{trail}"


def _orders(lines: list[OrderLine]) -> Table:
    table = _table("leg", "side", "kind", ">quantity", ">trigger", "state", "venue id", "client id", "note")
    for line in lines:
        request = line.intent.request
        _add(
            table,
            line.intent.leg,
            request.side,
            request.kind,
            number(request.quantity) if request.quantity else "all",
            number(request.trigger_price) if request.trigger_price else "",
            line.state,
            line.venue_order_id,
            request.client_id[:12],
            one_line(line.note, 120),
        )
    return table


def _fills(fills: list[tuple[OrderLine, Fill]]) -> Table:
    table = _table("leg", "side", ">quantity", ">price", ">fee", ">PnL", "trade id", "at")
    for line, fill in fills:
        _add(
            table,
            line.intent.leg,
            fill.side,
            number(fill.quantity),
            number(fill.price),
            money(fill.fee),
            gain(fill.realised_pnl) if fill.realised_pnl else "",
            fill.trade_id,
            _when(fill.at),
        )
    return table


def _outcome(story: Story) -> str:
    text = f"{story.state}: {story.finished.summary}" if story.finished else f"{story.state}: not finished"
    if story.failures:
        text += f"\nits handler broke {story.failures} times"
    if story.closed:
        closed = story.closed
        made = gain(closed.realised_pnl - closed.fees)
        text += f"\n{closed_words(closed.why)} at {number(closed.exit_price)}: {made} after {money(closed.fees)} fees"
    return text


def _timeline(log: list[ev.Recorded]) -> str:
    """Milliseconds since the alert was stored, by the recording clock."""
    begin = log[0].at
    return " · ".join(f"+{(item.at - begin).total_seconds() * 1000:,.0f} ms {_event(item.event)}" for item in log)


def _event(event: ev.Event) -> str:
    match event:
        case ev.VoteCast(vote=vote):
            return f"{event.type} {vote.seat}"
        case ev.OrderIntended(intent=intent):
            return f"{event.type} {intent.leg}"
        case ev.HandlerFailed(error=error):
            return f"{event.type} ({one_line(error, 80)})"
        case _:
            return event.type


def _table(*columns: str) -> Table:
    """Plain columns; a name that begins with > is for numbers."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    """As they are: strings would be read as markup, and these are other people's words."""
    table.add_row(*(Text(cell) for cell in cells))


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") + " UTC"
