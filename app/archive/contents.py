"""What is inside an archive: lines of JSON. Any language that can open the archive can read them.

    {"archive": 1, "taken_at": …, "release": …, "dialect": …, "revision": …}      first: what this is
    {"table": "events", "columns": ["seq", "stream", …]}                          then each table, by name,
    [1, "alert:01J…", …]                                                          and its rows, by key
    {"manifest": {"tables": {"events": {"rows": 1, "sha256": …}}, "head": …}}     last: what it must add up to

Values are text, whole numbers, true, false and null: amounts are digits without an exponent, moments
2026-01-05T12:00:00.000000+00:00, days 2026-01-05, bytes base64. The same rows are the same lines, whichever database
they were read from, so `sha256` (over a table's row lines, each with its line break) also proves a restore.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from app.archive.errors import ArchiveDamaged
from app.archive.keys import MasterKey
from app.archive.sealing import Opener, Sealer
from app.domain.errors import OperatorError

FORMAT = 1
Row = Sequence[Any]  # str, int, bool or None


@dataclass(frozen=True, slots=True)
class Opening:
    """What an archive says about itself before its first row."""

    taken_at: datetime
    release: str  # of the program that wrote it
    dialect: str  # of the database it was read from
    revision: str  # of the schema its rows fit


@dataclass(frozen=True, slots=True)
class TableStart:
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the rows before it must add up to."""

    tables: Mapping[str, Tally]
    events: int  # seq of the last event
    head: str  # its hash: it vouches for the whole audit chain
    broken_at: int | None  # the first event that did not add up when the archive was written

    @property
    def rows(self) -> int:
        return sum(tally.rows for tally in self.tables.values())


Page = list[list[Any]]
Item = Opening | TableStart | Page | Manifest


class Tallies:
    """Counts and hashes row lines, table by table."""

    def __init__(self) -> None:
        self.done: dict[str, Tally] = {}
        self._name: str | None = None
        self._rows = 0
        self._sha256 = hashlib.sha256()

    def start(self, table: str) -> None:
        self.end()
        self._name, self._rows, self._sha256 = table, 0, hashlib.sha256()

    def add(self, lines: bytes, rows: int) -> None:
        self._sha256.update(lines)
        self._rows += rows

    def end(self) -> dict[str, Tally]:
        if self._name is not None:
            self.done[self._name] = Tally(self._rows, self._sha256.hexdigest())
            self._name = None
        return self.done


class ArchiveWriter:
    """Rows in, bytes to store out. `salt` must be random and new."""

    def __init__(self, key: MasterKey, salt: bytes, opening: Opening) -> None:
        self._sealer = Sealer(key, salt)
        self._tallies = Tallies()
        self._opening = opening
        self.plain_bytes = 0  # of the rows, before they were compressed

    def begin(self) -> bytes:
        line = {"archive": FORMAT} | asdict(self._opening) | {"taken_at": self._opening.taken_at.isoformat()}
        return self._sealer.header + self._sealer.write(_line(line))

    def table(self, start: TableStart) -> bytes:
        self._tallies.start(start.name)
        return self._sealer.write(_line({"table": start.name, "columns": start.columns}))

    def rows(self, page: Sequence[Row]) -> bytes:
        lines = row_lines(page)
        self._tallies.add(lines, len(page))
        self.plain_bytes += len(lines)
        return self._sealer.write(lines)

    def finish(self, *, events: int, head: str, broken_at: int | None) -> tuple[bytes, Manifest]:
        manifest = Manifest(self._tallies.end(), events, head, broken_at)
        return self._sealer.write(_line({"manifest": asdict(manifest)})) + self._sealer.finish(), manifest


async def read_archive(stored: AsyncIterator[bytes], key: MasterKey) -> AsyncIterator[Item]:
    """The parts of an archive in order, rows in pages, everything checked on the way.

    The last item is the manifest, and it is given out only when the archive ends with it and its counts and hashes are
    those of the rows before: until then nothing may be relied on. Raises ArchiveDamaged, WrongKey, and OperatorError
    for an archive of a later format.
    """
    opener, lines = Opener(key), _Lines()
    async for data in stored:
        for piece in opener.read(data):
            for item in lines.read(piece):
                yield item
    for piece in opener.finish():
        for item in lines.read(piece):
            yield item
    yield lines.manifest()


def row_lines(page: Sequence[Row]) -> bytes:
    """The one way rows are written. Raises TypeError for what is not a value of an archive."""
    return b"".join(_line(row) for row in page)


def _line(data: Any) -> bytes:
    return orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)


class _Lines:
    """From text to items. Rows are given out in pages, as they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._tallies = Tallies()
        self._opened = False
        self._manifest: Manifest | None = None

    def read(self, piece: bytes) -> Iterator[Item]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        page: Page = []
        for line in lines:
            if line.startswith(b"["):
                self._tallies.add(line + b"\n", 1)
                page.append(orjson.loads(line))
                continue
            if page:
                yield page
                page = []
            yield from self._other(line)
        if page:
            yield page

    def manifest(self) -> Manifest:
        if self._manifest is None or self._rest:
            raise ArchiveDamaged("it ends without its manifest")
        if self._manifest.tables != self._tallies.end():
            raise ArchiveDamaged("its rows are not those its manifest counted")
        return self._manifest

    def _other(self, line: bytes) -> Iterator[Item]:
        data = orjson.loads(line)
        if not self._opened:
            self._opened = True
            yield _opening(data)
        elif "table" in data:
            self._tallies.start(data["table"])
            yield TableStart(data["table"], tuple(data["columns"]))
        else:
            found = data["manifest"]
            tables = {name: Tally(**tally) for name, tally in found["tables"].items()}
            self._manifest = Manifest(tables, found["events"], found["head"], found["broken_at"])


def _opening(data: Mapping[str, Any]) -> Opening:
    if data.get("archive") != FORMAT:
        raise OperatorError(
            f"the archive has format {data.get('archive')}, this release reads {FORMAT}: use a later one"
        )
    return Opening(datetime.fromisoformat(data["taken_at"]), data["release"], data["dialect"], data["revision"])
