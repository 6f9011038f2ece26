"""`tradingbot backup` and `tradingbot restore` as they are typed, on both databases and across them."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.db import migrations
from app.adapters.db.database import Database
from app.adapters.db.tables import metadata
from app.archive.sealing import CHUNK_BYTES
from app.archive.shelf import archive_name
from app.commands.restore import SCRATCH_TIMES
from tests.fakes import FakeClock
from tests.integration.backup.conftest import KEY, Filled
from tests.integration.backup.filled import long_history
from tests.migrations.trees import NEXT, ROOT

OTHER_KEY = "5a" * 32
# The last thing a killed restore did was to commit its rows.
KILLED = """
import os, signal, sys
from app.commands import restoring
async def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
restoring.verify_chain = killed
from app.cli import main
main()
"""


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(url) as server:
        return server.execute(query.encode()).fetchall()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind, beside whichever kind the filled one is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    url: str = request.getfixturevalue("another_postgres_url")
    return url


@pytest.fixture
def another_postgres_url(postgres_server: object, postgres_template: str) -> str:
    make: Callable[..., str] = postgres_server.get_uri  # type: ignore[attr-defined]
    name = f"restored_{random.Random().randrange(10**12)}"
    with psycopg.connect(make(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return make(database=name)


def test_there_and_back_on_every_pair_of_databases(filled: Filled, new_url: str) -> None:
    backup = filled.data("backup", "--to", "kept")
    assert (backup["ok"], backup["events"], backup["broken_at"]) == (True, filled.events, None)
    assert set(backup["tables"]) == set(metadata.tables)
    assert all(backup["tables"].values()), "a table without a row proves nothing"

    restored = filled.data("restore", backup["address"], "--into", new_url)
    assert restored["ok"]
    assert (restored["head"], restored["tables"]) == (backup["head"], backup["tables"])

    amounts = "SELECT quantity, price, fee, realised_pnl FROM fills"
    assert [list(map(float, row)) for row in rows(new_url, amounts)] == [  # type: ignore[arg-type]
        list(map(float, row))  # type: ignore[arg-type]
        for row in rows(filled.url, amounts)
    ]
    bodies = "SELECT body FROM alerts ORDER BY alert_id"
    assert [bytes(row[0]) for row in rows(new_url, bodies)] == [bytes(row[0]) for row in rows(filled.url, bodies)]  # type: ignore[call-overload]


def test_a_restored_bot_does_not_trade_until_a_person_has_looked(sqlite_filled: Filled, tmp_path: Path) -> None:
    address = sqlite_filled.data("backup", "--to", "kept")["address"]
    result = sqlite_filled.run("restore", address, "--into", f"sqlite:///{tmp_path / 'new.db'}")
    assert "main is PAUSED: no entries until you resume" in result.output
    assert rows(f"sqlite:///{tmp_path / 'new.db'}", "SELECT paused FROM accounts") == [(1,)]
    assert rows(sqlite_filled.url, "SELECT paused FROM accounts") == [(0,)]


def test_verify_says_what_it_checked_and_changes_nothing(sqlite_filled: Filled, tmp_path: Path) -> None:
    sqlite_filled.run("backup", BACKUP_URL="kept")
    before = sorted(tmp_path.rglob("*"))
    said = sqlite_filled.run("restore", "latest", "--verify", BACKUP_URL="kept").output
    assert "every byte authenticated, complete; the note beside it agrees" in said
    assert f"audit chain  {sqlite_filled.events} events add up to " in said
    assert f"projections  {sqlite_filled.events} events rebuild " in said
    assert sorted(tmp_path.rglob("*")) == before


def test_the_word_names_the_database_in_the_settings(sqlite_filled: Filled, tmp_path: Path) -> None:
    address = sqlite_filled.data("backup", "--to", "kept")["address"]
    new = Filled(f"sqlite:///{tmp_path / 'new.db'}", 0)
    assert new.data("restore", address, "--into", "DATABASE_URL")["ok"]
    assert new.run("verify").exit_code == 0


def test_the_audit_log_as_a_file(sqlite_filled: Filled, tmp_path: Path) -> None:
    sqlite_filled.run("backup", "--to", "kept")
    result = sqlite_filled.run("restore", "kept/latest", "--audit", "log.jsonl")
    assert f"{sqlite_filled.events} events add up to" in result.output
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    names = ["seq", "stream", "version", "type", "at", "data", "prev_hash", "hash"]
    stored = rows(sqlite_filled.url, f"SELECT {', '.join(names)} FROM events ORDER BY seq")
    assert events == [dict(zip(names, row, strict=True)) for row in stored]
    again = sqlite_filled.run("restore", "kept/latest", "--audit", "log.jsonl", code=2)
    assert "is there already" in again.output


def test_only_the_newest_are_kept(sqlite_filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("not ours")
    for _ in range(3):
        newest = sqlite_filled.data("backup", "--to", "kept", "--keep", "2")
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == 5
    assert kept[0] == "mine.txt"
    assert newest["archive"] in kept
    assert len(newest["removed"]) == 1


def test_an_alarm_can_watch_backups(sqlite_filled: Filled, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()

    def night(place: str, code: int, **env: str) -> list[dict[str, Any]]:
        caplog.clear()
        sqlite_filled.run("backup", "--to", place, code=code, **{"LOG_JSON": "true"} | env)
        return [dict(record.msg) for record in caplog.records if isinstance(record.msg, dict)]

    [written] = night("kept", 0)
    stored = next((tmp_path / "kept").glob("*.tbarchive"))
    assert (written["event"], written["level"], written["events"]) == ("backup written", "info", sqlite_filled.events)
    assert (written["bytes"], written["sound"]) == (stored.stat().st_size, True)
    [failed] = night("file/x", 2)
    assert (failed["event"], failed["level"]) == ("backup failed", "error")
    assert "file" in failed["why"]
    sqlite_filled.do("UPDATE events SET data = replace(data, 'BTCUSDT', 'ETHUSDT') WHERE seq = 3")
    written, unsound = night("kept", 1)
    assert (written["event"], written["sound"]) == ("backup written", False)
    assert (unsound["event"], unsound["level"], unsound["broken_at"]) == ("audit log is not sound", "error", 3)
    assert night("file/x", 2, LOG_JSON="false") == []  # a person reads it in the command's last line


# --- what is refused -------------------------------------------------------------------------------------


def test_without_a_key_it_says_what_to_do(sqlite_filled: Filled) -> None:
    for words in (("backup", "--to", "kept"), ("restore", "kept/latest", "--verify")):
        said = sqlite_filled.run(*words, code=2, ENCRYPTION_KEY="").output
        assert "ENCRYPTION_KEY is not set" in said
        assert "openssl rand -hex 32" in said


def test_a_damaged_name_of_the_key_sends_nobody_for_a_key_that_never_was(sqlite_filled: Filled) -> None:
    address = Path(sqlite_filled.data("backup", "--to", "kept")["address"])
    whole = address.read_bytes()
    address.write_bytes(whole[:9] + bytes([whole[9] ^ 1]) + whole[10:])
    said = sqlite_filled.run("restore", str(address), "--verify", code=1).output
    assert "the archive is damaged: it names" in said


def test_another_key_is_named(sqlite_filled: Filled) -> None:
    name = sqlite_filled.data("backup", "--to", "kept")["key"]
    said = sqlite_filled.run("restore", "kept/latest", "--verify", code=2, ENCRYPTION_KEY=OTHER_KEY).output
    assert f"named {name}" in said
    assert "set the key of that time" in said
    assert KEY not in said
    assert OTHER_KEY not in said


def test_a_database_in_use_is_never_overwritten(filled: Filled) -> None:
    address = filled.data("backup", "--to", "kept")["address"]
    before = rows(filled.url, "SELECT * FROM events ORDER BY seq")
    said = filled.run("restore", address, "--into", "DATABASE_URL", code=2).output
    assert "is not empty" in said
    assert rows(filled.url, "SELECT * FROM events ORDER BY seq") == before


def test_a_database_with_tables_of_others_is_refused(sqlite_filled: Filled, tmp_path: Path) -> None:
    sqlite_filled.run("backup", "--to", "kept")
    other = Filled(f"sqlite:///{tmp_path / 'other.db'}", 0)
    other.do("CREATE TABLE recipes (name TEXT)")
    said = other.run("restore", "kept/latest", "--into", "DATABASE_URL", code=2).output
    assert "it has a table recipes, which is not the bot's" in said


def test_one_of_three_is_to_be_chosen(sqlite_filled: Filled) -> None:
    for words in ((), ("--verify", "--into", "sqlite:///x.db"), ("--audit", "x", "--verify")):
        assert "choose one of" in sqlite_filled.run("restore", "latest", *words, code=2).output


def test_places_that_are_none(sqlite_filled: Filled) -> None:
    assert "--to, or set BACKUP_URL" in sqlite_filled.run("backup", code=2).output
    assert "ftp:// is not a place" in sqlite_filled.run("backup", "--to", "ftp://host/x", code=2).output
    assert ". is a folder: name ./latest" in sqlite_filled.run("restore", ".", "--verify", code=2).output
    assert "no finished backup in empty" in sqlite_filled.run("restore", "empty/latest", "--verify", code=2).output
    assert "Set BACKUP_URL" in sqlite_filled.run("restore", "latest", "--verify", code=2).output
    assert "no database at" in Filled("sqlite:///gone.db", 0).run("backup", "--to", "kept", code=2).output


def test_an_archive_of_a_later_schema_is_left_to_its_release(sqlite_filled: Filled) -> None:
    sqlite_filled.do("UPDATE alembic_version SET version_num = '0099'")
    sqlite_filled.run("backup", "--to", "kept", RELEASE="9.1")
    said = sqlite_filled.run("restore", "kept/latest", "--verify", code=2).output
    assert "has schema 0099, which this release does not know: restore it with release 9.1" in said


def test_a_proof_that_does_not_fit_is_not_begun(
    sqlite_filled: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows_bytes = sqlite_filled.data("backup", "--to", "kept")["plain_bytes"]
    assert rows_bytes > 5_000
    free = rows_bytes * SCRATCH_TIMES
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free - 1))
    said = sqlite_filled.run("restore", "kept/latest", "--verify", code=2).output
    assert "a scratch database needs about" in said
    assert "TMPDIR" in said
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000))
    assert "TMPDIR" in sqlite_filled.run("replay", code=2).output
    new = f"sqlite:///{tmp_path / 'new.db'}"
    said = sqlite_filled.run("restore", "kept/latest", "--into", new, code=2).output
    assert "restored and paused, but not proven" in said
    assert rows(new, PAUSED) == [(1,)]


@pytest.mark.parametrize("words", [("restore", "kept/latest", "--verify"), ("replay",)])
def test_a_disk_that_fills_up_is_said(
    sqlite_filled: Filled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    sqlite_filled.run("backup", "--to", "kept")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "small"))
    monkeypatch.setattr(tempfile, "tempdir", None)  # what it found before
    (tmp_path / "small").mkdir()

    def small(connection: Any, _record: object) -> None:
        [_, _, file] = connection.execute("PRAGMA database_list").fetchone()
        if "scratch" in file:
            connection.execute("PRAGMA max_page_count = 20")  # SQLite's own error, without a disk to fill

    sa.event.listen(sa.pool.Pool, "connect", small)
    try:
        said = sqlite_filled.run(*words, code=2).output
    finally:
        sa.event.remove(sa.pool.Pool, "connect", small)
    assert f"{tmp_path / 'small'} is full" in said
    assert "TMPDIR" in said
    assert not list((tmp_path / "small").iterdir())


# --- what is found ---------------------------------------------------------------------------------------


def test_flipped_bytes_are_found(sqlite_filled: Filled, tmp_path: Path) -> None:
    address = Path(sqlite_filled.data("backup", "--to", "kept")["address"])
    whole = address.read_bytes()
    for position in (0, 60, len(whole) // 2, len(whole) - 1):
        address.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        assert "the archive is damaged" in sqlite_filled.run("restore", str(address), "--verify", code=1).output
    sqlite_filled.run("restore", str(address), "--audit", "log.jsonl", code=1)
    assert not list(tmp_path.glob("log.jsonl*"))


@pytest.mark.postgres
def test_a_restore_that_breaks_off_leaves_nothing_and_can_be_begun_again(
    sqlite_template: Path, another_postgres_url: str, tmp_path: Path
) -> None:
    new_url = another_postgres_url
    source = Filled(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'source.db')}", 1_000)
    asyncio.run(_long(source))
    address = Path(source.data("backup", "--to", "kept")["address"])
    whole = address.read_bytes()
    assert len(whole) > CHUNK_BYTES
    address.write_bytes(whole[:-1] + b"x")  # found out when most of the rows are in
    assert "the archive is damaged" in source.run("restore", str(address), "--into", new_url, code=1).output
    assert rows(new_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]  # who waits, waits on
    address.write_bytes(whole)
    assert source.data("restore", str(address), "--into", new_url)["events"] == source.events


def test_a_restore_that_is_killed_after_its_commit_leaves_a_bot_that_is_paused(
    sqlite_filled: Filled, tmp_path: Path
) -> None:
    address = sqlite_filled.data("backup", "--to", "kept")["address"]
    new = Filled(f"sqlite:///{tmp_path / 'new.db'}", 0)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, "restore", address, "--into", new.url]
    killed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert rows(new.url, "SELECT paused FROM accounts") == [(1,)]
    assert rows(new.url, "SELECT seq, type FROM events ORDER BY seq DESC LIMIT 1") == [
        (sqlite_filled.events + 1, "TradingPaused")
    ]
    new.run("verify")
    new.run("replay")


def test_a_backup_of_an_older_schema_becomes_usable_in_one_step(
    filled: Filled, new_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = filled.data("backup", "--to", "kept")["address"]
    head = migrations.head_revision()
    shutil.copytree(ROOT / "alembic", tmp_path / "next" / "alembic")
    (tmp_path / "next" / "alembic" / "versions" / "9999_next.py").write_text(NEXT.format(head=head))
    monkeypatch.setattr(migrations, "_CHECKOUT", tmp_path / "next")

    seen: list[object] = []

    async def looked(*_: object) -> None:
        seen.extend([*rows(new_url, "SELECT version_num FROM alembic_version"), *rows(new_url, PAUSED)])
        raise KeyboardInterrupt  # whatever ends it there

    monkeypatch.setattr("app.commands.restoring.verify_chain", looked)
    filled.run("restore", address, "--into", new_url, code=130)
    assert seen == [("9999",), (1,)]


TABLES = "SELECT count(*) FROM sqlite_master"
PAUSED = "SELECT count(*) FROM accounts WHERE paused"


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"head": "0" * 64}, {"events": 1}])
def test_what_its_note_does_not_vouch_for_is_not_restored(
    sqlite_filled: Filled, tmp_path: Path, change: dict[str, object]
) -> None:
    address = sqlite_filled.data("backup", "--to", "kept")["address"]
    note = Path(f"{address}.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    new = f"sqlite:///{tmp_path / 'new.db'}"
    assert "the note beside it" in sqlite_filled.run("restore", address, "--into", new, code=1).output
    assert rows(new, TABLES) == [(0,)]


def test_a_log_that_nothing_can_be_written_after_is_not_restored(sqlite_filled: Filled, tmp_path: Path) -> None:
    """Its rows could not be paused."""
    sqlite_filled.do("UPDATE chain_head SET seq = 3")
    address = sqlite_filled.data("backup", "--to", "kept", code=1)["address"]
    new = f"sqlite:///{tmp_path / 'new.db'}"
    said = sqlite_filled.run("restore", address, "--into", new, code=2).output
    assert "nothing was restored" in said
    assert rows(new, TABLES) == [(0,)]
    assert sqlite_filled.data("restore", address, "--verify", code=1)["chain_ok"] is False


async def _long(source: Filled) -> None:
    async with Database(source.url, FakeClock()) as database:
        await long_history(database, source.events)


def test_one_backup_in_the_place_of_another_is_found(sqlite_filled: Filled) -> None:
    old = Path(sqlite_filled.data("backup", "--to", "kept")["address"])
    new = Path(sqlite_filled.data("backup", "--to", "kept")["address"])
    shutil.copy(old, new)
    said = sqlite_filled.run("restore", str(new), "--verify", code=2).output
    assert "somebody put one backup in the place of another" in said
    mine = shutil.copy(old, "mine.tbarchive")
    assert sqlite_filled.data("restore", mine, "--verify")["note_agrees"] is False
    (old.with_name(f"{old.name}.json")).write_text((new.with_name(f"{new.name}.json")).read_text())
    assert "written for another archive" in sqlite_filled.run("restore", str(old), "--verify", code=1).output


def test_an_upload_that_was_never_finished_is_not_the_latest(sqlite_filled: Filled) -> None:
    first = sqlite_filled.data("backup", "--to", "kept")
    (Path("kept") / archive_name(datetime(2099, 1, 1, tzinfo=UTC))).write_bytes(b"half")
    assert sqlite_filled.data("restore", "kept/latest", "--verify")["address"] == first["address"]


def test_a_broken_chain_is_backed_up_and_said(sqlite_filled: Filled) -> None:
    sqlite_filled.do("UPDATE events SET data = replace(data, 'BTCUSDT', 'ETHUSDT') WHERE seq = 3")
    said = sqlite_filled.run("backup", "--to", "kept", code=1).output
    assert "THE AUDIT CHAIN IS BROKEN at event 3" in said
    assert "backup written and verified" in said
    restored = sqlite_filled.data("restore", "kept/latest", "--verify", code=1)
    assert (restored["ok"], restored["chain_ok"]) == (False, False)


def test_a_cut_log_is_said(sqlite_filled: Filled) -> None:
    sqlite_filled.do("DELETE FROM events WHERE seq > 5")
    assert sqlite_filled.data("backup", "--to", "kept", code=1)["broken_at"] == 6


def test_a_projection_changed_behind_the_log_is_said(sqlite_filled: Filled) -> None:
    sqlite_filled.do("UPDATE orders SET state = 'FILLED' WHERE leg = 'stop'")
    sqlite_filled.run("backup", "--to", "kept")
    said = sqlite_filled.run("restore", "kept/latest", "--verify", code=1)
    assert "NOT SOUND" in said.output
    assert "1 rows are NOT what the events say" in said.output


def test_a_rewritten_history_no_longer_holds_the_anchor_of_the_last_backup(
    sqlite_filled: Filled, tmp_path: Path
) -> None:
    sqlite_filled.run("backup", "--to", "kept", "--keep", "1")
    other = tmp_path / "other.db"
    sqlite_filled.run("restore", "kept/latest", "--into", f"sqlite:///{other}")
    rewritten = Filled(f"sqlite:///{other}", 0)
    assert rewritten.data("backup", "--to", "kept")["rewritten_since"] is None  # it went on from there
    found = sqlite_filled.data("backup", "--to", "kept", "--keep", "1", code=1)  # and this one did not
    assert (found["ok"], found["removed"]) == (False, [])
    assert found["rewritten_since"] is not None
    said = sqlite_filled.run("backup", "--to", "kept")
    assert "AUDIT LOG IS NOT THE ONE" not in said.output
