"""Hold the bot still in the middle of a write, from inside PostgreSQL, so that it can be killed or frozen right there.

A trigger on `events` waits for a lock of ours when the chosen event of an alert comes by. Either the insert is held
(`BEFORE`: what is killed now has written nothing), or the commit (`COMMIT`: once let go the event is in the log, and
whoever wrote it never heard). Between them they reach every point of the order path from outside.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg

from tests.faults.books import Books
from tests.faults.site import until

BEFORE, COMMIT = "before", "commit"
_LOCK = 4711
_INSTALL = f"""
CREATE TABLE IF NOT EXISTS holds (type text, nth int, after_seq bigint, at text);
CREATE OR REPLACE FUNCTION hold_event() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
    IF EXISTS (
        SELECT FROM holds WHERE type = NEW.type AND at = TG_ARGV[0]
        AND nth = (SELECT count(*) FROM events e WHERE (e.stream, e.type) = (NEW.stream, NEW.type) AND e.seq < NEW.seq)
        AND after_seq < coalesce((SELECT min(seq) FROM events e WHERE e.stream = NEW.stream), NEW.seq)
    ) THEN
        PERFORM pg_advisory_xact_lock_shared({_LOCK});
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS hold_before ON events;
DROP TRIGGER IF EXISTS hold_commit ON events;
CREATE TRIGGER hold_before BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION hold_event('{BEFORE}');
CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION hold_event('{COMMIT}');
"""
_HELD = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True)
class Point:
    """The nth (from 0) event of a type in the story of an alert that begins after now."""

    type: str
    nth: int = 0
    at: str = BEFORE

    def __str__(self) -> str:
        return f"{self.at}-{self.type}-{self.nth}"


class Hold:
    """What comes to its point stands still until `let_go`, or the end of the block."""

    def __init__(self, books: Books, lock: psycopg.AsyncConnection) -> None:
        self._books = books
        self._lock = lock

    async def reached(self) -> None:
        async def waiting() -> bool:
            return bool(await self._books.one(_HELD))

        await until("the bot comes to the point", waiting)

    async def let_go(self) -> None:
        """Nobody is held any more, here or later."""
        await self._books.do("DELETE FROM holds")
        await self._lock.execute("SELECT pg_advisory_unlock_all()")


@contextlib.asynccontextmanager
async def held_at(books: Books, point: Point) -> AsyncIterator[Hold]:
    await books.do(_INSTALL)
    async with await psycopg.AsyncConnection.connect(books.url, autocommit=True) as lock:
        await lock.execute(f"SELECT pg_advisory_lock({_LOCK})")
        row = f"'{point.type}', {point.nth}, {await books.events()}, '{point.at}'"
        await books.do(f"INSERT INTO holds VALUES ({row})")
        hold = Hold(books, lock)
        try:
            yield hold
        finally:
            await hold.let_go()
