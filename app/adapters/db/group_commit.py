"""One commit for everything that queued while the last commit ran. No fixed wait: an idle queue commits at once.

One bad item must not lose its neighbours: a batch that fails for its content is tried again item by item.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.domain.errors import StorageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """`commit` stores a batch in one transaction and returns one result per item, in order."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int = 128,
        max_queue: int = 2_000,
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Wait until the item is committed. Being cancelled ends the wait, not the commit."""
        if len(self._queue) >= self._max_queue:
            raise StorageUnavailable("too much is waiting to be stored")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._drain(), name="group-commit")
        return await future

    async def close(self) -> None:
        """Return when everything submitted is committed or refused."""
        if self._committing is not None:
            await asyncio.wait([self._committing])

    async def _drain(self) -> None:
        while self._queue:
            size = min(len(self._queue), self._max_batch)
            await self._settle([self._queue.popleft() for _ in range(size)])

    async def _settle(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the waiting callers
            if len(batch) == 1 or isinstance(error, StorageUnavailable):
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                return
            for one in batch:
                await self._settle([one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
