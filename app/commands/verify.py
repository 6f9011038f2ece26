"""`tradingbot verify`: does the audit chain add up? Exit code 1 names the first bad row."""

import asyncio

import typer

from app.adapters.db.verify import ChainReport, verify_chain
from app.commands import shared
from app.commands.storage import open_database

app = typer.Typer(rich_markup_mode=None)


@app.command()
def verify(json: shared.Json = False) -> None:
    """Check every event's hash and place, and name the first row that was altered, deleted or moved.

    The head's hash vouches for everything before it: keep it somewhere else, and a rewritten history shows too.
    """
    report = asyncio.run(_verify())
    if json:
        shared.print_json(
            {
                "ok": report.ok,
                "events": report.count,
                "head_hash": report.head_hash,
                "fault": report.fault,
                "bad_seq": report.bad_seq,
                "why": report.why,
            }
        )
    elif report.ok:
        typer.echo(f"the audit chain is intact: {report.count:,} events, head {report.head_hash}")
    else:
        typer.echo(f"THE AUDIT CHAIN IS BROKEN at event {report.bad_seq} ({report.fault}): {report.why}")
        typer.echo(f"{report.count:,} events before it are intact, up to {report.head_hash}")
    raise typer.Exit(0 if report.ok else 1)


async def _verify() -> ChainReport:
    async with open_database(shared.settings()) as database:
        return await verify_chain(database.engine)
