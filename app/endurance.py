"""What keeps long-running loops running: survive what fails, and hold on to a lease while working under it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import structlog

from app.domain.errors import LaneLost, Retryable, VersionConflict
from app.ports import Fence, Lanes, Metrics

log = structlog.get_logger(__name__)
T = TypeVar("T")


async def survive(work: Coroutine[Any, Any, T], metrics: Metrics, *, pause_s: float) -> T | None:
    """The work's result, or None after a pause: the loops go on whatever the database or the venue throws."""
    try:
        return await work
    except (LaneLost, VersionConflict, Retryable) as error:
        log.warning("will try again", error=f"{type(error).__name__}: {error}")
    except Exception:
        log.exception("unexpected in a loop")
        metrics.alarm("worker_loop")
    await asyncio.sleep(pause_s)
    return None


@contextlib.asynccontextmanager
async def kept(lanes: Lanes, fence: Fence, lease_s: float) -> AsyncIterator[None]:
    """Renew the lease while the block runs."""
    renewal = asyncio.create_task(_renew(lanes, fence, lease_s))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)


async def _renew(lanes: Lanes, fence: Fence, lease_s: float) -> None:
    while True:
        await asyncio.sleep(lease_s / 3)
        try:
            await lanes.renew(fence, lease_s)
        except Retryable:
            continue  # the fence decides, not this timer: if the lease ran out, the next append says so
