"""What a queue for alerts looks like from either end. Its methods raise StorageUnavailable when it does not answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.alert import Alert


@dataclass(frozen=True, slots=True)
class Spilled:
    """A message of the queue, hidden from other workers for a while."""

    receipt: str  # proves that it is ours to delete
    group: str  # messages of one group are handed out in order
    received: int  # how often it was handed out, this time included
    alert: Alert | None  # None: it cannot be read
    why: str = ""  # it cannot


class SpillQueue(Protocol):
    """Where alerts go in."""

    async def put(self, alert: Alert) -> None:
        """Returns when it is durable."""
        ...


class SpillSource(Protocol):
    """Where they come out."""

    async def receive(self, *, wait_s: int, hidden_s: int) -> Sequence[Spilled]:
        """A few messages, in order within each group; waits up to `wait_s` for the first one."""
        ...

    async def delete(self, messages: Sequence[Spilled]) -> None: ...

    async def hide(self, messages: Sequence[Spilled], seconds: int) -> None:
        """Keep them from others for so long from now; 0 hands them back."""
        ...

    async def depth(self) -> int:
        """About how many messages there are, hidden ones included."""
        ...
