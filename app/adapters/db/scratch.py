"""A folder for a scratch database, in the temporary folder: for proofs that write as much as they read.

It is looked whether it fits before hours are spent on it. When the disk fills up all the same, that is said in words a
person can act on, and nothing of it is left behind.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.errors import OperatorError, StorageUnavailable

_FULL = "database or disk is full"  # SQLite's words


@contextmanager
def scratch_folder(prefix: str, needs_bytes: int) -> Iterator[Path]:
    """Gone at the end of the block. `needs_bytes` is an estimate, 0 when there is none.

    Raises OperatorError when the disk has less than that, or is full before the block ends.
    """
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < needs_bytes:
        raise OperatorError(
            f"{place} has {_size(free)} free, and a scratch database needs about {_size(needs_bytes)} there: "
            "name a larger folder with TMPDIR"
        )
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        try:
            yield Path(name)
        except StorageUnavailable as error:
            if _FULL not in str(error):
                raise
            raise OperatorError(
                f"{place} is full: the scratch database did not fit, so nothing is proven. Make room there, or name "
                "a larger folder with TMPDIR"
            ) from error


async def database_bytes(connection: AsyncConnection) -> int:
    """How large the database is, indexes and all."""
    query = "SELECT pg_database_size(current_database())"
    if connection.dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    return int(await connection.scalar(sa.text(query)) or 0)


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 10**9 else f"{count / 1e6:,.1f} MB"
