"""`tradingbot restore`: read a backup, prove it, put it into an empty database. Exit code 1: it is not sound.

A database in use is never touched, and nothing is left half loaded: rows go in in one transaction, which is committed
only when they were read back and are the rows that were backed up.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.adapters.db.scratch import scratch_folder
from app.archive.contents import Item, read_archive
from app.commands import shared
from app.commands.archives import Metered, Told, found_archive, master_key, telling
from app.commands.audit_file import AuditReport, write_audit
from app.commands.restore_view import audit_data, restored_data, say_audit, say_restored
from app.commands.restoring import Archive, Restored, restore_into
from app.domain.errors import BadSettings
from app.settings import Settings

app = typer.Typer(rich_markup_mode=None)
CONFIGURED = "DATABASE_URL"  # the word itself
SCRATCH_TIMES = 3  # the rows as text: a database is 1.3 times that, and is there twice until its first commit is done


@app.command()
def restore(
    source: Annotated[
        str,
        typer.Argument(help="latest (of BACKUP_URL), s3://bucket/prefix/latest, FOLDER/latest, or one by its name."),
    ],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing: restore into a scratch file, and prove it.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An empty database; the word DATABASE_URL means the one in the settings."),
    ] = None,
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only write the audit log there, an event a line, as JSON.")
    ] = None,
    json: shared.Json = False,
) -> None:
    """Prove a backup, or restore it: choose one of --verify, --into and --audit.

    Needs the ENCRYPTION_KEY the backup was made with. A restored bot is paused: its records end with the backup.
    """
    if [verify, into is not None, audit is not None].count(True) != 1:
        raise BadSettings("choose one of --verify, --into URL and --audit FILE")
    found = shared.settings()
    with telling("restoring", quiet=json or not sys.stderr.isatty()) as told:
        if audit is not None:
            report: AuditReport | Restored = asyncio.run(_audit(source, found, audit, told))
        else:
            report = asyncio.run(_restore(source, found, into, told))
    if isinstance(report, AuditReport):
        shared.print_json(audit_data(report)) if json else say_audit(report)
    else:
        shared.print_json(restored_data(report)) if json else say_restored(report)
    raise typer.Exit(0 if report.ok else 1)


async def _restore(source: str, found: Settings, into: str | None, told: Told) -> Restored:
    start = time.perf_counter()
    async with _opened(source, found) as archive:
        if into is not None:
            url = found.database.url.get_secret_value() if into == CONFIGURED else into
            return await restore_into(archive, url, start, told, keep=True)
        note = await archive.note()
        with scratch_folder("restore-", note.plain_bytes * SCRATCH_TIMES if note else 0) as folder:
            return await restore_into(archive, f"sqlite:///{folder / 'scratch.db'}", start, told, keep=False)


async def _audit(source: str, found: Settings, file: Path, told: Told) -> AuditReport:
    async with _opened(source, found) as archive:
        return await write_audit(archive, file, told)


@asynccontextmanager
async def _opened(source: str, found: Settings) -> AsyncIterator[Archive]:
    key = master_key(found)
    shelf, name = await found_archive(source, found)
    meter = Metered()
    stored = shelf.reading(name)
    items: AsyncIterator[Item] = read_archive(meter.reading(stored), key)
    async with aclosing(items):  # type: ignore[type-var]
        yield Archive(shelf, name, items, meter)
