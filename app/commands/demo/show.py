"""What a person sees of the demo: a live table on a terminal, one line an alert in a pipe, then the figures."""

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app.commands.demo.summary import Summary
from app.commands.demo.tape import TapeItem
from app.commands.shared import console

_ROWS = 16
_STYLE = {"filled": "green", "closed": "cyan", "refused": "yellow", "duplicate": "dim", "rejected": "magenta"}
_STATUS_WORDS = {
    400: "unreadable",
    401: "wrong secret",
    403: "sender not allowed",
    413: "too large",
    422: "not acceptable",
    429: "overload",
}


class Show:
    def __init__(self, *, quiet: bool) -> None:
        self._console = console()
        self._quiet = quiet
        self._rows: deque[tuple[str, str, str, str]] = deque(maxlen=_ROWS)
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("playing the tape"), BarColumn(bar_width=40), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("tape", total=1)

    def opening(self, tape: Sequence[TapeItem], begin: datetime, end: datetime, source: str) -> None:
        if self._quiet:
            return
        self._console.print(
            f"[bold]TradingBot AI demo[/bold]  {sum(item.sends for item in tape)} messages on the tape, "
            f"{begin:%d %b %Y} to {end:%d %b %Y}, candles: {source}\n"
            "Local exchange, made-up money. Messages travel over real HTTP, orders through the real exchange client.\n"
        )

    @contextlib.contextmanager
    def playing(self, tape: Sequence[TapeItem]) -> Iterator[None]:
        self._progress.update(self._task, total=sum(item.sends for item in tape))
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(self._frame(), console=self._console, refresh_per_second=8) as self._live:
            yield
            self._live.update(self._frame())
        self._live = None

    def alert(self, item: TapeItem, status: int, said: Mapping[str, Any]) -> None:
        """One message and what became of it. `said` is the alert's story, or the webhook's answer."""
        outcome, why = _outcome(status, said)
        row = (f"{item.at:%d %b %H:%M}", item.label, outcome, why)
        self._rows.append(row)
        self._progress.advance(self._task)
        if self._live is not None:
            self._live.update(self._frame())
        elif not self._quiet:
            self._console.print(f"{row[0]}  {item.label:<44.44} {outcome:<10} {why}", no_wrap=True, overflow="ellipsis")

    def closing(self, summary: Summary, out: Path) -> None:
        if self._quiet:
            return
        self._console.print()
        self._console.print(Panel(_figures(summary), title="what happened", title_align="left", border_style="dim"))
        if summary.data()["refused"].get("ALREADY_FLAT"):
            self._console.print(
                "[dim]ALREADY_FLAT is no trouble: the exit signal came after stop or target had closed the position, "
                "or its entry had been refused.[/dim]"
            )
        verdict = "[bold green]sound[/bold green]" if summary.sound else "[bold red]NOT SOUND[/bold red]"
        self._console.print(f"{verdict}: {_soundness(summary)}")
        for problem in summary.problems[:10]:
            self._console.print(f"  [red]{problem}[/red]")
        self._console.print(
            f"\nequity curve: {out / 'equity.png'}   figures: {out / 'summary.json'}   "
            f"messages: {out / 'notifications.txt'}\n"
            "one alert's story: "
            f"DATABASE_URL=sqlite+aiosqlite:///{out / 'demo.sqlite3'} .venv/bin/tradingbot why --last"
        )

    def _frame(self) -> Group:
        table = Table(expand=True, box=None, header_style="bold dim", pad_edge=False)
        table.add_column("market time", no_wrap=True)
        table.add_column("message", no_wrap=True, ratio=4)
        table.add_column("outcome", no_wrap=True)
        table.add_column("why", no_wrap=True, ratio=7, overflow="ellipsis")
        for at, label, outcome, why in self._rows:
            table.add_row(at, label, Text(outcome, style=_STYLE.get(outcome, "red")), why)
        return Group(table, self._progress)


def _outcome(status: int, said: Mapping[str, Any]) -> tuple[str, str]:
    if status != HTTPStatus.ACCEPTED:
        error = said.get("error", {})
        return "rejected", f"{status} {_STATUS_WORDS.get(status, '')}: {error.get('detail', '')}"
    if "state" not in said:
        return str(said["status"]), "seen before: nothing is done twice"
    return str(said["state"]), str(said["summary"])


def _figures(summary: Summary) -> Table:
    data = summary.data()
    table = Table.grid(padding=(0, 2))
    refused = ", ".join(f"{reason} {count}" for reason, count in data["refused"].items())
    by_status = ", ".join(f"{count} x {status}" for status, count in data["rejected_by_status"].items())
    change = float(data["equity_end"]) - float(data["equity_start"])
    sent = f"{data['alerts_sent']}: {data['accepted']} accepted, {data['duplicates']} duplicates"
    won = f"{data['trades']} positions closed in all, {data['trades_won']} with profit"
    equity = f"{data['equity_start']} → {data['equity_end']} USDT ({change:+.2f})"
    rows = [
        ("messages sent", f"{sent}, {data['rejected']} rejected ({by_status})"),
        ("entries filled", f"{data['filled']}, each with a stop resting at the exchange"),
        ("exits done", f"{data['closed']} by signal; {won}"),
        ("refused, with reason", refused or "none"),
        ("failed or expired", f"{data['failed']} / {data['expired']}"),
        ("open now", f"{data['open_positions']} positions"),
        ("equity", f"{equity}; fees {data['fees_paid']}, funding {data['funding']}"),
        ("who voted", "; ".join(data["seats"])),
        ("messages to you", f"{data['notifications']} delivered"),
        ("time", f"{data['seconds']} s"),
    ]
    for name, value in rows:
        table.add_row(Text(name, style="bold"), Text(value))
    return table


def _soundness(summary: Summary) -> str:
    chain = f"audit chain of {summary.chain.count:,} events " + ("intact" if summary.chain.ok else "BROKEN")
    ledger = "records equal to the exchange's ledger" if not summary.problems else "records DIFFER from the ledger"
    return f"{chain}, {ledger}"
