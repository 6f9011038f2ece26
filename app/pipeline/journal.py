"""The pen: appends facts to one stream under a fence, and keeps the folded story in step with what was written.

Nothing is true before it is in the log. A VersionConflict or LaneLost from here means another worker has taken over:
stop at once, and leave the rest to it.
"""

from collections.abc import Sequence

from app.domain.events import Event, OrderExpired
from app.domain.order import OrderState
from app.domain.story import Story
from app.ports import Append, EventLog, Fence, Message


class Journal:
    """One stream, open for writing by the holder of its lane."""

    def __init__(self, log: EventLog, stream: str, story: Story, fence: Fence) -> None:
        self.stream = stream
        self.story = story
        self._log = log
        self._fence = fence

    @classmethod
    async def open(cls, log: EventLog, stream: str, fence: Fence) -> "Journal":
        return cls(log, stream, Story.of(await log.read(stream)), fence)

    async def record(self, *events: Event, also: Sequence[Append] = (), messages: Sequence[Message] = ()) -> None:
        """Append the events, with those of other streams and messages for people: all or nothing."""
        mine = Append(self.stream, self.story.version, events)
        await self._log.append(mine, *also, fence=self._fence, messages=messages)
        for event in events:
            self.story.add(event)

    async def drop_unsent(self, why: str) -> None:
        """Orders that were intended and never sent will not be: close their books."""
        unsent = [client_id for client_id, line in self.story.orders.items() if line.state is OrderState.INTENT]
        if unsent:
            await self.record(*(OrderExpired(client_id, f"never sent: {why}") for client_id in unsent))
