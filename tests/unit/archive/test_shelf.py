"""A folder of archives: whole ones, their notes, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.archive.shelf import Folder, Note, archive_name, finished_archives, is_archive_name, note_name
from app.domain.errors import OperatorError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAME = archive_name(NOON)
NOTE = Note(NAME, NOON.isoformat(), 3, "ab", "key", "0001", 7, "cd", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "yet"


async def stored(folder: Path, name: str = NAME) -> None:
    async with Folder(folder).storing(name) as sink:
        await sink.write(b"abc")
        await sink.write(b"def")


async def test_what_was_stored_is_there_for_its_owner_only(folder: Path) -> None:
    await stored(folder)
    assert (folder / NAME).read_bytes() == b"abcdef"
    assert (folder / NAME).stat().st_mode & 0o077 == 0
    assert b"".join([data async for data in Folder(folder).reading(NAME)]) == b"abcdef"
    assert await Folder(folder).names() == [NAME]


async def test_what_broke_off_is_not(folder: Path) -> None:
    async def broken_off() -> None:
        async with Folder(folder).storing(NAME) as sink:
            await sink.write(b"abc")
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await broken_off()
    assert await Folder(folder).names() == []


async def test_a_disk_that_kept_something_else_is_noticed(folder: Path) -> None:
    async def stored_on_a_bad_disk() -> None:
        async with Folder(folder).storing(NAME) as sink:
            await sink.write(bytes(1 << 20))
            with (folder / f"{NAME}.part").open("r+b") as disk:
                disk.seek(1000)
                disk.write(b"x")

    with pytest.raises(OperatorError, match="is the disk sound"):
        await stored_on_a_bad_disk()
    assert await Folder(folder).names() == []


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError, match="file"):
        await stored(tmp_path / "file")
    with pytest.raises(OperatorError, match="No such file"):
        _ = [data async for data in Folder(tmp_path).reading("nothing")]


async def test_an_archive_is_finished_when_it_has_its_note(folder: Path) -> None:
    shelf = Folder(folder)
    names = [archive_name(NOON + timedelta(microseconds=number)) for number in (2, 0, 1)]
    for name in names:
        await stored(folder, name)
    for name in names[:2]:
        await shelf.put_text(note_name(name), NOTE.text())
    await shelf.put_text("other.txt", "")
    assert await finished_archives(shelf) == [names[1], names[0]]
    await shelf.remove(names[0])
    assert await finished_archives(shelf) == [names[1]]
    assert await finished_archives(Folder(folder / "empty")) == []


async def test_a_note_comes_back(folder: Path) -> None:
    await stored(folder)
    await Folder(folder).put_text(note_name(NAME), NOTE.text())
    assert Note.read(await Folder(folder).text(note_name(NAME)) or "") == NOTE
    assert await Folder(folder).text("no such note") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"archive": 1}', NOTE.text().replace("head", "heads")])
def test_what_is_no_note_is_none(text: str) -> None:
    assert Note.read(text) is None


def test_a_note_of_a_later_release_is_read_all_the_same() -> None:
    assert Note.read(NOTE.text().replace("{", '{"weather": "fine", ', 1)) == NOTE


def test_names_are_recognised() -> None:
    assert is_archive_name(NAME)
    assert NAME == "tradingbot-20260105T120000000000Z.tbarchive"
    assert not any(map(is_archive_name, (f"{NAME}.json", f"{NAME}.part", "tradingbot.tbarchive", f"x{NAME}")))
