"""What `backup` and `restore` share: the key, the place, and rows on their way between a database and an archive."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Console

from app.adapters.db.snapshot import ChainWatch, Snapshot
from app.archive.contents import ArchiveWriter, Manifest, Opening, TableStart, Tallies, Tally, row_lines
from app.archive.keys import MasterKey
from app.archive.shelf import Folder, Shelf, Sink, finished_archives
from app.domain.errors import BadSettings, OperatorError
from app.settings import Settings

LATEST = "latest"
PATIENCE_S = 120.0  # for locks and single statements: a whole table is sorted before its first row comes
Told = Callable[[str, int], None]  # table, rows so far


def master_key(found: Settings) -> MasterKey:
    """Raises BadSettings with what to do when there is none."""
    if found.keys.encryption_key is None:
        raise BadSettings(
            "ENCRYPTION_KEY is not set, and backups are never written in clear: put the output of "
            "`openssl rand -hex 32` there, and keep a copy away from the backups. Without it nobody can read them. "
            "To restore, set the key they were made with"
        )
    return MasterKey.read(found.keys.encryption_key.get_secret_value())


def shelf_at(address: str) -> Shelf:
    """s3://bucket/prefix or a folder. Raises BadSettings for anything else."""
    if address.startswith("s3://"):
        from app.adapters.aws.objects import S3Shelf  # noqa: PLC0415 - boto3 takes long to load, and only S3 needs it

        return S3Shelf.at(address)
    if "://" in address:
        raise BadSettings(
            f"{address.partition('://')[0]}:// is not a place for backups: name s3://bucket/prefix or a folder"
        )
    return Folder(Path(address).expanduser())


async def found_archive(source: str, found: Settings) -> tuple[Shelf, str]:
    """The place and the name of `latest`, s3://bucket/prefix/NAME, FOLDER/NAME, or either with `latest` as NAME."""
    if source == LATEST:
        if found.backup_url is None:
            raise BadSettings("latest of where? Set BACKUP_URL, or name s3://bucket/prefix/latest or FOLDER/latest")
        source = f"{found.backup_url.rstrip('/')}/{LATEST}"
    _refuse_folder(source)
    place, _, name = source.rpartition("/")
    shelf = shelf_at(place or ("/" if source.startswith("/") else "."))
    if name != LATEST:
        return shelf, name
    names = await finished_archives(shelf)
    if not names:
        raise OperatorError(f"there is no finished backup in {place}")
    return shelf, names[-1]


def _refuse_folder(source: str) -> None:
    if "://" not in source and Path(source).is_dir():
        raise BadSettings(f"{source} is a folder: name {source.rstrip('/')}/{LATEST}, or a file in it")


class Metered:
    """A Sink, or a source, whose bytes are counted and hashed on their way."""

    def __init__(self) -> None:
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def saw(self, data: bytes) -> bytes:
        self.bytes += len(data)
        self.sha256.update(data)
        return data

    async def reading(self, stored: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for data in stored:
            yield self.saw(data)


async def write_archive(seen: Snapshot, sink: Sink, writer: ArchiveWriter, meter: Metered, told: Told) -> Manifest:
    """Every table of the snapshot, a page at a time."""

    async def store(data: bytes) -> None:
        if data:
            await sink.write(meter.saw(data))

    chain = ChainWatch()
    await store(writer.begin())
    for name, layout in seen.layouts.items():
        await store(writer.table(TableStart(name, layout.columns)))
        rows = 0
        async for page in seen.pages(layout):
            await store(writer.rows(page))
            if name == "events":
                chain.see(layout.columns, page)
            rows += len(page)
            told(name, rows)
    await seen.compare_head(chain)
    data, manifest = writer.finish(events=chain.events, head=chain.head, broken_at=chain.broken_at)
    await store(data)
    return manifest


async def tallied(seen: Snapshot, told: Told) -> dict[str, Tally]:
    """What a database holds, as an archive would count it."""
    tallies = Tallies()
    for name, layout in seen.layouts.items():
        tallies.start(name)
        rows = 0
        async for page in seen.pages(layout):
            tallies.add(row_lines(page), len(page))
            rows += len(page)
            told(name, rows)
    return tallies.end()


def opening_of(seen: Snapshot, found: Settings, taken_at: datetime) -> Opening:
    return Opening(taken_at, found.watch.release, seen.dialect, seen.revision)


@contextlib.contextmanager
def telling(what: str, *, quiet: bool) -> Iterator[Told]:
    """One line on stderr that says how far it is, gone when done; nothing in a pipe."""
    if quiet:
        yield lambda table, rows: None  # noqa: ARG005 - the signature is Told's
        return
    with Console(stderr=True).status(what) as status:
        yield lambda table, rows: status.update(f"{what}: {table}, {rows:,} rows")


def size_text(count: int) -> str:
    """Bytes as people write them."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"  # noqa: PLR2004 - 0.1 MB
