"""The last stage: tell people what happened, and see that the message arrives.

Every message is put into the outbox first and sent from there, so that a failing channel never delays or fails a
trade: it only makes the message late. Delivery is at least once; after a crash a message may arrive twice.
"""

import asyncio
import copy
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.events import Event
from app.domain.story import Story
from app.pipeline.wording import message_for, one_line
from app.ports import Clock, Message, Notifier, Outbox

SEND_TIMEOUT_S = 10.0
IDLE_S = 1.0  # between looks at an empty outbox
LONGEST_PAUSE_S = 60.0  # between tries of a channel that keeps failing
LONGEST_WAIT_S = 3600.0  # the most a channel may ask us to wait
BATCH = 20

_log = logging.getLogger(__name__)


def announcement(story: Story, events: Sequence[Event] = ()) -> Message:
    """The message about an alert once `events` have been recorded too; one per alert and final state.

    It is queued in the transaction that ends the alert, so neither can be there without the other.
    Raises ValueError for a story without an alert.
    """
    if story.accepted is None:
        raise ValueError("a story that does not begin with AlertAccepted is nobody's")
    ended = copy.copy(story)
    for event in events:
        ended.add(event)
    return Message(f"{story.accepted.alert_id}:{ended.state}", message_for(ended))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One round of the outbox."""

    sent: int
    failed: bool = False  # the channel did not take a message
    wait_s: float = 0.0  # the channel asked to be left alone for so long
    more: bool = False  # there may be more due right now


async def deliver_due(outbox: Outbox, notifier: Notifier, clock: Clock) -> Delivery:
    """Send what is due, oldest first.

    The first failure ends the round: the channel is down, and the others would only use up their tries.
    An error with a positive `retry_after_s` says the channel asked for a pause: that is no failed try.
    Raises StorageUnavailable when the outbox does not answer; a notifier's errors never get out.
    """
    messages = await outbox.due(BATCH)
    for sent, (key, text) in enumerate(messages):
        try:
            await _within(SEND_TIMEOUT_S, notifier.send(text), clock)
        except Exception as error:  # noqa: BLE001 - whatever a channel throws, it is only a late message
            wait_s = getattr(error, "retry_after_s", None)
            if isinstance(wait_s, int | float) and wait_s > 0:
                return Delivery(sent, wait_s=min(float(wait_s), LONGEST_WAIT_S))
            why = f"{type(error).__name__}: {one_line(str(error), 200)}"
            _log.warning("message %s was not delivered: %s", key, why)
            await outbox.failed(key, why)
            return Delivery(sent, failed=True)
        await outbox.delivered(key)
    return Delivery(len(messages), more=len(messages) == BATCH)


async def run_outbox(outbox: Outbox, notifier: Notifier, clock: Clock, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set. Never raises: a channel or database that fails is tried again, ever more slowly."""
    failures = 0
    while not stop.is_set():
        try:
            round_ = await deliver_due(outbox, notifier, clock)
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever storage throws
            _log.warning("the outbox did not answer: %s: %s", type(error).__name__, one_line(str(error), 200))
            round_ = Delivery(0, failed=True)
        failures = failures + 1 if round_.failed else 0
        if round_.failed:
            pause_s = min(2.0 ** min(failures, 10), LONGEST_PAUSE_S)
        else:
            pause_s = round_.wait_s or (0.0 if round_.more else IDLE_S)
        await _rest(pause_s, clock, stop)


async def _within(seconds: float, sending: Coroutine[None, None, None], clock: Clock) -> None:
    """Wait for the sending, at most so long by `clock`. Raises TimeoutError, or what the sending raised."""
    send, timer = asyncio.ensure_future(sending), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({send, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not send.done():
            raise TimeoutError(f"no answer within {seconds:g} s")
        send.result()
    finally:
        await _drop(send, timer)


async def _rest(seconds: float, clock: Clock, stop: asyncio.Event) -> None:
    """Sleep, unless told to stop."""
    stopped, timer = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({stopped, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _drop(stopped, timer)


async def _drop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what is unfinished and take note of how it ended, so that nothing is left behind to complain."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
