"""`tradingbot doctor`: is everything in place to trade, and if not, what to do. Exit code 1 when something fails."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.commands import shared
from app.commands.checkups import CHECKS, Finding, Level, examine
from app.domain.errors import BadSettings
from app.log import redact

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}

app = typer.Typer(rich_markup_mode=None)


@app.command()
def doctor(
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask each filled seat one question. Costs a fraction of a cent.")
    ] = False,
    json: shared.Json = False,
) -> None:
    """Check settings, database, audit chain, Redis, exchange, seats, Telegram, strategies and disk.

    Changes nothing, places no order and costs nothing (without --ask).
    """
    findings = _examined(ask=ask)
    if json:
        shared.print_json(
            {
                "ok": all(finding.level is not Level.FAIL for finding in findings),
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        shared.console().print(_table(findings))
    raise typer.Exit(1 if any(finding.level is Level.FAIL for finding in findings) else 0)


def _examined(*, ask: bool) -> list[Finding]:
    try:
        found = shared.settings(log_level="ERROR")  # what is found is said in the findings
    except BadSettings as error:
        # Without settings there is nothing else to look at.
        return [Finding("settings", Level.FAIL, redact(str(error)), "mend them in .env or the environment")]
    checks = CHECKS
    if ask:
        # Loaded only when asked for: the model SDKs take seconds.
        from app.commands.ask_seats import ask_seats  # noqa: PLC0415

        checks = (*CHECKS, ("votes", ask_seats))
        if sys.stderr.isatty():
            typer.echo("asking the filled seats one question each …", err=True)
    return asyncio.run(examine(found, checks))


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(
            Text(finding.level, style=_COLOURS[finding.level]),
            Text(finding.name, style="bold"),
            Text(finding.found + (f"\n→ {finding.do}" if finding.do else "")),
        )
    return table
