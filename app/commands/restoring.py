"""The steps of a restore, and what each of them proved.

Into an empty database: its schema at the archive's revision, all rows in one transaction, read back and compared with
the manifest before the commit, then the schema of this release, the audit chain, and the projections rebuilt.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.migrations import change_schema, known_revisions
from app.adapters.db.replay import ReplayReport, replay
from app.adapters.db.snapshot import loading, refuse_unless_empty
from app.adapters.db.verify import ChainReport, verify_chain
from app.archive.contents import Item, Manifest, Opening, TableStart
from app.archive.errors import ArchiveDamaged
from app.archive.shelf import Note, Shelf, archive_name, is_archive_name, note_name
from app.commands.archives import PATIENCE_S, Metered, Told, tallied
from app.domain.errors import ChainBroken, OperatorError, TradingBotError
from app.domain.events import TradingPaused
from app.domain.ids import AccountId, account_stream
from app.ports import Append
from app.registry.parse import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup that is being read."""

    shelf: Shelf
    name: str
    items: AsyncIterator[Item]
    meter: Metered

    @property
    def address(self) -> str:
        return self.shelf.address(self.name)

    async def opening(self) -> Opening:
        """Its first part. Raises OperatorError when it is stored under another backup's name."""
        opening = await anext(self.items)
        if not isinstance(opening, Opening):
            raise ArchiveDamaged("it does not say what it is")
        if is_archive_name(self.name) and archive_name(opening.taken_at) != self.name:
            raise OperatorError(
                f"{self.address} holds the backup of {opening.taken_at:%Y-%m-%d %H:%M:%S} UTC: somebody put one backup "
                "in the place of another. If that is the one you want, copy it to a name of your own and restore that"
            )
        return opening

    async def compare_note(self, manifest: Manifest) -> bool:
        """False when there is no note. Raises ArchiveDamaged when it speaks of another archive."""
        text = await self.shelf.text(note_name(self.name))
        note = Note.read(text) if text is not None else None
        if note is None:
            return False
        if (note.sha256, note.bytes) != (self.meter.sha256.hexdigest(), self.meter.bytes):
            raise ArchiveDamaged("the note beside it was written for another archive")
        if (note.events, note.head) != (manifest.events, manifest.head):
            raise ArchiveDamaged("the note beside it vouches for another audit log")
        return True


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored or tried, and what was found."""

    address: str
    opening: Opening
    manifest: Manifest
    bytes: int
    note_agrees: bool  # False: there is none
    chain: ChainReport
    replayed: ReplayReport | None
    unreadable: str  # why the events could not be replayed; "" when they could
    paused: tuple[AccountId, ...]
    kept: bool  # in a database of its own; False: in a scratch file
    seconds: float

    @property
    def chain_ok(self) -> bool:
        return self.chain.ok and (self.chain.count, self.chain.head_hash) == (self.manifest.events, self.manifest.head)

    @property
    def ok(self) -> bool:
        return self.chain_ok and self.replayed is not None and self.replayed.ok


async def restore_into(archive: Archive, url: str, start: float, told: Told, *, keep: bool) -> Restored:
    """Raises ArchiveDamaged, OperatorError or StorageUnavailable with nothing in the database but empty tables."""
    database = Database(url, SystemClock(), busy_timeout_s=PATIENCE_S, pool_size=2)
    try:
        opening = await archive.opening()
        if opening.revision not in known_revisions():
            raise OperatorError(
                f"the backup has schema {opening.revision}, which this release does not know: restore it with release "
                f"{opening.release}, or a later one"
            )
        await refuse_unless_empty(database.engine)
        await change_schema(database.engine, opening.revision)
        manifest = await _load(archive, database, told)
        note_agrees = await archive.compare_note(manifest)
        await change_schema(database.engine)
        chain = await verify_chain(database.engine)
        replayed, unreadable = await _replayed(database)
        return Restored(
            address=archive.address,
            opening=opening,
            manifest=manifest,
            bytes=archive.meter.bytes,
            note_agrees=note_agrees,
            chain=chain,
            replayed=replayed,
            unreadable=unreadable,
            paused=await _pause(database, archive.name) if keep else (),
            kept=keep,
            seconds=time.perf_counter() - start,
        )
    finally:
        await database.close()


async def _load(archive: Archive, database: Database, told: Told) -> Manifest:
    """All rows, in one transaction, which is committed only when they add up where they are now."""
    table, rows = TableStart("", ()), 0
    async with loading(database.engine) as into:
        async for item in archive.items:
            if isinstance(item, TableStart):
                table, rows = item, 0
            elif isinstance(item, list):
                await into.add(table.name, table.columns, item)
                rows += len(item)
                told(table.name, rows)
            elif isinstance(item, Manifest):
                found = await tallied(await into.loaded(), told)
                if found != item.tables:
                    wrong = sorted(name for name in {*found, *item.tables} if found.get(name) != item.tables.get(name))
                    raise TradingBotError(
                        f"nothing was restored: read back, {', '.join(wrong)} are not the rows that were backed up"
                    )
                return item
    raise ArchiveDamaged("it ends without its manifest")


async def _replayed(database: Database) -> tuple[ReplayReport | None, str]:
    try:
        return await replay(database.engine), ""
    except ChainBroken as error:
        return None, str(error)


async def _pause(database: Database, name: str) -> tuple[AccountId, ...]:
    """No entries until a person has looked: what happened after the backup is not on record."""
    facts = await database.records.account_facts(DEFAULT_ACCOUNT)
    if not facts.paused:
        pause = TradingPaused(DEFAULT_ACCOUNT, "restore", f"restored from {name}")
        await database.events.append(Append(account_stream(DEFAULT_ACCOUNT), facts.version, (pause,)))
    return (DEFAULT_ACCOUNT,)
