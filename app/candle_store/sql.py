"""SQL over the store with DuckDB: the views `candles` and `funding`, read-only, in bounded memory.

Files stay where they are; a query reads the columns and months it needs. A person's query may only SELECT, and only
from these views: other files, settings and extensions are out of reach. A query that cannot run raises BadSettings with
DuckDB's own words.
"""

import glob
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from app.candle_store.layout import FUNDING, Market
from app.candle_store.store import CandleStore
from app.domain.errors import BadSettings

_MEMORY = "192MB"  # beyond it DuckDB spills to the temporary folder
_THREADS = 2
_VALUES = {False: ("open", "high", "low", "close", "volume"), True: ("funding_rate",)}
_KEYS = ("exchange", "symbol", "interval")


@dataclass(frozen=True, slots=True)
class Answer:
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool  # there were more rows than asked for


def query(store: CandleStore, sql: str, *, limit: int | None = None) -> Answer:
    """One SELECT over the views; at most `limit` rows of its answer. Raises BadSettings."""
    with connection() as database:
        try:
            for funding in (False, True):
                _view(database, store, funding=funding)
        except duckdb.Error as error:
            raise BadSettings(f"{store.root} cannot be read: {error}") from error
        folder = str(store.root.resolve())
        # DuckDB compares names as they are written: a folder with brackets in its name is written escaped.
        database.execute(f"SET allowed_directories = [{quoted(folder)}, {quoted(glob.escape(folder))}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        try:
            statements = database.extract_statements(sql)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise BadSettings("the query must be one SELECT: the candles can be read, nothing can be changed")
            told = database.execute(statements[0])
            rows = told.fetchall() if limit is None else told.fetchmany(limit + 1)
        except duckdb.Error as error:
            raise BadSettings(f"the query cannot be answered: {error}") from error
        columns = tuple(str(column[0]) for column in told.description or ())
    return Answer(columns, tuple(rows[:limit]), more=limit is not None and len(rows) > limit)


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that never goes online and stays small."""
    with tempfile.TemporaryDirectory(prefix="tradingbot-duckdb-") as spill:
        database = duckdb.connect(
            config={
                "memory_limit": _MEMORY,
                "threads": str(_THREADS),
                "temp_directory": spill,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        try:
            database.execute("SET enable_progress_bar = false")
            yield database
        finally:
            database.close()


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def listed(paths: Sequence[Path]) -> str:
    """A SQL list of files; DuckDB would read brackets and stars in their names as patterns."""
    return "[" + ", ".join(quoted(glob.escape(str(path.resolve()))) for path in paths) + "]"


def _view(database: duckdb.DuckDBPyConnection, store: CandleStore, *, funding: bool) -> None:
    name, cols = ("funding" if funding else "candles"), _VALUES[funding]
    values = ", ".join(cols)
    keys = _KEYS[: 2 if funding else 3]
    types = ", ".join(f"{key}: 'VARCHAR'" for key in keys)
    found = {market: paths for market, paths in store.markets().items() if (market.interval == FUNDING) == funding}
    # TIMESTAMP without a zone, in UTC: with one, DuckDB would print the time zone of the machine.
    rest = f"make_timestamp_ms(epoch_ms(ts)) AS ts, {values} FROM read_parquet"
    selects = [
        f"SELECT {_constants(market, keys)}, {rest}({listed(paths)}, hive_partitioning=false)"
        for market, paths in found.items()
        if not market.exchange
    ]
    if ours := [path for market, paths in found.items() if market.exchange for path in paths]:
        selects.append(
            f"SELECT {', '.join(keys)}, {rest}({listed(ours)}, hive_partitioning=true, hive_types={{{types}}})"
        )
    if not selects:
        texts, numbers = (", ".join(f"{what} AS {one}" for one in some) for what, some in (("''", keys), ("0.0", cols)))
        selects = [f"SELECT {texts}, TIMESTAMP '1970-01-01' AS ts, {numbers} WHERE false"]
    database.execute(f"CREATE VIEW {name} AS " + " UNION ALL ".join(selects))


def _constants(market: Market, keys: Sequence[str]) -> str:
    return ", ".join(f"{quoted(getattr(market, key))} AS {key}" for key in keys)
