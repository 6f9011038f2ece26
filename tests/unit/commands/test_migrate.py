"""`tradingbot migrate`: from nothing to the newest schema, again, at the same time, and in front of a newer one."""

import asyncio
import json
import socket
import threading

import pytest

from app.adapters.db.database import Database
from app.adapters.db.migrations import head_revision
from app.commands import migrate as command
from tests.fakes import FakeClock


def test_from_nothing_and_again(run, empty_database_url):
    head = head_revision()
    first = run("migrate", DATABASE_URL=empty_database_url)
    assert (first.exit_code, first.stdout) == (0, f"the database was brought from schema none to {head}\n")
    again = run("migrate", "--json", DATABASE_URL=empty_database_url)
    assert json.loads(again.stdout) == {"from": head, "to": head, "changed": False, "newer": False}


def test_a_newer_schema_is_left_as_it_is_so_that_a_release_can_come_back(run, sql, database_url):
    sql("UPDATE alembic_version SET version_num = '9999'")
    result = run("migrate", DATABASE_URL=database_url)
    assert result.exit_code == 0
    assert result.stdout == "the database is at schema 9999, which is newer than this release: left as it is\n"
    assert json.loads(run("migrate", "--json", DATABASE_URL=database_url).stdout)["newer"]


def test_several_at_once_end_with_one_that_did_it(empty_database_url):
    """As when every task of a service migrates at its start."""
    changes = []

    async def migrate() -> None:
        database = Database(empty_database_url, FakeClock(), busy_timeout_s=60)
        try:
            changes.append(await database.migrate())
        finally:
            await database.close()

    together = [threading.Thread(target=lambda: asyncio.run(migrate())) for _ in range(3)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert [change.after for change in changes] == [head_revision()] * 3
    assert sorted(change.before is None for change in changes) == [False, False, True]


def test_no_database_is_said_and_can_be_tried_again(run, tmp_path):
    result = run("migrate", DATABASE_URL=f"postgresql://nobody@/none?host={tmp_path}")
    assert result.exit_code == 1
    assert result.stderr.startswith("tradingbot: ")
    assert result.stderr.count("\n") == 1


def test_a_server_that_never_answers_is_not_waited_for_as_long_as_a_lock(run, monkeypatch):
    """A security group that drops packets: the migrate task of a deploy must end, and say why."""
    monkeypatch.setattr(command, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        result = run("migrate", DATABASE_URL=f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/none")
    assert result.exit_code == 1
    assert "the database does not answer within 0.3 s: nothing was changed" in result.stderr


@pytest.mark.parametrize("words", [("migrate",), ("migrate", "--json")])
def test_settings_that_make_no_sense_are_not_tried(run, words):
    assert run(*words, DATABASE_URL="mysql://db").exit_code == 2
