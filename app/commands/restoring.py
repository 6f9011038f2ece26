"""The steps of a restore, and what each of them proved.

Into an empty database, in one transaction: the schema at the archive's revision, all rows, read back and compared with
the manifest and the note, the schema of this release, and the pause. Whatever ends it early leaves the database as it
was. Then the audit chain is followed and the projections are rebuilt.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.migrations import known_revisions
from app.adapters.db.replay import ReplayReport, replay
from app.adapters.db.snapshot import Loading, loading, refuse_unless_empty
from app.adapters.db.verify import ChainReport, verify_chain
from app.archive.contents import Item, Manifest, Opening, TableStart
from app.archive.errors import ArchiveDamaged, WrongKey
from app.archive.shelf import Note, Shelf, archive_name, is_archive_name, note_name
from app.commands.archives import PATIENCE_S, Metered, Told, tallied
from app.domain.errors import ChainBroken, OperatorError, TradingBotError
from app.domain.events import TradingPaused
from app.domain.ids import AccountId
from app.ports import Clock
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
        """Its first part. Raises OperatorError for another key, and when it is stored under another backup's name."""
        try:
            opening = await anext(self.items)
        except WrongKey as error:
            note = await self.note()
            if note is not None and note.key != error.made_with:
                raise ArchiveDamaged(
                    f"it names {error.made_with} as its key, and the note beside it {note.key}"
                ) from error
            raise
        if not isinstance(opening, Opening):
            raise ArchiveDamaged("it does not say what it is")
        if is_archive_name(self.name) and archive_name(opening.taken_at) != self.name:
            raise OperatorError(
                f"{self.address} holds the backup of {opening.taken_at:%Y-%m-%d %H:%M:%S} UTC: somebody put one backup "
                "in the place of another. If that is the one you want, copy it to a name of your own and restore that"
            )
        return opening

    async def note(self) -> Note | None:
        """None when there is none that can be read."""
        text = await self.shelf.text(note_name(self.name))
        return Note.read(text) if text is not None else None

    async def compare_note(self, manifest: Manifest) -> bool:
        """False when there is no note. Raises ArchiveDamaged when it speaks of another archive."""
        note = await self.note()
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
    added: int  # events the restore itself wrote after those of the backup
    kept: bool  # in a database of its own; False: in a scratch file
    seconds: float

    @property
    def chain_ok(self) -> bool:
        """That the manifest's head is that of the backup's last event was found before the commit."""
        whole = self.chain.ok and self.manifest.broken_at is None
        return whole and self.chain.count == self.manifest.events + self.added

    @property
    def events(self) -> int:
        """Of the backup, that add up."""
        return min(self.chain.count, self.manifest.events)

    @property
    def ok(self) -> bool:
        return self.chain_ok and self.replayed is not None and self.replayed.ok


async def restore_into(archive: Archive, url: str, start: float, told: Told, *, keep: bool) -> Restored:
    """Raises ArchiveDamaged, OperatorError or StorageUnavailable with the database as it was.

    After its commit, whatever ends it leaves a bot that is paused.
    """
    clock = SystemClock()
    database = Database(url, clock, busy_timeout_s=PATIENCE_S, pool_size=2)
    try:
        opening = await archive.opening()
        if opening.revision not in known_revisions():
            raise OperatorError(
                f"the backup has schema {opening.revision}, which this release does not know: restore it with release "
                f"{opening.release}, or a later one"
            )
        await refuse_unless_empty(database.engine)
        loaded = await _load(archive, database, opening.revision, told, clock if keep else None)
        chain = await verify_chain(database.engine)
        replayed, unreadable = await _replayed(database, keep=keep)
        return Restored(
            address=archive.address,
            opening=opening,
            manifest=loaded.manifest,
            bytes=archive.meter.bytes,
            note_agrees=loaded.note_agrees,
            chain=chain,
            replayed=replayed,
            unreadable=unreadable,
            paused=(DEFAULT_ACCOUNT,) if keep else (),
            added=loaded.added,
            kept=keep,
            seconds=time.perf_counter() - start,
        )
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class _Loaded:
    manifest: Manifest
    note_agrees: bool
    added: int


async def _load(archive: Archive, database: Database, revision: str, told: Told, pausing: Clock | None) -> _Loaded:
    """All of it in one transaction, committed only when it adds up where it is now; with the pause if it is kept."""
    async with loading(database.engine, revision) as into:
        manifest = await _add_rows(archive, into, told)
        async with into.loaded() as seen:
            found = await tallied(seen, told)
            last = await seen.head_at(manifest.events) if manifest.events else manifest.head
        if found != manifest.tables:
            names = {*found, *manifest.tables}
            wrong = sorted(name for name in names if found.get(name) != manifest.tables.get(name))
            raise TradingBotError(
                f"nothing was restored: read back, {', '.join(wrong)} are not the rows that were backed up"
            )
        if last != manifest.head:
            raise ArchiveDamaged("its manifest vouches for another audit log")
        note_agrees = await archive.compare_note(manifest)
        await into.upgrade()
        if pausing is None:
            return _Loaded(manifest, note_agrees, 0)
        pause = TradingPaused(DEFAULT_ACCOUNT, "restore", f"restored from {archive.name}")
        return _Loaded(manifest, note_agrees, await into.pause(pause, pausing.now()))


async def _add_rows(archive: Archive, into: Loading, told: Told) -> Manifest:
    table, rows = TableStart("", ()), 0
    async for item in archive.items:
        if isinstance(item, TableStart):
            table, rows = item, 0
        elif isinstance(item, list):
            await into.add(table.name, table.columns, item)
            rows += len(item)
            told(table.name, rows)
        elif isinstance(item, Manifest):
            return item
    raise ArchiveDamaged("it ends without its manifest")


async def _replayed(database: Database, *, keep: bool) -> tuple[ReplayReport | None, str]:
    try:
        return await replay(database.engine), ""
    except ChainBroken as error:
        return None, str(error)
    except OperatorError as error:
        if not keep:
            raise
        raise OperatorError(
            f"restored and paused, but not proven: {error}; then use tradingbot verify and tradingbot replay"
        ) from error
