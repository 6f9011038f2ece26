"""The verifier names the first row that does not add up, and how."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.chain import row_hash
from app.adapters.db.database import Database
from app.adapters.db.store import make_engine
from app.adapters.db.tables import chain_head, events
from app.adapters.db.verify import ChainReport, Fault, verify_chain
from app.domain import events as ev
from app.ports import Append
from tests.fakes import FakeClock
from tests.integration.db.cases import ACCOUNT, an_alert

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def written(database: Database) -> Database:
    """Ten events."""
    for number in range(1, 9):
        await database.events.append(Append("s", number - 1, (ev.TradingPaused(ACCOUNT, "x", f"reason {number}"),)))
    await database.inbox.put(an_alert(1))
    await database.inbox.put(an_alert(2))
    return database


async def tamper(engine: AsyncEngine, *statements: sa.Executable) -> ChainReport:
    async with engine.execution_options(writes=True).begin() as connection:
        for statement in statements:
            await connection.execute(statement)
    return await verify_chain(engine)


def at(seq: int) -> sa.ColumnElement[bool]:
    return events.c.seq == seq


async def test_an_untouched_chain_adds_up(written: Database, engine: AsyncEngine) -> None:
    report = await verify_chain(engine)
    assert (report.ok, report.count, report.why) == (True, 10, "")
    (last,) = await written.events.read(f"alert:{an_alert(2).alert_id}")
    assert last.seq == 10
    assert len(report.head_hash) == 64


async def test_an_empty_chain_adds_up(database: Database, engine: AsyncEngine) -> None:
    assert (await verify_chain(engine)) == ChainReport(0, "0" * 64)


@pytest.mark.parametrize(
    "change",
    [
        {"data": sa.func.replace(events.c.data, "reason 4", "reason 5")},
        {"type": "TradingResumed"},
        {"stream": "t"},
        {"version": 40},
        {"at": an_alert(5).received_at},
        {"hash": "f" * 64},
        {"prev_hash": "f" * 64},
        {"data": sa.func.replace(events.c.data, '","', '", "')},  # the same JSON, other bytes
    ],
    ids=["data", "type", "stream", "version", "at", "hash", "prev_hash", "whitespace"],
)
async def test_an_altered_row_is_named(written: Database, engine: AsyncEngine, change: dict[str, object]) -> None:
    report = await tamper(engine, sa.update(events).where(at(4)).values(change))
    assert (report.fault, report.bad_seq, report.count) == (Fault.ALTERED, 4, 3)
    assert "4" in report.why


async def test_a_row_rewritten_with_a_hash_that_fits_is_named(written: Database, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = dict((await connection.execute(sa.select(events).where(at(4)))).mappings().one())
    row["data"] = row["data"].replace("reason 4", "a better one")
    report = await tamper(engine, sa.update(events).where(at(4)).values(data=row["data"], hash=row_hash(row)))
    assert (report.fault, report.bad_seq) == (Fault.ALTERED, 4)


async def test_the_last_row_rewritten_with_a_hash_that_fits_is_named(written: Database, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = dict((await connection.execute(sa.select(events).where(at(10)))).mappings().one())
    row["data"] = row["data"].replace("127.0.0.1", "127.0.0.2")
    report = await tamper(engine, sa.update(events).where(at(10)).values(data=row["data"], hash=row_hash(row)))
    assert (report.fault, report.bad_seq) == (Fault.HEAD_MISMATCH, 10)


@pytest.mark.parametrize("first", [1, 4])
async def test_a_deleted_row_is_named(written: Database, engine: AsyncEngine, first: int) -> None:
    report = await tamper(engine, sa.delete(events).where(at(first)))
    assert (report.fault, report.bad_seq) == (Fault.DELETED, first)


async def test_a_deleted_row_is_noticed_when_the_rest_moves_up(written: Database, engine: AsyncEngine) -> None:
    moves = [sa.update(events).where(at(seq)).values(seq=seq - 1) for seq in range(5, 11)]
    report = await tamper(engine, sa.delete(events).where(at(4)), *moves)
    assert (report.fault, report.bad_seq) == (Fault.REORDERED, 4)
    assert "written as event 5" in report.why


async def test_swapped_rows_are_named(written: Database, engine: AsyncEngine) -> None:
    places = [(3, 0), (7, 3), (0, 7)]
    report = await tamper(engine, *(sa.update(events).where(at(was)).values(seq=to) for was, to in places))
    assert (report.fault, report.bad_seq) == (Fault.REORDERED, 3)
    assert "written as event 7" in report.why


async def test_a_cut_tail_is_named(written: Database, engine: AsyncEngine) -> None:
    report = await tamper(engine, sa.delete(events).where(events.c.seq > 8))
    assert (report.fault, report.bad_seq, report.count) == (Fault.TAIL_CUT, 9, 8)


async def test_rows_written_past_the_head_are_named(written: Database, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        eighth = (await connection.execute(sa.select(events).where(at(8)))).one()
    report = await tamper(engine, sa.update(chain_head).values(seq=8, hash=eighth.hash))
    assert (report.fault, report.bad_seq) == (Fault.HEAD_MISMATCH, 9)


async def test_a_missing_head_is_noticed(written: Database, engine: AsyncEngine) -> None:
    assert (await tamper(engine, sa.delete(chain_head))).fault is Fault.HEAD_MISMATCH


async def test_one_flipped_byte_in_the_file_is_named(sqlite_template: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sqlite_template, tmp_path))
    async with Database(f"sqlite:///{path}", FakeClock()) as database:
        for number in range(10):
            event = ev.TradingPaused(ACCOUNT, "x", f"reason {number}")
            await database.events.append(Append("s", number, (event,)))
    _flip(path, b"reason 6")
    engine = make_engine(f"sqlite:///{path}")
    report = await verify_chain(engine)
    await engine.dispose()
    assert (report.fault, report.bad_seq) == (Fault.ALTERED, 7)


async def test_the_ten_lines_of_the_handbook_check_the_chain(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "concepts" / "audit-log.md").read_text(encoding="utf-8")
    lines = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "var").mkdir()
    path = Path(shutil.copy(sqlite_template, tmp_path / "var" / "tradingbot.sqlite3"))
    monkeypatch.chdir(tmp_path)
    async with Database(f"sqlite:///{path}", FakeClock()) as database:
        for number in range(3):
            await database.inbox.put(an_alert(number))
    found: dict[str, object] = {}
    exec(lines, found)  # noqa: S102 - our own page
    assert found["seq"] == 3
    _flip(path, b'"body_sha256"')
    with pytest.raises((AssertionError, sqlite3.OperationalError)):
        exec(lines, {})  # noqa: S102


def _flip(path: Path, where: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(where) + 3] ^= 0x80  # not even UTF-8 any more
    path.write_bytes(content)
