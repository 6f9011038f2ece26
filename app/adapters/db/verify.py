"""Does the chain add up? Reads every event once, in order, with bounded memory, and names the first row that does not.

What it proves is that nobody changed the log without also recomputing everything after the change and the head. Keep
the head's hash somewhere else from time to time (it is in the report) and that is noticed too.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.db.chain import row_hash
from app.adapters.db.store import Store
from app.adapters.db.tables import GENESIS, chain_head, events

_PAGE = 1_000
_SEARCH = 100_000  # how far away a moved row's own place is looked for


class Fault(StrEnum):
    """What can be wrong with the chain."""

    ALTERED = "altered"
    DELETED = "deleted"
    REORDERED = "reordered"
    TAIL_CUT = "tail cut"
    HEAD_MISMATCH = "head mismatch"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class ChainReport:
    count: int  # events that add up, from the first on
    head_hash: str  # of the last of them: it vouches for all
    fault: Fault | None = None
    bad_seq: int | None = None  # the first row that does not add up
    why: str = ""  # in plain words; "" when all is well

    @property
    def ok(self) -> bool:
        return self.fault is None


async def verify_chain(engine: AsyncEngine) -> ChainReport:
    """Check every event and the head against each other, in one snapshot. Raises StorageUnavailable."""
    count, previous = 0, GENESIS
    try:
        async with Store(engine).read(unhurried=True) as connection:
            head = (await connection.execute(_as_stored(chain_head, connection))).mappings().one_or_none()
            async for row in _rows(connection):
                fault = _fault(row, count + 1, previous, last=head["seq"] if head else count + 1)
                if fault is not None:
                    return ChainReport(count, previous, *fault)
                count, previous = count + 1, row["hash"]
    except sa.exc.DatabaseError as error:
        why = f"the database cannot read on after event {count}: {error.orig}"
        return ChainReport(count, previous, Fault.UNREADABLE, count + 1, why)
    fault = _head_fault(_readable(head) if head else None, count, previous)
    return ChainReport(count, previous, *(fault or ()))


Found = tuple[Fault, int, str]


def _fault(row: Mapping[str, Any], expected: int, previous: str, *, last: int) -> Found | None:
    if row["seq"] != expected:
        missing = f"event {expected} is" if row["seq"] == expected + 1 else f"events {expected} to {row['seq'] - 1} are"
        return Fault.DELETED, expected, f"{missing} missing"
    if row_hash(row) != row["hash"]:
        place = _own_place(row, expected, last)
        if place is not None:
            return Fault.REORDERED, expected, f"the row in place {expected} was written as event {place}"
        return Fault.ALTERED, expected, f"the row of event {expected} is not what was hashed when it was written"
    if row["prev_hash"] != previous:
        # The row is whole, and it vouches for another predecessor than the one that is there.
        bad = max(1, expected - 1)
        return Fault.ALTERED, bad, f"event {bad} was rewritten: event {expected} vouches for another row before it"
    return None


def _own_place(row: Mapping[str, Any], found_at: int, last: int) -> int | None:
    """The number under which the row was written, if it is whole but somewhere else."""
    near = range(max(1, found_at - _SEARCH), min(last, found_at + _SEARCH) + 1)
    return next((place for place in near if row_hash({**row, "seq": place}) == row["hash"]), None)


def _head_fault(head: Mapping[str, Any] | None, count: int, last_hash: str) -> Found | None:
    if head is None:
        return Fault.HEAD_MISMATCH, count, "the head of the chain is missing"
    if head["seq"] > count:
        return Fault.TAIL_CUT, count + 1, f"the chain went on to event {head['seq']}: the tail was cut off"
    if head["seq"] < count:
        return Fault.HEAD_MISMATCH, head["seq"] + 1, f"the head stands at event {head['seq']}: later rows were added"
    if head["hash"] != last_hash:
        return Fault.HEAD_MISMATCH, count, f"event {count} was rewritten: the head vouches for another row"
    return None


async def _rows(connection: AsyncConnection) -> AsyncIterator[Mapping[str, Any]]:
    after = 0
    while True:
        page = _as_stored(events, connection).where(events.c.seq > after).order_by(events.c.seq).limit(_PAGE)
        rows = (await connection.execute(page)).mappings().all()
        for row in rows:
            yield _readable(row)
        if len(rows) < _PAGE:
            return
        after = rows[-1]["seq"]


def _as_stored(table: sa.Table, connection: AsyncConnection) -> sa.Select[Any]:
    """SQLite stores any bytes in any column: read them as bytes, so that damage is seen instead of raised."""
    if connection.dialect.name != "sqlite":
        return sa.select(table)
    numbers = ("seq", "version", "id")
    return sa.select(
        *(
            column if column.name in numbers else sa.cast(column, sa.LargeBinary).label(column.name)
            for column in table.c
        )
    )


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes as text; those that are none become characters no writer of ours ever produced."""
    return {
        name: value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        for name, value in row.items()
    }
