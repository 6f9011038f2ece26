"""The bot's database, looked at and meddled with from outside while the bot runs."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import psycopg


class Books:
    """Statements on the bot's database, over connections of our own. Only literal SQL."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def sqlite_file(self) -> str | None:
        return self.url.removeprefix("sqlite:///") if self.url.startswith("sqlite") else None

    async def rows(self, statement: str) -> list[Any]:
        return await asyncio.to_thread(self._rows, statement)

    async def one(self, statement: str) -> Any:
        """The only value of the only row; None when there is no row."""
        found = await self.rows(statement)
        return found[0][0] if found else None

    async def events(self) -> int:
        """How long the log is."""
        return int(await self.one("SELECT seq FROM chain_head") or 0)

    async def alerts(self) -> int:
        return int(await self.one("SELECT count(*) FROM alerts"))

    async def do(self, statement: str) -> None:
        await asyncio.to_thread(self._rows, statement)

    def _rows(self, statement: str) -> list[Any]:
        if self.sqlite_file:
            with closing(sqlite3.connect(self.sqlite_file, timeout=30, isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
