"""A doorbell that rings in every process. Losing a ring costs one polling interval, nothing else.

Two tasks: one publishes rings, one listens. Both live through any outage and take up again by themselves; whatever
happens to them, rings inside this process arrive.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from app.adapters.local import LocalDoorbell
from app.adapters.redis.breaker import Breaker
from app.adapters.redis.client import FAILURES, TIMEOUT_S
from app.ports import Clock

_log = structlog.get_logger(__name__)
_WORK, _SWITCH = b"", b"!"  # what is before the ringer's name


class RedisDoorbell:
    """`await start()` before use and `close()` after; without `start` it is a local doorbell.

    `name` is this process's own: its rings come back from Redis and are not heard twice. `silence_s` is how long the
    line may be quiet before it is tested.
    """

    def __init__(
        self,
        client: Redis,
        clock: Clock,
        *,
        name: str,
        channel: str = "tradingbot:doorbell",
        silence_s: float = 15.0,
    ) -> None:
        self._client = client
        self._clock = clock
        self._name = name.encode()
        self._channel = channel
        self._silence_s = silence_s
        self._local = LocalDoorbell()
        self._to_publish = asyncio.Event()
        self._pressed = False  # a switch, and not yet published
        self._look: Callable[[], None] | None = None
        self._connected = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def connected(self) -> bool:
        """Whether rings of other processes are being heard right now."""
        return self._connected

    async def start(self) -> None:
        """Begin to talk to Redis, in the background: returns at once, Redis up or down."""
        if not self._tasks:
            self._tasks = (self._task(self._publish()), self._task(self._listen()))

    async def close(self) -> None:
        running, self._tasks = set(self._tasks), ()
        while running:
            for task in running:
                task.cancel()
            # Again after a while: a cancellation that meets a timeout inside the client library is swallowed there.
            _, running = await asyncio.wait(running, timeout=TIMEOUT_S)

    def ring(self) -> None:
        self._local.ring()
        self._to_publish.set()

    def press(self) -> None:
        """Ring, and tell all other processes that a switch was pressed: not only new work, everything may have changed.

        Lost like any ring when Redis is; then the others find out at their next look.
        """
        self._pressed = True
        self.ring()

    def heed(self, look: Callable[[], None]) -> None:
        """Called when a switch was pressed in another process. Must not block."""
        self._look = look

    async def wait(self, timeout_s: float) -> None:
        await self._local.wait(timeout_s)

    async def _publish(self) -> None:
        """Rings that come while one is being published are published as one."""
        breaker = Breaker(self._clock)
        while True:
            await self._to_publish.wait()
            self._to_publish.clear()
            if not breaker.may_try():
                continue
            what, self._pressed = (_SWITCH if self._pressed else _WORK), False
            try:
                await self._client.publish(self._channel, what + self._name)
                breaker.succeeded()
            except FAILURES:
                breaker.failed()

    async def _listen(self) -> None:
        breaker = Breaker(self._clock)
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=False) as line:
                    await line.subscribe(self._channel)
                    await self._hear(line, breaker)
            except FAILURES as error:
                if breaker.failed():
                    _log.warning("doorbell_is_local", why=type(error).__name__)
            finally:
                self._connected = False
            await self._clock.sleep(breaker.pause_s)

    async def _hear(self, line: PubSub, breaker: Breaker) -> None:
        """Pass rings on until the line breaks, which raises one of FAILURES."""
        tested = False
        while True:
            message = await line.get_message(timeout=self._silence_s)
            if message is None:
                # A peer that vanished without a word leaves a connection that is quiet for ever.
                if tested:
                    raise TimeoutError("the line is dead")
                tested = True
                await line.ping()
                continue
            tested = False
            if message["type"] == "subscribe":
                self._connected = True
                self._local.ring()  # something may have been rung while nobody listened
                if breaker.succeeded():
                    _log.info("doorbell_is_shared_again")
            elif message["type"] == "message" and message["data"] not in (_WORK + self._name, _SWITCH + self._name):
                if self._look is not None and message["data"].startswith(_SWITCH):
                    self._look()
                self._local.ring()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(_report)
        return task


def _report(task: asyncio.Task[None]) -> None:
    """A task that ended by itself is a defect; the bot goes on polling, but somebody should know."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("doorbell_task_died", exc_info=error)
