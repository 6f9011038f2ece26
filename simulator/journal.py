"""The venue's memory on disk. What was answered survives kill -9: rows reach the operating system before the answer.

One SQLite file: a row per order, conditional, fill, position and setting, replaced when touched; income and equity
appended. A power cut may lose the last moments (no fsync per commit); the end of the process loses nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import orjson

from app.domain.codec import decode, encode
from app.domain.errors import BadSettings
from simulator.account import Income, Position, Settings
from simulator.orders import Conditional, Fill, Order, PositionSide
from simulator.state import State

T = TypeVar("T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows (kind TEXT, key TEXT, data BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS income (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS equity (at_ms INTEGER, equity TEXT NOT NULL);
"""


class Journal:
    """Writes what changed in one State; fills a fresh State from what was written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BadSettings(f"{path.name} is not a journal of the simulator: {error}") from error
        self._income = self._equity = self._now_ms = 0

    def close(self) -> None:
        self._db.close()

    @property
    def meta(self) -> dict[str, str]:
        """Empty for a new journal."""
        return dict(self._db.execute("SELECT name, value FROM meta"))

    def save(self, state: State, meta: dict[str, str], *, every_moment: bool = False) -> None:
        """Everything touched since the last save, in one transaction. Does nothing when nothing was.

        Time that merely passed is worth a row only with `every_moment`: elsewhere it is lived again after a restart.
        """
        income, equity = state.account.income[self._income :], state.equity[self._equity :]
        if not (state.touched or income or equity or (every_moment and state.now_ms != self._now_ms)):
            return
        rows = [(kind, str(key), orjson.dumps(encode(_row(state, kind, key)))) for kind, key in state.touched]
        with _transaction(self._db):
            self._db.executemany("REPLACE INTO rows VALUES (?, ?, ?)", rows)
            self._db.executemany(
                "INSERT INTO income VALUES (?, ?)", [(one.income_id, orjson.dumps(encode(one))) for one in income]
            )
            self._db.executemany("INSERT INTO equity VALUES (?, ?)", [(at, str(value)) for at, value in equity])
            self._db.executemany("REPLACE INTO meta VALUES (?, ?)", [*meta.items(), ("now_ms", str(state.now_ms))])
        state.touched.clear()
        self._income, self._equity, self._now_ms = len(state.account.income), len(state.equity), state.now_ms

    def clear(self) -> None:
        with _transaction(self._db):
            for table in ("meta", "rows", "income", "equity"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - four names from the line above
        self._income = self._equity = self._now_ms = 0

    def load(self, state: State) -> None:
        """Put everything stored into a fresh state. Raises BadSettings when the file is damaged."""
        try:
            self._load(state)
        except (ValueError, KeyError, TypeError, sqlite3.DatabaseError) as error:
            raise BadSettings(f"the simulator's journal is damaged: {error}") from error
        state.touched.clear()
        self._income, self._equity = len(state.account.income), len(state.equity)

    def _load(self, state: State) -> None:
        account = state.account
        for order in self._all("order", Order):
            state.orders[order.order_id] = order
        for algo in self._all("conditional", Conditional):
            state.conditionals[algo.algo_id] = algo
        for fill in self._all("fill", Fill):
            state.fills[fill.trade_id] = fill
        for position in self._all("position", Position):
            account.positions[position.symbol, position.side] = position
        for symbol, data in self._rows("settings"):
            account.settings[symbol] = decode(Settings, data)
        for key, data in self._rows("path"):
            symbol, bar = key.split("|")
            state.market.feeds[symbol].low_first[int(bar)] = bool(data)
        for (data,) in self._db.execute("SELECT data FROM income ORDER BY id"):
            account.income.append(decode(Income, orjson.loads(data)))
        for _, data in self._rows("account"):
            account.hedge_mode = bool(data["hedge_mode"])
        account.wallet = account.start_balance + sum(one.amount for one in account.income)
        state.equity += [(at, Decimal(value)) for at, value in self._db.execute("SELECT * FROM equity ORDER BY at_ms")]
        state.now_ms = int(self.meta["now_ms"])
        _index(state)

    def _all(self, kind: str, cls: type[T]) -> list[T]:
        return [decode(cls, data) for _, data in self._rows(kind)]

    def _rows(self, kind: str) -> list[tuple[str, Any]]:
        # Keys are numbers of equal length or names, so their order as text is the order they were made in.
        found = self._db.execute("SELECT key, data FROM rows WHERE kind = ? ORDER BY key", (kind,))
        return [(key, orjson.loads(data)) for key, data in found]


def _row(state: State, kind: str, key: int | str) -> object:
    """What a touched key stands for."""
    account = state.account
    if kind == "account":
        return {"hedge_mode": account.hedge_mode}
    if kind == "settings":
        return account.settings[str(key)]
    if kind in ("position", "path"):
        symbol, rest = str(key).split("|")
        if kind == "path":
            return state.market.feeds[symbol].low_first[int(rest)]
        return account.positions[symbol, PositionSide(rest)]
    tables: dict[str, Any] = {"order": state.orders, "conditional": state.conditionals, "fill": state.fills}
    return tables[kind][key]


def _index(state: State) -> None:
    """Rebuild what is derived: who is open, and who answers to which client id."""
    for order_id in sorted(state.orders):
        order = state.orders[order_id]
        state.by_client[order.request.symbol, order.request.client_id] = order_id
        if order.status.open:
            state.open_orders[order_id] = order
    for algo_id in sorted(state.conditionals):
        algo = state.conditionals[algo_id]
        state.algo_by_client[algo.request.client_id] = algo_id
        if algo.active:
            state.active[algo_id] = algo


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
