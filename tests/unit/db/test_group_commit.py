"""Group commit: what queues during a commit goes into the next one; one bad item harms nobody else."""

import asyncio
from collections.abc import Sequence

import pytest

from app.adapters.db.group_commit import GroupCommit
from app.domain.errors import StorageUnavailable


class Ledger:
    """Stores numbers in batches; the first commit waits to be let go. Negative numbers cannot be stored."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.down = False

    async def commit(self, items: Sequence[int]) -> Sequence[str]:
        self.started.set()
        await self.go.wait()
        if self.down:
            raise StorageUnavailable("down")
        if any(item < 0 for item in items):
            raise ValueError("negative")
        self.batches.append(list(items))
        return [f"stored {item}" for item in items]


async def submitted(group: GroupCommit[int, str], *items: int) -> list["asyncio.Task[str]"]:
    tasks = [asyncio.create_task(group.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_queued_during_a_commit_goes_into_the_next() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit, max_batch=3)
    first = await submitted(group, 1)
    await ledger.started.wait()
    rest = await submitted(group, 2, 3, 4, 5)
    ledger.go.set()
    assert await asyncio.gather(*first, *rest) == [f"stored {number}" for number in range(1, 6)]
    assert ledger.batches == [[1], [2, 3, 4], [5]]


async def test_one_that_cannot_be_stored_fails_alone() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    ledger.go.set()
    outcomes = await asyncio.gather(*await submitted(group, 1, -2, 3), return_exceptions=True)
    assert outcomes[0] == "stored 1"
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == "stored 3"


async def test_an_outage_is_everybodys_and_is_not_retried() -> None:
    ledger = Ledger()
    ledger.down = True
    ledger.go.set()
    group = GroupCommit(ledger.commit)
    outcomes = await asyncio.gather(*await submitted(group, 1, 2), return_exceptions=True)
    assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
    ledger.down = False
    assert await group.submit(3) == "stored 3"


async def test_a_caller_who_leaves_does_not_stop_the_commit() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    impatient, patient = await submitted(group, 1, 2)
    await ledger.started.wait()
    impatient.cancel()
    ledger.go.set()
    assert await patient == "stored 2"
    await group.close()
    assert ledger.batches == [[1, 2]]


async def test_a_full_queue_says_so_at_once() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit, max_queue=2)
    waiting = await submitted(group, 1)
    await ledger.started.wait()
    waiting += await submitted(group, 2, 3)
    with pytest.raises(StorageUnavailable):
        await group.submit(4)
    ledger.go.set()
    await asyncio.gather(*waiting)
    assert [item for batch in ledger.batches for item in batch] == [1, 2, 3]
