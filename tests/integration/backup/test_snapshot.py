"""What the tables are read as: one moment, every type, the same on both databases."""

import base64
import contextlib
import io
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.snapshot import loading, refuse_unless_empty, snapshot
from app.domain.errors import OperatorError
from tests.fakes import FakeClock
from tests.integration.backup.conftest import KEY, Filled
from tests.integration.backup.filled import lived
from tests.integration.db.cases import an_alert

PAGE = Path(__file__).resolve().parents[3] / "docs" / "concepts" / "backups.md"


async def test_what_is_written_meanwhile_is_not_in_it(database: Database, engine: AsyncEngine) -> None:
    for number in range(3):
        await database.inbox.put(an_alert(number))
    async with snapshot(engine) as seen:
        first = [row async for page in seen.pages(seen.layouts["alerts"]) for row in page]
        await database.inbox.put(an_alert(3))
        events = [row async for page in seen.pages(seen.layouts["events"]) for row in page]
        (head,) = [row async for page in seen.pages(seen.layouts["chain_head"]) for row in page]
    assert (len(first), len(events), head[1]) == (3, 3, 3)
    assert await database.inbox.backlog() == 4


async def test_values_are_spelled_alike(database: Database, engine: AsyncEngine, clock: FakeClock) -> None:
    await lived(database, clock)
    async with snapshot(engine) as seen:
        found = {
            name: [dict(zip(layout.columns, row, strict=True)) async for page in seen.pages(layout) for row in page]
            for name, layout in seen.layouts.items()
        }
    (fill,) = found["fills"]
    assert (fill["quantity"], fill["price"], fill["realised_pnl"]) == ("0.015", "64210", "0")
    (account,) = found["accounts"]
    assert (account["equity"], account["wallet"]) == ("10000.1", "0")  # not "-0"
    assert (account["daily_loss_day"], account["paused"]) == ("2026-01-05", False)
    assert account["marked_at"] == "2026-01-05T12:00:00.000000+00:00"
    (position,) = found["positions"]
    assert position["quantity"] == "0.0000001"
    assert base64.b64decode(found["alerts"][0]["body"]) == bytes(range(256))
    keys = [row["alert_id"] for row in found["alerts"]]
    assert keys == sorted(keys, key=str.encode)


async def test_a_column_nobody_knows_how_to_keep_stops_the_backup(database: Database, engine: AsyncEngine) -> None:
    async with engine.execution_options(writes=True).begin() as connection:
        await connection.execute(sa.text("ALTER TABLE alerts ADD COLUMN weight DOUBLE PRECISION"))
    async with snapshot(engine) as seen:
        with pytest.raises(OperatorError, match=r"alerts\.weight: a column of type .* cannot be backed up"):
            _ = [page async for page in seen.pages(seen.layouts["alerts"])]


async def test_somebody_who_comes_first_is_not_overwritten(database: Database, engine: AsyncEngine) -> None:
    await refuse_unless_empty(engine)
    await database.inbox.put(an_alert(1))  # a bot was started on it
    with pytest.raises(OperatorError, match="somebody wrote to it just now"):
        async with loading(engine, "head"):
            pass
    assert await database.inbox.backlog() == 1


def test_the_lines_of_the_handbook_read_an_archive(sqlite_filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    address = sqlite_filled.data("backup", "--to", "kept")["address"]
    lines = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.setattr(sys, "argv", ["read.py", KEY, address])
    found: dict[str, list[object]] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(lines, found)  # noqa: S102 - our own page
    assert len(found["lines"]) > sqlite_filled.events
    assert "manifest" in found["lines"][-1]  # type: ignore[operator]
