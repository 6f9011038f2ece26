"""The outbox loop: a failing channel makes messages late, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.pipeline.notify import LONGEST_PAUSE_S, announcement, deliver_due, run_outbox
from tests.fakes import FakeClock
from tests.unit.notify import stories as s
from tests.unit.notify.outbox import MemoryOutbox


class Channel:
    """A notifier that does what it is told and keeps what arrived."""

    def __init__(self, *behaviours: Callable[[], Awaitable[None]]) -> None:
        self.behaviours = list(behaviours)
        self.arrived: list[str] = []

    async def send(self, text: str) -> None:
        if self.behaviours:
            await self.behaviours.pop(0)()
        self.arrived.append(text)


class Flooded(Exception):  # noqa: N818
    retry_after_s = 35.0


async def hang() -> None:
    await asyncio.Event().wait()


async def explode() -> None:
    raise ConnectionError("refused")


async def flooded() -> None:
    raise Flooded


async def test_due_messages_arrive_in_order_and_leave_the_outbox():
    outbox, channel = MemoryOutbox("one", "two"), Channel()
    delivery = await deliver_due(outbox, channel, FakeClock())
    assert (channel.arrived, outbox.done, delivery.sent) == (["one", "two"], ["one", "two"], 2)


async def test_a_failure_is_noted_and_ends_the_round():
    outbox, channel = MemoryOutbox("one", "two"), Channel(explode)
    delivery = await deliver_due(outbox, channel, FakeClock())
    assert delivery.failed
    assert outbox.errors == [("k0", "ConnectionError: refused")]
    assert list(outbox.waiting.values()) == ["one", "two"]


async def test_a_hanging_channel_is_given_up_on():
    outbox = MemoryOutbox("one")
    delivery = await deliver_due(outbox, Channel(hang), FakeClock())
    assert delivery.failed
    assert outbox.errors == [("k0", "TimeoutError: no answer within 10 s")]


async def test_a_pause_the_channel_asks_for_costs_no_try():
    outbox = MemoryOutbox("one")
    delivery = await deliver_due(outbox, Channel(flooded), FakeClock())
    assert (delivery.wait_s, delivery.failed, outbox.errors) == (35.0, False, [])


class StoppingClock(FakeClock):
    """Remembers the pauses and ends the loop after so many of them."""

    def __init__(self, pauses: int, stop: asyncio.Event) -> None:
        super().__init__()
        self.slept: list[float] = []
        self._pauses, self._stop = pauses, stop

    async def sleep(self, seconds: float) -> None:
        if seconds != 10.0:  # the limit on one sending
            self.slept.append(seconds)
            if len(self.slept) == self._pauses:
                self._stop.set()
        await super().sleep(seconds)


async def run(outbox: MemoryOutbox, channel: Channel, pauses: int) -> list[float]:
    stop = asyncio.Event()
    clock = StoppingClock(pauses, stop)
    await asyncio.wait_for(run_outbox(outbox, channel, clock, stop), timeout=5)
    return clock.slept


async def test_the_loop_outlives_a_failing_channel_backs_off_and_delivers_in_the_end():
    outbox, channel = MemoryOutbox("one"), Channel(explode, explode, explode)
    slept = await run(outbox, channel, pauses=4)
    assert channel.arrived == ["one"]
    assert slept == [2.0, 4.0, 8.0, 1.0]


async def test_pauses_stop_growing():
    assert max(await run(MemoryOutbox("one"), Channel(*[explode] * 40), pauses=40)) == LONGEST_PAUSE_S


async def test_the_loop_honours_the_pause_the_channel_asked_for():
    outbox, channel = MemoryOutbox("one"), Channel(flooded)
    assert await run(outbox, channel, pauses=2) == [35.0, 1.0]
    assert channel.arrived == ["one"]


async def test_the_loop_outlives_its_database():
    outbox = MemoryOutbox("one")
    outbox.broken = True
    assert await run(outbox, Channel(), pauses=3) == [2.0, 4.0, 8.0]


async def test_a_backlog_is_worked_off_without_resting():
    outbox, channel = MemoryOutbox(*(str(n) for n in range(45))), Channel()
    assert await run(outbox, channel, pauses=3) == [0.0, 0.0, 1.0]
    assert len(channel.arrived) == 45


async def test_the_loop_ends_while_resting():
    stop = asyncio.Event()

    class Endless(FakeClock):
        async def sleep(self, seconds: float) -> None:
            stop.set()
            await asyncio.Event().wait()

    await asyncio.wait_for(run_outbox(MemoryOutbox(), Channel(), Endless(), stop), timeout=5)


def test_the_announcement_tells_how_the_alert_ends_before_it_is_recorded():
    *before, last = s.entered()
    story = s.story(before)
    message = announcement(story, [last])
    assert message.key == f"{s.ALERT}:filled"
    assert message.text == announcement(s.story([*before, last])).text
    assert story.finished is None


def test_nothing_is_announced_about_nobody():
    with pytest.raises(ValueError, match="AlertAccepted"):
        announcement(s.story([s.signal_read()]))
