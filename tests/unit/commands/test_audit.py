"""`tradingbot verify` and `tradingbot replay`: clean history passes, a changed one is named."""

import json

import pytest

from tests.unit.notify import stories as s


@pytest.fixture(autouse=True)
def _history(store):
    store(s.ALERT, *s.entered()[1:])


def test_an_intact_chain(run, database_url):
    result = run("verify", DATABASE_URL=database_url)
    assert result.exit_code == 0, result.output
    assert "the audit chain is intact: 16 events, head " in result.output


def test_an_altered_event_is_named(run, sql, database_url):
    sql("UPDATE events SET data = replace(data, 'BTCUSDT', 'ETHUSDT') WHERE seq = 2")
    result = run("verify", DATABASE_URL=database_url)
    assert result.exit_code == 1
    assert "BROKEN at event 2" in result.output
    assert "1 events before it are intact" in result.output


def test_verify_for_programs(run, sql, database_url):
    good = json.loads(run("verify", "--json", DATABASE_URL=database_url).stdout)
    assert (good["ok"], good["events"], good["bad_seq"]) == (True, 16, None)
    sql("DELETE FROM events WHERE seq = 5")
    result = run("verify", "--json", DATABASE_URL=database_url)
    bad = json.loads(result.stdout)
    assert (result.exit_code, bad["ok"], bad["bad_seq"], bad["fault"]) == (1, False, 5, "deleted")


def test_what_the_events_rebuild_is_what_is_stored(run, database_url):
    result = run("replay", DATABASE_URL=database_url)
    assert result.exit_code == 0, result.output
    assert "16 events rebuild" in result.output


def test_a_projection_changed_behind_the_log_is_shown(run, sql, database_url):
    sql("UPDATE orders SET state = 'FILLED' WHERE leg = 'stop'")
    result = run("replay", DATABASE_URL=database_url)
    assert result.exit_code == 1
    assert "stored FILLED, events say ACCEPTED" in result.output
    report = json.loads(run("replay", "--json", DATABASE_URL=database_url).stdout)
    assert (report["ok"], report["different"]) == (False, 1)
    assert report["differences"][0]["column"] == "state"


@pytest.mark.parametrize("command", ["verify", "replay", "why --last"])
def test_a_database_that_is_not_there(run, command):
    result = run(*command.split(), DATABASE_URL="postgresql://bot:canary-pa55@127.0.0.1:9/bot")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "canary" not in result.output
