"""Rows in, rows out; what the manifest does not account for is refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.archive.contents import (
    ArchiveWriter,
    Item,
    Manifest,
    Opening,
    TableStart,
    Tally,
    read_archive,
    row_lines,
)
from app.archive.errors import ArchiveDamaged
from app.archive.keys import MasterKey
from app.archive.sealing import Opener, Sealer
from app.domain.errors import OperatorError

KEY, SALT = MasterKey(bytes(range(32))), b"s" * 32
OPENING = Opening(datetime(2026, 1, 5, 12, 0, 0, 5, tzinfo=UTC), "1.2", "postgresql", "0001")
EVENTS, LANES = TableStart("events", ("seq", "data")), TableStart("lanes", ("symbol",))
ROWS = [[number, f"line {number}\n [tricky] €"] for number in range(20_000)]


def written(*pages: list[list[Any]]) -> tuple[bytes, Manifest]:
    writer = ArchiveWriter(KEY, SALT, OPENING)
    parts = [writer.begin(), writer.table(EVENTS)]
    parts += [writer.rows(page) for page in pages]
    parts += [writer.table(LANES)]
    end, manifest = writer.finish(events=20_000, head="ab" * 32, broken_at=None)
    return b"".join([*parts, end]), manifest


async def items(archive: bytes, piece: int = 50_000) -> list[Item]:
    async def stored() -> AsyncIterator[bytes]:
        for at in range(0, len(archive), piece):
            yield archive[at : at + piece]

    return [item async for item in read_archive(stored(), KEY)]


def rewritten(archive: bytes, change: Any) -> bytes:
    """The archive with other lines in it, properly sealed: what only a writer with a mistake could make."""
    opener = Opener(KEY)
    plain = b"".join([*opener.read(archive), *opener.finish()])
    sealer = Sealer(KEY, SALT)
    return sealer.header + sealer.write(change(plain)) + sealer.finish()


async def test_everything_comes_back_in_order() -> None:
    archive, manifest = written(ROWS[:1], ROWS[1:15_000], [], ROWS[15_000:])
    opening, events, *pages, lanes, last = await items(archive)
    assert (opening, events, lanes, last) == (OPENING, EVENTS, LANES, manifest)
    assert [row for page in pages for row in page] == ROWS  # type: ignore[union-attr]
    assert manifest.tables["events"].rows == manifest.rows == 20_000
    assert manifest.tables["lanes"] == Tally(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


async def test_the_same_rows_have_the_same_hash_however_they_were_paged() -> None:
    assert written(ROWS)[1] == written(ROWS[:7], ROWS[7:])[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.replace(b'[7,"line 7', b'[7,"line 8'),
        lambda plain: plain.replace(b'[7,"line 7\\n [tricky] \xe2\x82\xac"]\n', b""),
        lambda plain: plain.replace(b'{"table":"lanes"', b'{"table":"lines"'),
        lambda plain: plain.replace(b'"rows":20000', b'"rows":19999'),
    ],
    ids=["altered row", "missing row", "other table", "other count"],
)
async def test_rows_that_are_not_those_of_the_manifest_are_refused(change: Any) -> None:
    archive, _ = written(ROWS)
    assert len(await items(rewritten(archive, lambda plain: plain))) > 3
    with pytest.raises(ArchiveDamaged, match="not those its manifest counted"):
        await items(rewritten(archive, change))


async def test_an_archive_without_its_manifest_is_refused() -> None:
    archive, _ = written(ROWS[:3])
    with pytest.raises(ArchiveDamaged, match="without its manifest"):
        await items(rewritten(archive, lambda plain: plain[: plain.index(b'{"manifest"')]))
    with pytest.raises(ArchiveDamaged, match="without its manifest"):
        await items(rewritten(archive, lambda plain: plain + b"[1"))


async def test_a_later_format_is_named() -> None:
    archive, _ = written(ROWS[:3])
    with pytest.raises(OperatorError, match="format 2, this release reads 1"):
        await items(rewritten(archive, lambda plain: plain.replace(b'{"archive":1', b'{"archive":2')))


@pytest.mark.parametrize("value", [Decimal(1), b"bytes", {1, 2}])
def test_a_value_without_a_spelling_is_refused(value: object) -> None:
    with pytest.raises((TypeError, orjson.JSONEncodeError)):
        row_lines([[value]])
