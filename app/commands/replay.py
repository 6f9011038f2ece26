"""`tradingbot replay`: is everything the bot shows what its events say? Exit code 1 lists the differences."""

import asyncio
from dataclasses import asdict

import typer

from app.adapters.db.replay import ReplayReport
from app.adapters.db.replay import replay as rebuild_and_compare
from app.commands import shared
from app.commands.storage import open_database

app = typer.Typer(rich_markup_mode=None)


@app.command()
def replay(json: shared.Json = False) -> None:
    """Rebuild orders, positions, trades and the rest from the events alone, and compare with what is stored.

    Nothing is changed. A difference means that a table was changed behind the log's back, or that the code has changed
    its mind about what an event means; the log is right.
    """
    report = asyncio.run(_replay())
    if json:
        shared.print_json({"ok": report.ok, **asdict(report)})
    elif report.ok:
        typer.echo(f"{report.events:,} events rebuild {report.rows:,} rows, and all of them are as stored")
    else:
        typer.echo(f"{report.different:,} rows are NOT what the {report.events:,} events say:")
        for found in report.differences:
            column = f".{found.column}" if found.column else ""
            typer.echo(f"  {found.table} {found.key}{column}: stored {found.live}, events say {found.rebuilt}")
        if report.different > len({(found.table, found.key) for found in report.differences}):
            typer.echo("  …")
    raise typer.Exit(0 if report.ok else 1)


async def _replay() -> ReplayReport:
    async with open_database(shared.settings()) as database:
        return await rebuild_and_compare(database.engine)
