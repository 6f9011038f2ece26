"""`tradingbot backup`: the whole database into one encrypted archive. Exit code 1: it is there; the log is not sound.

Nothing is called written before it was proven to be where it belongs. What goes wrong leaves older backups alone. With
LOG_JSON it says so in log lines too (`backup written`; errors at level error), for alarms to watch.
"""

import asyncio
import logging
import secrets
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import structlog
import typer

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.snapshot import Snapshot, snapshot
from app.archive.contents import ArchiveWriter, Manifest
from app.archive.keys import MasterKey
from app.archive.shelf import Note, Shelf, archive_name, finished_archives, note_name
from app.commands import shared
from app.commands.archives import (
    PATIENCE_S,
    Metered,
    Told,
    master_key,
    opening_of,
    shelf_at,
    size_text,
    telling,
    write_archive,
)
from app.commands.storage import refuse_missing
from app.domain.errors import BadSettings, OperatorError, TradingBotError
from app.log import configure_logging
from app.settings import Settings

log = structlog.get_logger(__name__)
app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Done:
    """A backup that is where it belongs."""

    address: str
    note: Note
    manifest: Manifest
    rewritten_since: str | None  # when the backup was taken whose anchor is no longer in the log
    seconds: float
    removed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.note.broken_at is None and self.rewritten_since is None


@app.command()
def backup(
    to: Annotated[
        str | None, typer.Option(metavar="PLACE", help="s3://bucket/prefix, or a folder; BACKUP_URL otherwise.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Afterwards remove all but the newest N there.")] = None,
    json: shared.Json = False,
) -> None:
    """Write every table, as of one moment, into one compressed archive encrypted with ENCRYPTION_KEY.

    The bot may go on trading meanwhile. Beside the archive lies a note without secrets; the hash in it vouches for the
    whole audit log up to now, and the next backup checks the log against it.
    """
    found = shared.settings()
    key = master_key(found)
    place = to or found.backup_url
    if place is None:
        raise BadSettings("where to? Name s3://bucket/prefix or a folder with --to, or set BACKUP_URL")
    if found.log.json:
        configure_logging("WARNING", json=True, stream=sys.stderr)
        logging.getLogger(__name__).setLevel(logging.INFO)  # ours alone
    try:
        with telling("backing up", quiet=json or not sys.stderr.isatty()) as told:
            done = asyncio.run(_backup(found, shelf_at(place), key, keep, told))
    except TradingBotError as error:
        if found.log.json:  # a person reads the same in the command's last line
            log.error("backup failed", why=str(error))  # noqa: TRY400 - the words say it, a traceback adds nothing
        raise
    _log(done)
    if json:
        shared.print_json(_data(done))
    else:
        _say(done)
    raise typer.Exit(0 if done.ok else 1)


async def _backup(found: Settings, shelf: Shelf, key: MasterKey, keep: int | None, told: Told) -> Done:
    refuse_missing(found)
    start = time.perf_counter()
    before = await _newest_note(shelf)
    clock = SystemClock()
    database = Database(found.database.url.get_secret_value(), clock, busy_timeout_s=PATIENCE_S, pool_size=1)
    try:
        async with snapshot(database.engine) as seen:
            rewritten = before.taken_at if before and not await _still_there(seen, before) else None
            opening = opening_of(seen, found, clock.now())
            name = archive_name(opening.taken_at)
            writer, meter = ArchiveWriter(key, secrets.token_bytes(32), opening), Metered()
            async with shelf.storing(name) as sink:
                manifest = await write_archive(seen, sink, writer, meter, told)
    finally:
        await database.close()
    note = Note(
        archive=name,
        taken_at=opening.taken_at.isoformat(),
        bytes=meter.bytes,
        sha256=meter.sha256.hexdigest(),
        key=key.name,
        revision=opening.revision,
        events=manifest.events,
        head=manifest.head,
        broken_at=manifest.broken_at,
        plain_bytes=writer.plain_bytes,
    )
    await shelf.put_text(note_name(name), note.text())
    done = Done(shelf.address(name), note, manifest, rewritten, time.perf_counter() - start)
    # While the log is in doubt, the backups from before it was are worth more than their space.
    return replace(done, removed=await _prune(shelf, keep, done.address)) if keep and done.ok else done


async def _newest_note(shelf: Shelf) -> Note | None:
    names = await finished_archives(shelf)
    text = await shelf.text(note_name(names[-1])) if names else None
    return None if text is None else Note.read(text)


async def _still_there(seen: Snapshot, before: Note) -> bool:
    """Whether the log still holds what the last backup vouched for."""
    return not before.events or await seen.head_at(before.events) == before.head


async def _prune(shelf: Shelf, keep: int, address: str) -> tuple[str, ...]:
    """Remove all but the newest archives; the archive before its note, so that no note is without one for long."""
    old = (await finished_archives(shelf))[:-keep]
    try:
        for name in old:
            await shelf.remove(name)
            await shelf.remove(note_name(name))
    except OperatorError as error:
        raise OperatorError(f"{address} is written and verified, but older ones cannot be removed: {error}") from error
    return tuple(old)


def _log(done: Done) -> None:
    note = done.note
    log.info(
        "backup written",
        address=done.address,
        bytes=note.bytes,
        events=note.events,
        rows=done.manifest.rows,
        head=note.head,
        seconds=round(done.seconds, 3),
        sound=done.ok,
    )
    if not done.ok:
        log.error("audit log is not sound", broken_at=note.broken_at, rewritten_since=done.rewritten_since)


def _say(done: Done) -> None:
    note, manifest = done.note, done.manifest
    typer.echo(f"backup written and verified: {done.address}")
    typer.echo(
        f"  {note.events:,} events, {manifest.rows:,} rows of {len(manifest.tables)} tables, "
        f"{size_text(note.bytes)}, {done.seconds:.1f} s"
    )
    typer.echo(f"  schema {note.revision}, key {note.key}, head of the audit log {note.head}")
    if done.removed:
        typer.echo(f"  removed {len(done.removed)} older ones, from {done.removed[0]} to {done.removed[-1]}")
    typer.echo(f"  try it: tradingbot restore {done.address} --verify")
    if note.broken_at is not None:
        typer.echo(
            f"THE AUDIT CHAIN IS BROKEN at event {note.broken_at}. The backup holds it as it is: tradingbot verify"
        )
    if done.rewritten_since is not None:
        typer.echo(
            f"THE AUDIT LOG IS NOT THE ONE of the backup of {done.rewritten_since}: that one's last event is gone. "
            "It was rewritten, or this is another database, or one restored from before"
        )


def _data(done: Done) -> dict[str, Any]:
    return {
        "ok": done.ok,
        "address": done.address,
        **asdict(done.note),
        "tables": {name: tally.rows for name, tally in done.manifest.tables.items()},
        "rewritten_since": done.rewritten_since,
        "removed": done.removed,
        "seconds": round(done.seconds, 3),
    }
